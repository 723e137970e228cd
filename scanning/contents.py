"""The programs of an image as files: what can be run, has more rights than its user, or decides what is run."""

from collections.abc import Sequence
from dataclasses import dataclass

from scanning.facts import EntryKind, Fingerprint, LayerFacts
from scanning.layers.filesystem import FileSystem

_RUNS_OR_RAISES = 0o6111
"""Executable for anybody, set-uid or set-gid."""


@dataclass(frozen=True, slots=True)
class FileState:
    """What there is to compare of a file. `mode` holds permission and set-id bits, `sha256` is "" where the content was
    not hashed, `size` is in bytes.
    """

    mode: int
    uid: int
    gid: int
    size: int
    sha256: str = ""
    capabilities: str = ""

    def __str__(self) -> str:
        content = f", sha256:{self.sha256[:12]}" if self.sha256 else ""
        raised = f", {self.capabilities}" if self.capabilities else ""
        return f"{self.mode:04o} {self.uid}:{self.gid} {self.size} bytes{content}{raised}"


def programs_of(layers: Sequence[LayerFacts]) -> dict[str, FileState]:
    """By path, in the order of paths, what a container of these layers (the lowest first) would see."""
    tree = FileSystem()
    prints: dict[tuple[int, str], Fingerprint] = {}
    for number, layer in enumerate(layers):
        tree.apply(layer)
        prints |= {(number, found.path): found.fingerprint for found in layer.finds if found.fingerprint}
    states: dict[str, FileState] = {}
    for path, node in tree.walk():
        entry = node.source.entry
        if entry is None or entry.kind is not EntryKind.FILE:
            continue
        known = prints.get((node.source.layer, entry.path))
        if known is None and not (entry.mode & _RUNS_OR_RAISES or entry.capabilities):
            continue
        states[path] = FileState(
            entry.mode, entry.uid, entry.gid, entry.size, known.sha256 if known else "", entry.capabilities
        )
    return dict(sorted(states.items()))
