"""How two images differ, for people: one line a difference."""

from collections.abc import Iterable, Iterator

from scanning.difference import Change, Difference

_MOST_FILES = 100
"""Two builds on different bases differ in thousands of files, which nobody reads."""
Row = tuple[str, str, str, str]


def difference_rows(found: Difference, rest: str) -> Iterator[Row]:
    """A line for each: how (`+` came, `-` went, `~` changed), what, before, after. `rest` is what lists all files."""
    yield from _changes("", found.configuration)
    yield from _added((f"{one.type} {one.name}", one.version) for one in found.packages_added)
    yield from _removed((f"{one.type} {one.name}", one.version) for one in found.packages_removed)
    yield from _changes("", found.packages_changed)
    yield from _changes("licence of ", found.licences)
    yield from _changes("file ", found.files[:_MOST_FILES])
    if len(found.files) > _MOST_FILES:
        yield "", f"and {len(found.files) - _MOST_FILES} more files, which {rest} lists", "", ""
    yield from _added(
        (f"file without a package {one.path}", f"sha256:{one.sha256[:12]}") for one in found.unowned_added
    )
    yield from _removed(
        (f"file without a package {one.path}", f"sha256:{one.sha256[:12]}") for one in found.unowned_removed
    )
    yield from _added((f"changed file {one.path}", f"not what {one.package} installed") for one in found.altered_added)
    yield from _removed(
        (f"changed file {one.path}", f"not what {one.package} installed") for one in found.altered_removed
    )
    yield from _added((f"tool {one.name}", one.path) for one in found.tools_added)
    yield from _removed((f"tool {one.name}", one.path) for one in found.tools_removed)
    yield from _added((f"secret {one.kind}", one.where) for one in found.secrets_added)
    yield from _removed((f"secret {one.kind}", one.where) for one in found.secrets_removed)
    yield from _added((f"weakness {one.check}", f"{one.where}: {one.detail}") for one in found.weaknesses_added)
    yield from _removed((f"weakness {one.check}", f"{one.where}: {one.detail}") for one in found.weaknesses_removed)
    yield from _added((f"{one.name} {one.severity}", f"{one.package} {one.version}") for one in found.findings_added)
    yield from _removed(
        (f"{one.name} {one.severity}", f"{one.package} {one.version}") for one in found.findings_removed
    )


def _changes(what: str, changes: Iterable[Change]) -> Iterator[Row]:
    for change in changes:
        sign = "+" if change.before == "none" else "-" if change.after == "none" else "~"
        yield sign, f"{what}{change.what}", change.before, change.after


def _added(things: Iterable[tuple[str, str]]) -> Iterator[Row]:
    return (("+", what, "", value) for what, value in things)


def _removed(things: Iterable[tuple[str, str]]) -> Iterator[Row]:
    return (("-", what, value, "") for what, value in things)
