"""Which build step made which layer."""

from scanning.layers.history import build_steps
from scanning.oci.manifest import HistoryEntry, ImageConfig, Platform
from tests.scanning.files.keys import KEYS


def steps(*history: HistoryEntry, layers: int) -> tuple[str, ...]:
    return build_steps(ImageConfig(Platform(), (), history=history), layers)


def test_steps_that_make_no_layer_are_passed_over() -> None:
    history = (HistoryEntry("ADD rootfs /"), HistoryEntry("CMD sh", empty_layer=True), HistoryEntry("COPY  app\n/srv"))
    assert steps(*history, layers=2) == ("ADD rootfs /", "COPY app /srv")


def test_a_history_of_another_length_tells_nothing() -> None:
    assert steps(layers=2) == ("", "")
    assert steps(HistoryEntry("ADD rootfs /"), layers=2) == ("", "")


def test_a_long_step_is_cut() -> None:
    (step,) = steps(HistoryEntry("RUN " + "x" * 1000), layers=1)
    assert len(step) == 400
    assert step.endswith("x…")


def test_a_secret_in_a_step_is_never_shown() -> None:
    assert steps(HistoryEntry("RUN echo '" + KEYS["Ed25519 PKCS8"] + "' > /key"), layers=1) == (
        "a build step that holds a secret",
    )
