"""Parameters of the gate's own API: one that nobody reads would be a wish that is ignored."""

from collections.abc import Iterable

from proxy.errors import BadRequestError

_LONGEST_SHOWN = 40


def check_parameters(given: Iterable[str], *known: str) -> None:
    """Return if each of `given` is `known`. Raises `BadRequestError` that names the first that is not."""
    unknown = next((name for name in given if name not in known), None)
    if unknown is not None:
        there_are = f"there are: {', '.join(known)}" if known else "there are none"
        raise BadRequestError(f"there is no parameter {unknown[:_LONGEST_SHOWN]!r} at this address; {there_are}")
