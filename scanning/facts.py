"""The facts: frozen values that say what lies in a layer and in an image, and nothing about whether that is allowed.

    layer bytes --scanning.layers.inspect--> LayerFacts  (kept by layer digest, paid once)
    LayerFacts... + ImageConfig --scanning.layers.overlay--> ImageFacts  (what a container would see)

Paths are relative to the root, without a leading slash, `/`-separated. Bytes that are not UTF-8 appear as
`\\xNN` escapes.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from config.vocabulary import ArtifactKind, Gravity, ToolKind
from scanning.oci.digest import Digest
from scanning.oci.manifest import Platform

FACTS_VERSION = 6
"""Raised when inspection starts to find more, so that what was inspected before is inspected again."""

FAULT = "fault"
"""Stands for an inspection limit where the gate itself failed on a file."""


class EntryKind(StrEnum):
    """The kinds of archive member a layer may hold."""

    FILE = "file"
    DIRECTORY = "directory"
    SYMLINK = "symlink"
    HARDLINK = "hardlink"
    CHARACTER_DEVICE = "character-device"
    BLOCK_DEVICE = "block-device"
    FIFO = "fifo"


class FileEntry(NamedTuple):
    """One path that a layer creates. `mode` holds permission and set-id bits; `link` the target of a link.

    `capabilities` are those of the file (capabilities(7)), as setcap writes them: `cap_net_raw+ep`. A tuple, since
    there are as many of these as files: it is made in a third of the time, and its document names no fields.
    """

    path: str
    kind: EntryKind
    mode: int = 0
    uid: int = 0
    gid: int = 0
    size: int = 0
    link: str = ""
    capabilities: str = ""


@dataclass(frozen=True, slots=True)
class Package:
    """A package as its own database or metadata file tells it.

    `type` is a purl type (deb, apk, rpm, pypi, npm, gem). `source_name` and `source_version` name the source package
    advisories speak of, equal to `name` and `version` where a format makes no difference. `path` is the file
    that told us. `purl` and `layer` are filled when layers become an image, since a distribution's name can lie
    in another layer than its packages.
    """

    type: str
    name: str
    version: str
    source_name: str
    source_version: str
    path: str
    architecture: str = ""
    licences: tuple[str, ...] = ()
    purl: str = ""
    layer: Digest | None = None


class Evidence(StrEnum):
    """How something was recognised."""

    PATH = "path"
    PACKAGE = "package"
    CONTENT = "content"
    APPLET = "applet"
    """One of the tools that a multi-call program (busybox, toybox) is, whether or not a link leads to it."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool found in a layer or image. `name` is the tool's usual name (`ssh`), whatever the file is called."""

    kind: ToolKind
    name: str
    path: str
    evidence: Evidence
    package: str = ""
    """The package it belongs to as `name version`, where that is known."""
    layer: Digest | None = None


@dataclass(frozen=True, slots=True)
class Secret:
    """A secret found. `where` is a path, `env NAME`, `label NAME`, `annotation NAME` or `history N`, with a number
    where the name itself holds the secret, which is never kept.
    """

    kind: str
    where: str
    line: int = 0
    layer: Digest | None = None


@dataclass(frozen=True, slots=True)
class Weakness:
    """Something a hardening check found. `check` is its id in `scanning.hardening.catalogue`, `where` a path or a part
    of the configuration, `detail` what it is. `gravity` is that of the check unless it says otherwise.
    """

    check: str
    where: str
    detail: str
    layer: Digest | None = None
    gravity: Gravity | None = None


@dataclass(frozen=True, slots=True)
class OsRelease:
    """What os-release(5) says of the distribution."""

    id: str
    version_id: str = ""
    codename: str = ""
    pretty_name: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class Account:
    """A line of passwd(5). `uid` is what runtimes make of the line: 0 where it tells none, and 32 bits of it."""

    name: str
    uid: int


@dataclass(frozen=True, slots=True)
class Ownership:
    """What a package database says of the files of the package named `package`, as it spells their paths: links are
    not resolved.

    `digests` are those of the files when they were installed, in the order of `paths`, "" where none is recorded.
    `algorithm` is md5, sha1 or sha256. `is_list` says whether the paths belong to the package; where it is False their
    digests hold only for those that another record gives to it. `is_configuration` marks files that are made to be
    changed. `type` is the purl type of a package that no distribution made, "" for a distribution's.
    """

    package: str
    paths: tuple[str, ...]
    algorithm: str = ""
    digests: tuple[str, ...] = ()
    is_list: bool = True
    is_configuration: bool = False
    type: str = ""


@dataclass(frozen=True, slots=True)
class Diversion:
    """A path that dpkg installs elsewhere, at `target`, for every package but `package` (dpkg-divert(1))."""

    path: str
    target: str
    package: str


class ContentKind(StrEnum):
    """What a file with a fingerprint is."""

    PROGRAM = "program"
    """An executable or a library in ELF."""
    SCRIPT = "script"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a file that runs, or decides what runs, holds: digests in hexadecimal."""

    kind: ContentKind
    sha256: str
    sha1: str
    md5: str


@dataclass(frozen=True, slots=True)
class UnownedFile:
    """An executable of the image that no package owns."""

    path: str
    sha256: str
    layer: Digest


@dataclass(frozen=True, slots=True)
class ChangedFile:
    """A file of the image that is not what `package` (name and version) installed at its path."""

    path: str
    package: str
    sha256: str
    layer: Digest
    is_configuration: bool = False


@dataclass(frozen=True, slots=True)
class ReplacedFile:
    """A program of layer `brought_by` in whose place layer `ended_by` put something else. `sha256` is that of what the
    image has there now, "" if that is no program; `purl` the package that says it installed just this, "" if none does.
    """

    path: str
    before: str
    sha256: str
    brought_by: Digest
    ended_by: Digest
    purl: str = ""


class Fetched(StrEnum):
    """What a script fetches, or makes itself."""

    PROGRAM = "program"
    """Something that it runs at once, or later."""
    DECODED = "decoded"
    """The same, made of what is in the image, where nobody can read it: letters of base64, a compressed file."""
    PACKAGES = "packages"


@dataclass(frozen=True, slots=True)
class Fetch:
    """A script fetches something to run, or makes it, on this line, from 1."""

    what: Fetched
    line: int


@dataclass(frozen=True, slots=True)
class FileFinds:
    """What one file of a layer told its readers. Only files that told something have one."""

    path: str
    packages: tuple[Package, ...] = ()
    tools: tuple[Tool, ...] = ()
    secrets: tuple[Secret, ...] = ()
    os_release: OsRelease | None = None
    accounts: tuple[Account, ...] = ()
    open_accounts: tuple[str, ...] = ()
    """Accounts without a password, by this passwd or shadow."""
    ownership: tuple[Ownership, ...] = ()
    """Which package installed what, where this file tells (dpkg's `info/*.list`, apk's database)."""
    licences: tuple[str, ...] = ()
    """What a file beside a package tells of its licences (Debian's `copyright`)."""
    diversions: tuple[Diversion, ...] = ()
    fingerprint: Fingerprint | None = None
    fetches: tuple[Fetch, ...] = ()
    """What a script fetches when it runs."""
    problem: str = ""
    """Why a file that should have been understood (a package database) could not be."""
    limit: str = ""
    """The inspection limit that it passed, or `FAULT`, if that is the problem."""


@dataclass(frozen=True, slots=True)
class ContentsTable:
    """The table of contents of an eStargz or zstd:chunked layer, which says what the archive says.

    `digest` is that of the table. In zstd:chunked it lies packed in the blob, with the digest `packed`, at `place`, and
    beside it tar-split's data at `tar_split`: `offset:packed size:plain size`, in a place followed by the table's type;
    each "" where there is none.
    """

    digest: Digest
    packed: Digest | None = None
    place: str = ""
    tar_split: str = ""


@dataclass(frozen=True, slots=True)
class LayerFacts:
    """One layer, read to its last byte. Digest, diffID and sizes are computed, never believed.

    `compression` is none, gzip or zstd, as sniffed. `whiteouts` are the paths it hides in the layers below,
    `opaque` the directories whose earlier content it hides. `entries` are in the order of the archive; `belated` are
    the directories among them that come after something in them.
    """

    digest: Digest
    diff_id: Digest
    compression: str
    size: int
    uncompressed_size: int
    entries: tuple[FileEntry, ...]
    whiteouts: tuple[str, ...] = ()
    opaque: tuple[str, ...] = ()
    belated: tuple[str, ...] = ()
    finds: tuple[FileFinds, ...] = ()
    table: ContentsTable | None = None
    version: int = FACTS_VERSION

    @property
    def is_provisional(self) -> bool:
        """Whether inspection under higher limits would find more, or by a gate without a fault: not to be kept."""
        return any(found.limit for found in self.finds)


@dataclass(frozen=True, slots=True)
class LayerRefusal:
    """A layer that cannot be read in one way only, and why: a sentence for a person.

    `entry` is the archive member concerned ("" where none is), `offset` the byte in the uncompressed archive.
    """

    digest: Digest
    reason: str
    entry: str = ""
    offset: int | None = None


@dataclass(frozen=True, slots=True)
class ImageFacts:
    """One image as a container would see it, and every secret in any of its layers; or all that the archives of an
    artifact hold, whose kind is in `artifact` then.

    `runs_as_root` is worked out from the configuration's user and the image's passwd. `refusals` are the layers that
    runtimes could take in different ways, `problems` says what else could not be understood: an image with either is
    never admitted. `created_by` is the build step of each of `layers`, "" where the history does not tell.
    """

    manifest: Digest
    config: Digest
    platform: Platform
    layers: tuple[Digest, ...]
    diff_ids: tuple[Digest, ...]
    user: str
    runs_as_root: bool
    distribution: OsRelease | None = None
    packages: tuple[Package, ...] = ()
    tools: tuple[Tool, ...] = ()
    secrets: tuple[Secret, ...] = ()
    weaknesses: tuple[Weakness, ...] = ()
    files: int = 0
    executables: int = 0
    size: int = 0
    problems: tuple[str, ...] = ()
    artifact: ArtifactKind | None = None
    unowned: tuple[UnownedFile, ...] = ()
    changed: tuple[ChangedFile, ...] = ()
    replaced: tuple[ReplacedFile, ...] = ()
    refusals: tuple[LayerRefusal, ...] = ()
    created_by: tuple[str, ...] = ()
    version: int = FACTS_VERSION

    @property
    def is_understood(self) -> bool:
        """Whether all of it could be read, in one way only."""
        return not (self.problems or self.refusals)

    def step_of(self, layer: Digest | None) -> str:
        """The build step that made `layer`, "" where the history does not tell."""
        steps = zip(self.layers, self.created_by, strict=False)
        return next((step for digest, step in steps if digest == layer), "")

    def package(self, purl: str) -> Package | None:
        """The first package with this purl."""
        return next((package for package in self.packages if package.purl == purl), None)

    @property
    def holds_programs(self) -> bool:
        """Whether there is something to run, or a package that may bring it."""
        return bool(self.executables or self.packages)

    @property
    def is_current(self) -> bool:
        """Whether today's inspection would find nothing more."""
        return self.version == FACTS_VERSION
