"""What administrators have approved: base images to build on, and packages beyond those that the policy vets.

    ApprovalList   what is in force, one line an approval; its digest is an input of every verdict
       |-- BaseContent      layers, packages and programs of an approved base image
       `-- ApprovedSet      packages that somebody looked at and accepted

Each approval names its content by digest, so the list stays short however much is in an image. All of it is kept, so
that a verdict can be made again after an approval was revoked.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from config.patterns import RepositoryPattern
from scanning.documents import decode, encode
from scanning.oci.digest import Digest


class ApprovalKind(StrEnum):
    """What can be approved."""

    BASE = "base"
    PACKAGES = "packages"


@dataclass(frozen=True, slots=True)
class BaseContent:
    """An image that others may be built on. `packages` are purls, `distribution` its name for people, `programs` the
    sha256 of its executables that belong to no package, which nothing else names.
    """

    repository: str
    manifest: Digest
    platform: str
    distribution: str
    layers: tuple[Digest, ...]
    diff_ids: tuple[Digest, ...]
    packages: tuple[str, ...]
    programs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ApprovedSet:
    """Packages by purl. One as `plain` gives it stands for the package on every architecture and distribution."""

    packages: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Approval:
    """One line of the list. `name` is the image it was made from, `repositories` where it holds."""

    id: str
    kind: ApprovalKind
    name: str
    repositories: tuple[RepositoryPattern, ...]
    content: Digest

    def holds_in(self, repository: str) -> bool:
        """Whether it says something of the images of `repository`."""
        return any(pattern.matches(repository) for pattern in self.repositories)


@dataclass(frozen=True, slots=True)
class ApprovalList:
    """What is in force, in the order of the ids."""

    approvals: tuple[Approval, ...] = ()


@dataclass(frozen=True, slots=True)
class ApprovedBase:
    """An approved base image, ready to be compared with."""

    approval: Approval
    content: BaseContent
    packages: frozenset[str] = field(repr=False)

    @property
    def name(self) -> str:
        """The image as people call it."""
        return self.approval.name


@dataclass(frozen=True, slots=True)
class Approvals:
    """The list with its content. `digest` is None where nothing is approved."""

    digest: Digest | None = None
    document: bytes = b""
    bases: tuple[ApprovedBase, ...] = ()
    sets: tuple[tuple[Approval, frozenset[str]], ...] = ()

    def bases_for(self, repository: str) -> tuple[ApprovedBase, ...]:
        """The base images that count for `repository`."""
        return tuple(base for base in self.bases if base.approval.holds_in(repository))

    def packages_for(self, repository: str) -> frozenset[str]:
        """The purls that are approved for `repository`."""
        return frozenset[str]().union(*(purls for approval, purls in self.sets if approval.holds_in(repository)))


def plain(purl: str) -> str:
    """The purl of a package without what only says where it runs: of the qualifiers the epoch stays, which is a part of
    the version of an rpm package.
    """
    name, _, qualifiers = purl.partition("#")[0].partition("?")
    epoch = next((one for one in qualifiers.split("&") if one.startswith("epoch=")), "")
    return f"{name}?{epoch}" if epoch else name


def write_list(approvals: Iterable[Approval]) -> bytes:
    """The document of what is in force; b"" where nothing is."""
    listed = tuple(sorted(approvals, key=lambda approval: approval.id))
    return encode(ApprovalList(listed)) if listed else b""


def read_list(document: bytes) -> ApprovalList:
    """What `write_list` wrote. Raises `InvalidContentError`."""
    return decode(ApprovalList, document) if document else ApprovalList()


def read_approvals(document: bytes, contents: Mapping[Digest, bytes]) -> Approvals:
    """A list with the content it names, by digest. Raises `InvalidContentError`, or `KeyError` where one is missing."""
    bases: list[ApprovedBase] = []
    sets: list[tuple[Approval, frozenset[str]]] = []
    for approval in read_list(document).approvals:
        content = contents[approval.content]
        if approval.kind is ApprovalKind.BASE:
            base = decode(BaseContent, content)
            bases.append(ApprovedBase(approval, base, frozenset(base.packages)))
        else:
            sets.append((approval, frozenset(decode(ApprovedSet, content).packages)))
    return Approvals(Digest.of(document) if document else None, document, tuple(bases), tuple(sets))
