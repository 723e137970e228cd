"""Java packages: what archives say they are, and those inside them (JAR File Specification; Maven Archiver).

    *.jar, *.war, *.ear, Jenkins' *.hpi, NiFi's *.nar and others
        META-INF/maven/GROUP/ARTIFACT/pom.properties    every one: a shaded archive has those of what was put into it
        META-INF/maven/GROUP/ARTIFACT/pom.xml           the licences of each
        the name of the file: commons-text-1.9.jar      the archive itself, where it is none of these
        META-INF/MANIFEST.MF                            its version, where its name has none; its licence
        *.jar, *.war inside                             the same, up to `InspectionLimits.archive_depth`

A package without a group is one that no advisory can be matched to, so those of widely used archives are known
(`scanning.packages.maven_groups`); it is listed all the same, without a version if nothing tells one.
"""

import io
import lzma
import re
import zipfile
import zlib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from scanning.errors import InvalidContentError, LimitExceededError
from scanning.facts import Package
from scanning.layers.limits import InspectionLimits
from scanning.packages.fields import checked_version, text_of
from scanning.packages.maven_groups import known_group

ENDINGS = (".jar", ".war", ".ear", ".par", ".sar", ".nar", ".jpi", ".hpi", ".kar", ".lpkg")

_USUAL_LIMITS = InspectionLimits()
_MOST_TEXT = 1 << 20
_POM = re.compile(r"META-INF/maven/[^/]+/[^/]+/pom\.properties")
_MANIFEST = "META-INF/MANIFEST.MF"
_FILE_NAME = re.compile(
    r"(?P<name>[A-Za-z][A-Za-z0-9_.+]*(?:-[A-Za-z][A-Za-z0-9_.+]*)*)-(?P<version>[0-9][A-Za-z0-9_.+~-]*)"
)
_COORDINATE = re.compile(r"[A-Za-z0-9_.+~-]{1,200}")
_LICENCES, _LICENCES_END = "<licenses>", "</licenses>"
_MOST_LICENCES = 20_000
_LICENCE = re.compile(r"<name>([^<]{1,300})</name>")
_BUNDLE_LICENCE = re.compile(r"[^,;]{1,100}")
_UNREADABLE = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError),
    *(NotImplementedError, RuntimeError, ValueError, OSError, OverflowError),
)
"""What zipfile raises of archives that are damaged, encrypted, or packed in a way it does not know."""


def matches(path: str) -> bool:
    """Whether `path` is a Java archive."""
    return path.endswith(ENDINGS)


def read(path: str, content: bytes, limits: InspectionLimits = _USUAL_LIMITS) -> tuple[Package, ...]:
    """The packages in the archive, itself among them.

    Raises `InvalidContentError` if it cannot be read whole, `LimitExceededError` if it is too much.
    """
    if not content:
        return ()
    return tuple(dict.fromkeys(_Reader(path, limits).read(content, path, depth=1)))


@dataclass(slots=True)
class _Reader:
    """Reads one file, and counts what it costs."""

    path: str
    limits: InspectionLimits
    entries: int = 0
    read_so_far: int = 0

    def read(self, content: bytes, place: str, depth: int) -> Iterator[Package]:
        """The packages of an archive and of those in it. `place` is its path, `OUTER.jar!/lib/INNER.jar` in others."""
        name = place.rpartition("/")[2]
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                self._count(len(archive.infolist()), place)
                yield from self._packages(archive, place)
                inner = [entry for entry in archive.infolist() if entry.filename.endswith(ENDINGS) and entry.file_size]
                if inner and depth == self.limits.archive_depth:
                    raise self._passed("archive_depth", _inside(place, inner[0]))
                for entry in inner:
                    inside = self._content(archive, entry, place)
                    yield from self.read(inside, _inside(place, entry), depth + 1)
        except _UNREADABLE as error:
            raise InvalidContentError(
                f"{self.path} holds an archive, {name[:200]!r}, that cannot be read ({error}); build it again with"
                " the jar tool"
            ) from error

    def _packages(self, archive: zipfile.ZipFile, place: str) -> Iterator[Package]:
        entries = {entry.filename: entry for entry in archive.infolist()}
        artifacts = set()
        for path, entry in entries.items():
            if _POM.fullmatch(path):
                model = entries.get(f"{path.rpartition('/')[0]}/pom.xml")
                properties = self._text(archive, entry, place)
                for package in self._pom(properties, self._text(archive, model, place) if model else ""):
                    artifacts.add(package.name.rpartition(":")[2])
                    yield package
        manifest = next((entry for path, entry in entries.items() if path.upper() == _MANIFEST), None)
        text = self._text(archive, manifest, place) if manifest else ""
        itself = self._described(text, place.rpartition("/")[2], entries)
        if itself is not None and itself.name.rpartition(":")[2] not in artifacts:
            yield itself

    def _pom(self, properties: str, model: str) -> Iterator[Package]:
        fields = _properties(properties)
        group, artifact, version = (fields.get(key, "") for key in ("groupId", "artifactId", "version"))
        if "$" in group + artifact + version:  # a template that nobody filled in
            return
        yield self._package(group, artifact, version, _licences(model))

    def _described(self, manifest: str, name: str, entries: Collection[str]) -> Package | None:
        """The archive itself: by a file name with a version, else by the manifest, else by the file's name alone."""
        fields = _main_section(manifest)
        stem = name.rpartition(".")[0]
        named = _FILE_NAME.fullmatch(stem)
        artifact, version = (named["name"], named["version"]) if named else ("", "")
        bundle = fields.get("Bundle-SymbolicName", "").partition(";")[0]
        names = (artifact, fields.get("Implementation-Title", ""), bundle, stem)
        versions = (
            version,
            *(fields.get(key, "") for key in ("Implementation-Version", "Bundle-Version")),
        )
        artifact = next((one for one in names if _COORDINATE.fullmatch(one)), "")
        version = next((one for one in versions if _COORDINATE.fullmatch(one)), "")
        group = known_group(artifact, version, entries) or fields.get("Implementation-Vendor-Id", "")
        licence = _BUNDLE_LICENCE.match(fields.get("Bundle-License", "").strip('" '))
        if not artifact:
            return None
        return self._package(
            group if _COORDINATE.fullmatch(group) else "", artifact, version, (licence[0],) if licence else ()
        )

    def _package(self, group: str, artifact: str, version: str, licences: tuple[str, ...]) -> Package:
        for coordinate in (*((group,) if group else ()), artifact):
            if not _COORDINATE.fullmatch(coordinate):
                raise InvalidContentError(
                    f"{self.path} names a package {coordinate[:80]!r}, which is no Maven coordinate; build it again"
                )
        name = f"{group}:{artifact}" if group else artifact
        version = checked_version(version, name, self.path) if version else ""
        return Package("maven", name, version, name, version, self.path, licences=licences)

    def _text(self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, place: str) -> str:
        content = self._content(archive, entry, place, _MOST_TEXT + 1)
        if len(content) > _MOST_TEXT:
            raise InvalidContentError(
                f"{self.path} holds {entry.filename[:200]!r}, of more than {_MOST_TEXT} bytes; build it again without"
            )
        return text_of(content)

    def _content(self, archive: zipfile.ZipFile, entry: zipfile.ZipInfo, place: str, most: int | None = None) -> bytes:
        """The first `most` bytes of an entry, or all of it."""
        left = self.limits.archive_bytes - self.read_so_far
        with archive.open(entry) as file:
            content = file.read(left + 1 if most is None else min(most, left + 1))
        self.read_so_far += len(content)
        if len(content) > left:
            raise self._passed("archive_bytes", _inside(place, entry))
        return content

    def _count(self, entries: int, place: str) -> None:
        self.entries += entries
        if self.entries > self.limits.archive_entries:
            raise self._passed("archive_entries", place)

    def _passed(self, limit: str, place: str) -> LimitExceededError:
        return LimitExceededError(limit, getattr(self.limits, limit), entry=place)


def _inside(place: str, entry: zipfile.ZipInfo) -> str:
    return f"{place}!/{entry.filename[:200]}"


def _licences(model: str) -> tuple[str, ...]:
    """The licences that a pom.xml names; found by its marks alone, since nobody is to be kept busy by its nesting."""
    end = model.find(_LICENCES_END)
    begin = model.find(_LICENCES, max(0, end - _MOST_LICENCES), max(0, end))
    if begin < 0:
        return ()
    names = (" ".join(name.split()) for name in _LICENCE.findall(model, begin, end))
    return tuple(name for name in names if name)


def _properties(text: str) -> Mapping[str, str]:
    """The assignments of a properties file, as Maven writes it: one a line, nothing escaped."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        key, sign, value = line.partition("=")
        if sign and not line.startswith(("#", "!")):
            found[key.strip()] = value.strip()
    return found


def _main_section(text: str) -> Mapping[str, str]:
    """The headers before the first empty line; a line that begins with a space goes on with the one before."""
    found: dict[str, list[str]] = {}
    last = ""
    for line in text.splitlines():
        if not line:
            break
        if line.startswith(" "):
            found.setdefault(last, []).append(line[1:])
            continue
        last, _, value = line.partition(":")
        found[last] = [value.strip()]
    return {name: "".join(parts) for name, parts in found.items()}
