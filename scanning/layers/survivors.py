"""What the files of an image tell, of all that the files of its layers told: only what is still there counts.

A file is still there at its own path, or at that of a hard link when its own was deleted.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from scanning.facts import Account, EntryKind, Evidence, FileFinds, LayerFacts, OsRelease, Package
from scanning.files import system
from scanning.layers.filesystem import FileSystem, Node
from scanning.oci.digest import Digest
from scanning.packages import apk, catalogers, dpkg, rpm
from scanning.packages.python import METADATA_FOLDERS

_DATABASES = (dpkg.DATABASE, dpkg.FRAGMENTS.rstrip("/"), *apk.DATABASES, *rpm.DATABASES)
_EXECUTABLE = 0o111


@dataclass(frozen=True, slots=True)
class Survivor:
    """What one file of the image told. `path` is where it is now; `target` where its content is, links followed."""

    path: str
    target: str
    layer: Digest
    finds: FileFinds


class Survey:
    """A look at the whole tree: its survivors, its links, and how many files it has."""

    def __init__(self, tree: FileSystem, layers: Sequence[LayerFacts]) -> None:
        self._tree = tree
        self._layers = layers
        self._finds = {(index, found.path): found for index, layer in enumerate(layers) for found in layer.finds}
        self.files = 0
        self.executables = 0
        self.survivors: list[Survivor] = []
        self._problems: dict[str, None] = {}
        self._contents: set[int] = set()
        self._look()

    @property
    def problems(self) -> tuple[str, ...]:
        """Files that should have been understood and were not."""
        return tuple(self._problems)

    def _look(self) -> None:
        hard_links: list[tuple[str, Node]] = []
        for path, node in self._tree.walk():
            entry = node.source.entry
            if entry is None or entry.kind is EntryKind.DIRECTORY:
                continue
            if entry.kind is EntryKind.FILE:
                self.files += 1
                self.executables += bool(entry.mode & _EXECUTABLE)
            if node.source is not node:
                hard_links.append((path, node))
            elif entry.kind is EntryKind.FILE:
                told = self._finds.get((node.layer, path))
                if told is not None:  # of one file in six
                    self._contents.add(id(node))
                    self._keep(path, path, node.layer, told)
            elif entry.kind is EntryKind.SYMLINK:
                self._look_at_link(path, node)
        for path, node in hard_links:
            self._look_at_hard_link(path, node)
        for path in _DATABASES:
            self._check_database(path)
        for path in (system.ACCOUNTS, system.PASSWORDS):
            reached = self._tree.resolve(path)
            origin = self._origin(reached[1].source) if reached else path
            if not system.is_read_as(origin, path):
                self._unread(path, origin)

    def _keep(self, path: str, target: str, layer: int, found: FileFinds | None) -> None:
        if found is None:
            return
        self.survivors.append(Survivor(path, target, self._layers[layer].digest, found))
        if found.problem:
            self._problems[found.problem] = None

    def _look_at_link(self, path: str, node: Node) -> None:
        found = self._finds.get((node.layer, path))
        cataloger = catalogers.cataloger_of(path)
        is_folder = path.endswith(METADATA_FOLDERS)
        reached = self._tree.resolve(path) if found or cataloger or is_folder else None
        if reached is None:
            return
        target, there = reached
        if there.kind is EntryKind.FILE and self._can_run(there):
            self._keep(path, target, node.layer, found)
        if catalogers.must_be_read(path) and cataloger is not catalogers.cataloger_of(self._origin(there)):
            self._unread(path, target)
        if is_folder and there.children is not None and not target.endswith(METADATA_FOLDERS):
            self._unread(path, target)

    def _look_at_hard_link(self, path: str, node: Node) -> None:
        source = node.source
        entry = source.entry
        if entry is None or entry.kind is not EntryKind.FILE:
            return
        if self._can_run(source):
            self._keep(path, entry.path, node.layer, self._finds.get((node.layer, path)))
        content = self._finds.get((source.layer, entry.path))
        cataloger = catalogers.cataloger_of(path)
        if catalogers.must_be_read(path) and cataloger is not catalogers.cataloger_of(entry.path):
            self._unread(path, entry.path)
        elif cataloger is not None and content is not None:
            found = FileFinds(path, packages=content.packages, problem=content.problem)
            self._keep(path, path, source.layer, found)
        if content is not None and id(source) not in self._contents:
            self._contents.add(id(source))
            self._keep(path, path, source.layer, _moved(content, path))

    def _can_run(self, node: Node) -> bool:
        entry = node.source.entry
        if entry is None:
            return False
        found = self._finds.get((node.source.layer, entry.path))
        return bool(entry.mode & _EXECUTABLE) or bool(found and found.tools)

    def _origin(self, node: Node) -> str:
        return node.source.entry.path if node.source.entry else ""

    def _check_database(self, path: str) -> None:
        reached = self._tree.resolve(path)
        if reached is not None and reached[0] != path and reached[0] not in _DATABASES:
            self._unread(path, reached[0])

    def _unread(self, path: str, target: str) -> None:
        self._problems[
            f"{path} leads to {target}, which was not read as what {path} is to hold: package or system metadata;"
            " put a real file there"
        ] = None

    def os_release(self) -> OsRelease | None:
        """Which distribution it says it is."""
        for path in system.OS_RELEASES:
            reached = self._tree.resolve(path)
            if reached is None:
                continue
            found = self.found_through(path)
            if found is not None and found.os_release is not None:
                return found.os_release
            self._unread(path, reached[0])
            return None
        return None

    def accounts(self) -> tuple[Account, ...]:
        """The accounts of its passwd."""
        found = self.found_through(system.ACCOUNTS)
        return found.accounts if found else ()

    def open_accounts(self) -> tuple[tuple[str, str], ...]:
        """The accounts without a password, each after the file that says so."""
        files = ((path, self.found_through(path)) for path in (system.ACCOUNTS, system.PASSWORDS))
        return tuple((path, name) for path, found in files if found for name in found.open_accounts)

    def layer_of(self, path: str) -> Digest | None:
        """The layer that what `path` leads to is from; None where it is nowhere."""
        reached = self._tree.resolve(path)
        return self._layers[reached[1].source.layer].digest if reached else None

    def found_through(self, path: str) -> FileFinds | None:
        """What the file told that `path` leads to, None if nothing."""
        reached = self._tree.resolve(path)
        if reached is None:
            return None
        source = reached[1].source
        return self._finds.get((source.layer, source.entry.path)) if source.entry else None

    def packages(self) -> Iterator[Package]:
        """Every package, with the layer that tells of it."""
        for survivor in self.survivors:
            for package in survivor.finds.packages:
                yield replace(package, path=survivor.path, layer=survivor.layer)

    def owned(self) -> Iterator[tuple[str, str]]:
        """Pairs of path and owning package of a distribution, top-level links such as bin -> usr/bin followed."""
        links = {
            name: target
            for name, node in (self._tree.root.children or {}).items()
            if node.kind is EntryKind.SYMLINK and (reached := self._tree.resolve(name)) and (target := reached[0])
        }
        for survivor in self.survivors:
            for ownership in survivor.finds.ownership:
                if not ownership.is_list or ownership.type:
                    continue
                for path in ownership.paths:
                    top, slash, rest = path.partition("/")
                    yield f"{links[top]}/{rest}" if slash and top in links else path, ownership.package

    def licences(self, path: str) -> tuple[str, ...]:
        """What the file at `path` tells of the licences of the package it lies beside."""
        found = self.found_through(path) if path else None
        return found.licences if found else ()


def _moved(found: FileFinds, path: str) -> FileFinds:
    """What a file told by its content, now that only a hard link at `path` is left of it."""
    tools = tuple(replace(tool, path=path) for tool in found.tools if tool.evidence is Evidence.CONTENT)
    packages = () if catalogers.cataloger_of(found.path) else found.packages
    return FileFinds(path, packages=packages, tools=tools)
