"""Which build step made which layer (OCI image specification, config.md, `history`)."""

from scanning.files.secrets import find_in_text
from scanning.oci.manifest import ImageConfig

_LONGEST_STEP = 400
_HIDDEN = "a build step that holds a secret"


def build_steps(config: ImageConfig, layers: int) -> tuple[str, ...]:
    """The build step of each of `layers` layers, the lowest first; "" where the history does not tell.

    A history that does not have one step for each layer tells nothing. White space is folded, long steps are cut, and
    a step that holds a secret is not shown.
    """
    steps = [step.created_by for step in config.history if not step.empty_layer]
    if len(steps) != layers:
        return ("",) * layers
    return tuple(_shown(step) for step in steps)


def _shown(step: str) -> str:
    if find_in_text(step):
        return _HIDDEN
    text = " ".join(step.split())
    return text if len(text) <= _LONGEST_STEP else f"{text[: _LONGEST_STEP - 1]}…"
