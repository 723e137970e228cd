"""Programs of lower layers that upper layers put something else in the place of.

Which layers are an approved base is not known when an image is inspected, so each program of each layer is compared
with what the image holds in its place, and both layers are told: the one that brought it, and the one that ended it.

    layers          0: usr/bin/tool A    2: usr/bin/tool B    3: usr/bin/tool C
    told            A of 0 until 2, C now;    B of 2 until 3, C now

What is only gone is not told: to leave something out is no attack. What is there again as it was is no change.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from scanning.facts import ContentKind, EntryKind, FileFinds, LayerFacts, ReplacedFile
from scanning.layers.filesystem import FileSystem, Node

_PROGRAMS = frozenset({ContentKind.PROGRAM, ContentKind.SCRIPT})


class Owners(Protocol):
    """Who owns what in the image."""

    def installed_by(self, path: str, finds: FileFinds | None) -> str:
        """The purl of the package that installed the file at `path` as it is, "" if none says so."""


@dataclass(slots=True)
class _Run:
    """A program as layers in a row bring it: the first of them, and where another version begins."""

    sha256: str
    first: int
    end: int | None = None


def replaced(tree: FileSystem, layers: Sequence[LayerFacts], owners: Owners) -> Iterator[ReplacedFile]:
    """What was replaced, by path. `tree` is that of `layers`."""
    finds: list[Mapping[str, FileFinds]] = [
        {found.path: found for found in layer.finds if found.fingerprint} for layer in layers
    ]
    for path, runs in sorted(_runs(finds).items()):
        place, reached = tree.at(path), tree.resolve(path)
        if place is None or reached is None or reached[1].kind is not EntryKind.FILE:
            continue
        now = _content(reached[1], finds)
        sha256 = now.fingerprint.sha256 if now and now.fingerprint else ""
        for run in runs:
            end = place.layer if run.end is None else run.end
            if run.sha256 != sha256 and end > run.first:
                yield ReplacedFile(
                    path,
                    run.sha256,
                    sha256,
                    layers[run.first].digest,
                    layers[end].digest,
                    owners.installed_by(reached[0], now),
                )


def _runs(finds: Sequence[Mapping[str, FileFinds]]) -> dict[str, list[_Run]]:
    runs: dict[str, list[_Run]] = {}
    for index, layer in enumerate(finds):
        for path, found in layer.items():
            if found.fingerprint is None or found.fingerprint.kind not in _PROGRAMS:
                continue
            known = runs.setdefault(path, [])
            if known and known[-1].sha256 == found.fingerprint.sha256:
                continue
            if known:
                known[-1].end = index
            known.append(_Run(found.fingerprint.sha256, index))
    return runs


def _content(node: Node, finds: Sequence[Mapping[str, FileFinds]]) -> FileFinds | None:
    source = node.source
    return finds[source.layer].get(source.entry.path) if source.entry else None
