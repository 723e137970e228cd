"""Which files of an image belong to which package, and which of them are no longer what was installed.

    package databases   -> paths, as each spells them: links followed, dpkg's diversions taken into account
    packages            -> the folders that installers of languages unpack them to, and programs that are packages
    fingerprints        -> what the files hold now

A record of a package that is not installed counts for nothing. A file with several names belongs to whoever owns one
of them; where several records tell of one file, it is unchanged if it is as one of them says.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from scanning.facts import (
    ChangedFile,
    ContentKind,
    Diversion,
    EntryKind,
    FileFinds,
    Fingerprint,
    LayerFacts,
    Ownership,
    Package,
    UnownedFile,
)
from scanning.layers.filesystem import FileSystem, Node
from scanning.layers.survivors import Survivor
from scanning.packages import dpkg
from scanning.packages.ownership import folder_key, folders_of

_OF_DISTRIBUTIONS = frozenset({"deb", "apk", "rpm", "alpm", "ebuild"})
_IN_PROGRAMS = frozenset({"golang", "cargo"})
"""Packages that are the program which tells of them. What a program merely calls itself owns nothing."""
_EXECUTABLE = 0o111


@dataclass(slots=True)
class _Claim:
    """What the records say of one path: its owners, and the digests by package."""

    owners: dict[str, Package] = field(default_factory=dict)
    records: dict[str, list[tuple[str, str, bool]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Code:
    """A file with a fingerprint, under all its names, the first of which is its own."""

    node: Node
    paths: list[str]
    fingerprint: Fingerprint


class Belongings:
    """Who owns what in one image."""

    def __init__(
        self,
        tree: FileSystem,
        layers: Sequence[LayerFacts],
        survivors: Sequence[Survivor],
        packages: Sequence[Package],
        further: Iterable[str] = (),
    ) -> None:
        """`further` are paths that `brought` will be asked for, links on the way followed."""
        self._layers = layers
        self._folders: dict[str, str] = {}
        self._tree = tree
        self._packages = {(package.type, package.name): package for package in packages}
        self._distributed = {package.name: package for package in packages if package.type in _OF_DISTRIBUTIONS}
        self._programs = {package.path for package in packages if package.type in _IN_PROGRAMS}
        self._unpacked = {folder: package for package in packages for folder in folders_of(package)}
        self._code = tuple(_code(tree, layers))
        wanted = {path for code in self._code for path in code.paths}
        wanted |= {path for one in survivors if one.finds.tools for path in (one.path, one.target)}
        wanted.update(further)
        self._claims = self._collect(survivors, wanted)
        self.changed = tuple(self._find_changed())
        """The files that are not what their package installed, by path."""
        self._changed_paths = frozenset(file.path for file in self.changed)

    def owner(self, path: str) -> Package | None:
        """The package of a distribution that owns a tool or a fingerprinted file, None if none does."""
        claim = self._claims.get(path)
        return next(iter(claim.owners.values()), None) if claim else None

    def brought(self, path: str) -> bool:
        """Whether a package installed the file at `path` just as it is. Where no digest tells, its claim counts."""
        return self._is_owned(path) and path not in self._changed_paths

    def unowned(self) -> Iterator[UnownedFile]:
        """The executables that no package owns, by path."""
        for code in self._code:
            if _runs(code) and not any(self._is_owned(path) for path in code.paths):
                yield UnownedFile(code.paths[0], code.fingerprint.sha256, self._layers[code.node.layer].digest)

    def _find_changed(self) -> Iterator[ChangedFile]:
        for code in self._code:
            records = [found for path in code.paths for found in self._records(path)]
            if records and not any(_agrees(code.fingerprint, algorithm, digest) for _, algorithm, digest, _ in records):
                package, _, _, is_configuration = records[0]
                yield ChangedFile(
                    code.paths[0],
                    f"{package.name} {package.version}",
                    code.fingerprint.sha256,
                    self._layers[code.node.layer].digest,
                    is_configuration,
                )

    def installed_by(self, path: str, finds: FileFinds | None) -> str:
        """The purl of the one package that installed the file at `path`; "" if there is none, if several say so, or if
        its records tell of another content than `finds` has.
        """
        claim = self._claims.get(path)
        owners = list(claim.owners.values()) if claim else []
        package = owners[0] if owners else self._unpacked_by(path)
        if package is None or len(owners) > 1:
            return ""
        records = list(self._records(path))
        fingerprint = finds.fingerprint if finds else None
        if records and not (
            fingerprint and any(_agrees(fingerprint, algorithm, digest) for _, algorithm, digest, _ in records)
        ):
            return ""
        return package.purl

    def _is_owned(self, path: str) -> bool:
        if path in self._claims and self._claims[path].owners:
            return True
        if path in self._programs or dpkg.script_owner(path) in self._distributed:
            return True
        return self._unpacked_by(path) is not None

    def _unpacked_by(self, path: str) -> Package | None:
        """The package whose folder `path` lies in, as installers of languages make them."""
        folder = folder_key(path).rpartition("/")[0]
        while folder:
            if f"{folder}/" in self._unpacked:
                return self._unpacked[f"{folder}/"]
            folder = folder.rpartition("/")[0]
        return None

    def _records(self, path: str) -> Iterator[tuple[Package, str, str, bool]]:
        claim = self._claims.get(path)
        if claim is not None:
            for name, package in claim.owners.items():
                yield from ((package, *record) for record in claim.records.get(name, ()))

    def _collect(self, survivors: Sequence[Survivor], wanted: set[str]) -> dict[str, _Claim]:
        diversions = {
            self._canonical(diversion.path): diversion for one in survivors for diversion in one.finds.diversions
        }
        names = {path.rpartition("/")[2] for path in (*wanted, *diversions)}
        claims: dict[str, _Claim] = {}
        for survivor in survivors:
            for ownership in survivor.finds.ownership:
                package = self._package(ownership)
                if package is None:
                    continue
                is_diverted = bool(diversions) and package.type == "deb"
                for path, digest in _with_digests(ownership):
                    if path.rpartition("/")[2] not in names:  # which links on the way do not change: nearly all of them
                        continue
                    place = self._canonical(path)
                    if is_diverted and place in diversions:
                        place = self._diverted(diversions[place], place, package)
                    if place not in wanted:
                        continue
                    claim = claims.setdefault(place, _Claim())
                    key = f"{package.type} {package.name}"
                    if ownership.is_list:
                        claim.owners[key] = package
                    if digest:
                        record = (ownership.algorithm, digest, ownership.is_configuration)
                        claim.records.setdefault(key, []).append(record)
        return claims

    def _package(self, ownership: Ownership) -> Package | None:
        if ownership.type:
            return self._packages.get((ownership.type, ownership.package))
        return self._distributed.get(ownership.package)

    def _diverted(self, diversion: Diversion, place: str, package: Package) -> str:
        return place if diversion.package == package.name else self._canonical(diversion.target)

    def _canonical(self, path: str) -> str:
        """`path` with the links on the way to it followed, as bin -> usr/bin; its last component stands as it is."""
        folder, slash, name = path.rpartition("/")
        if not slash:
            return path
        known = self._folders.get(folder)
        if known is None:
            reached = self._tree.resolve(folder)
            known = self._folders[folder] = reached[0] if reached else folder
        return f"{known}/{name}" if known else name


def _code(tree: FileSystem, layers: Sequence[LayerFacts]) -> Iterator[_Code]:
    """The fingerprinted files of the image, by the first of their names."""
    finds: list[Mapping[str, FileFinds]] = [
        {found.path: found for found in layer.finds if found.fingerprint} for layer in layers
    ]
    found: dict[int, tuple[Fingerprint, list[tuple[bool, str, Node]]]] = {}
    for path, node in tree.walk():
        source = node.source
        entry = source.entry
        if entry is None or entry.kind is not EntryKind.FILE:
            continue
        told = finds[source.layer].get(entry.path)
        if told is not None and told.fingerprint is not None:
            names = found.setdefault(id(source), (told.fingerprint, []))[1]
            names.append((source is not node, path, node))
    code = []
    for fingerprint, names in found.values():
        names.sort(key=lambda name: name[:2])
        code.append(_Code(names[0][2], [path for _, path, _ in names], fingerprint))
    yield from sorted(code, key=lambda one: one.paths[0])


def _runs(code: _Code) -> bool:
    entry = code.node.source.entry
    match code.fingerprint.kind:
        case ContentKind.PROGRAM:
            return True
        case ContentKind.SCRIPT:
            return entry is not None and bool(entry.mode & _EXECUTABLE)
    return False


def _agrees(fingerprint: Fingerprint, algorithm: str, digest: str) -> bool:
    present = {"md5": fingerprint.md5, "sha1": fingerprint.sha1, "sha256": fingerprint.sha256}
    return present.get(algorithm) == digest.lower()


def _with_digests(ownership: Ownership) -> Iterable[tuple[str, str]]:
    if not ownership.digests:
        return ((path, "") for path in ownership.paths)
    return zip(ownership.paths, ownership.digests, strict=True)
