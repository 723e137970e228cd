"""Pages of names by `n` and `last` (OCI distribution specification, "Listing Tags")."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from multidict import MultiMapping

from proxy.errors import BadRequestError


@dataclass(frozen=True, slots=True)
class Page:
    """Some names. `link` is the Link header for the next ones, "" after the last."""

    names: tuple[str, ...]
    link: str


def page(
    names: Sequence[str], query: MultiMapping[str], path: str, most: int, kept: Mapping[str, str] | None = None
) -> Page:
    """The page of the sorted `names` that `query` asks for: `n` of them, at most `most`, after `last`.

    The link to the next one repeats the parameters in `kept`.

    Raises `BadRequestError` as `page_size` does.
    """
    size = page_size(query, most)
    last = query.get("last", "")
    rest = [name for name in sorted(names) if name > last]
    shown = tuple(rest[:size])
    if not shown or len(rest) <= size:
        return Page(shown, "")
    following = urlencode({**(kept or {}), "n": size, "last": shown[-1]})
    return Page(shown, f'<{path}?{following}>; rel="next"')


def is_continued(query: MultiMapping[str]) -> bool:
    """Whether a page that follows another is asked for."""
    return bool(query.get("last"))


def page_size(query: MultiMapping[str], most: int) -> int:
    """The `n` of a query, `most` if it has none.

    Raises `BadRequestError` for one that is no number or larger than `most` (threat 71).
    """
    if "n" not in query:
        return most
    text = query["n"]
    if not (text.isascii() and text.isdecimal()) or len(text) > 9 or int(text) > most:
        raise BadRequestError(f"n is {text[:20]!r}; write a whole number from 0 to {most}")
    return int(text)
