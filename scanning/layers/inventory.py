"""The packages of an image: everything its files tell of, each thing once, with the licences told beside it.

- A program that a distribution's package owns is that package where both tell the same version. Owning a path is a
  claim of the image: a program whose own words contradict its owner's is listed as well.
- The note in a program (`scanning.packages.notes`) counts where no database knows a package of that name.
- The folders of Nix' store are packages by their names alone.
"""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from scanning.facts import LayerFacts, Package
from scanning.layers.filesystem import FileSystem
from scanning.layers.survivors import Survey
from scanning.packages import catalogers, licences, nix
from scanning.packages.programs import GENERIC

_DISTRIBUTED = frozenset({"deb", "apk", "rpm", "alpm", "ebuild"})
_PATCH_LEVEL = re.compile(r"p[0-9]+$")


def told(survey: Survey, tree: FileSystem, layers: Sequence[LayerFacts]) -> Iterator[Package]:
    """Every package as often as a file tells of it, with its layer."""
    yield from survey.packages()
    yield from _in_store(tree, layers)


def inventory(survey: Survey, found: Sequence[Package]) -> Iterator[Package]:
    """Every package once, of what was `told`. They have no purl yet."""
    listed = [package for package in found if package.type in _DISTRIBUTED and catalogers.cataloger_of(package.path)]
    owners = _owners(found, listed, survey.owned())
    known = {(package.type, name) for package in listed for name in (package.name, package.source_name)}
    for package in found:
        if package.type == GENERIC:
            if _agrees(owners.get(package.path), package.version):
                continue
        elif package.type in _DISTRIBUTED and not catalogers.cataloger_of(package.path):
            if (package.type, package.name) in known:
                continue
            known.add((package.type, package.name))
        beside = survey.licences(licences.file_of(package)) if not package.licences else ()
        yield replace(package, licences=beside) if beside else package


def _in_store(tree: FileSystem, layers: Sequence[LayerFacts]) -> Iterator[Package]:
    reached = tree.resolve(nix.STORE)
    for name, node in ((reached[1].children or {}) if reached else {}).items():
        package = nix.package(name)
        if package is not None:
            yield replace(package, layer=layers[node.layer].digest)


def _owners(
    found: Iterable[Package], listed: Iterable[Package], owned: Iterable[tuple[str, str]]
) -> Mapping[str, list[Package]]:
    wanted = {package.path for package in found if package.type == GENERIC}
    by_name: dict[str, list[Package]] = {}
    for package in listed:
        by_name.setdefault(package.name, []).append(package)
    owners: dict[str, list[Package]] = {}
    for path, name in owned if wanted else ():
        if path in wanted:
            owners.setdefault(path, []).extend(by_name.get(name, ()))
    return owners


def _agrees(owners: Iterable[Package] | None, version: str) -> bool:
    """Whether one of `owners` is, by its own version, what calls itself `version`."""
    told = re.compile(rf"(?:[0-9]+:)?{re.escape(_PATCH_LEVEL.sub('', version))}(?![0-9]|\.[0-9])(?![A-Za-z]).*")
    return any(told.fullmatch(owner.version) for owner in owners or ())
