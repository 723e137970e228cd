"""Parameters of the gate's own API: one that nobody reads would be a wish that is ignored."""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import TypeVar

from proxy.errors import BadRequestError
from scanning.sbom import SbomFormat

_Choice = TypeVar("_Choice", bound=StrEnum)
_LONGEST_SHOWN = 40


def check_parameters(given: Iterable[str], *known: str) -> None:
    """Return if each of `given` is `known`. Raises `BadRequestError` that names the first that is not."""
    unknown = next((name for name in given if name not in known), None)
    if unknown is not None:
        there_are = f"there are: {', '.join(known)}" if known else "there are none"
        raise BadRequestError(f"there is no parameter {unknown[:_LONGEST_SHOWN]!r} at this address; {there_are}")


def one_of(given: str, kind: type[_Choice], name: str) -> _Choice | None:
    """The one of `kind` that is `given`; None for "". `name` is what such a thing is called.

    Raises `BadRequestError`.
    """
    if not given:
        return None
    if given not in tuple(kind):
        raise BadRequestError(f"there is no {name} {given[:_LONGEST_SHOWN]!r}; there are {', '.join(kind)}")
    return kind(given)


def sbom_format(query: Mapping[str, str]) -> SbomFormat:
    """The form of a bill of materials that `format` asks for: CycloneDX unless told. Raises `BadRequestError`."""
    wanted = query.get("format", SbomFormat.CYCLONEDX)
    if wanted not in tuple(SbomFormat):
        raise BadRequestError(f"there is no format {wanted[:_LONGEST_SHOWN]!r}; there are {' and '.join(SbomFormat)}")
    return SbomFormat(wanted)
