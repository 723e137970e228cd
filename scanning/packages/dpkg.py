"""Debian packages: dpkg's database (deb-control(5), dpkg-query(1)).

    var/lib/dpkg/status                      one paragraph a package, those that are gone among them
    var/lib/dpkg/status.d/*                  one file a package (distroless)
    var/lib/dpkg/status.d/NAME.md5sums       `digest  path`: whatever it installed
    var/lib/dpkg/info/NAME[:ARCH].list       one path a line, directories among them
    var/lib/dpkg/info/NAME[:ARCH].md5sums    `digest  path`, also of paths that another package has taken over since
    var/lib/dpkg/info/NAME[:ARCH].postinst   a script of the package, preinst, prerm, postrm and config likewise
    var/lib/dpkg/diversions                  path, where it is really installed, by which package: three lines each

Whatever has files on the disk counts as installed: everything but `not-installed` and `config-files`.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

from scanning.errors import InvalidContentError
from scanning.facts import Diversion, Ownership, Package
from scanning.packages.fields import checked_name, checked_version, text_of

DATABASE = "var/lib/dpkg/status"
FRAGMENTS = "var/lib/dpkg/status.d/"
DIVERSIONS = "var/lib/dpkg/diversions"
INFO = "var/lib/dpkg/info/"

_GONE = frozenset({"not-installed", "config-files"})
_SCRIPT = re.compile(r"var/lib/dpkg/info/(?P<package>[^/:]+)(?::[^/]+)?\.(?:preinst|postinst|prerm|postrm|config)")
_MD5 = re.compile(r"[0-9a-f]{32}")
_SOURCE = re.compile(r"(\S+)(?:\s+\((\S+)\))?")


def matches(path: str) -> bool:
    """Whether `path` is a package database of this format."""
    return path == DATABASE or (
        path.startswith(FRAGMENTS) and "/" not in path[len(FRAGMENTS) :] and not path.endswith(".md5sums")
    )


def read(path: str, content: bytes) -> tuple[Package, ...]:
    """The packages that are installed. Raises `InvalidContentError` if the database cannot be understood."""
    paragraphs = _paragraphs(path, text_of(content))
    return tuple(_package(path, fields) for fields in paragraphs if _is_present(path, fields))


def records_ownership(path: str) -> bool:
    """Whether `path` tells of the files of packages."""
    if path == DATABASE:
        return True
    if path.startswith(INFO):
        return path.endswith((".list", ".md5sums"))
    return path.startswith(FRAGMENTS) and path.endswith(".md5sums")


def ownership(path: str, content: bytes) -> tuple[Ownership, ...]:
    """What `path` tells of the files of packages. Raises `InvalidContentError` if the database cannot be understood."""
    if path == DATABASE:
        return tuple(_settings(text_of(content)))
    package = path.rpartition("/")[2].rpartition(".")[0].partition(":")[0]
    lines = text_of(content).split("\n")
    if path.endswith(".list"):
        paths = tuple(_files(_relative(line.strip()) for line in lines))
        return (Ownership(package, paths),) if package and paths else ()
    pairs = [line.partition("  ") for line in lines]
    sums = {_relative(name.strip()): digest for digest, _, name in pairs if name and _MD5.fullmatch(digest)}
    if not package or not sums:
        return ()
    return (Ownership(package, tuple(sums), "md5", tuple(sums.values()), is_list=path.startswith(FRAGMENTS)),)


def read_diversions(content: bytes) -> tuple[Diversion, ...]:
    """The paths that are installed elsewhere; one that the administrator diverted is so for every package."""
    lines = [line.strip() for line in text_of(content).split("\n")]
    triples = zip(lines[::3], lines[1::3], lines[2::3], strict=False)
    return tuple(
        Diversion(_relative(path), _relative(target), "" if package == ":" else package)
        for path, target, package in triples
        if path and target
    )


def script_owner(path: str) -> str:
    """The package whose installation script `path` is, "" if it is none."""
    script = _SCRIPT.fullmatch(path)
    return script["package"] if script else ""


def _settings(text: str) -> Iterator[Ownership]:
    """The digests of configuration files as they were installed (deb-conffiles(5)): `Conffiles:`, `path digest`."""
    package, inside, sums = "", False, dict[str, str]()
    for line in (*text.split("\n"), ""):
        if line[:1] in {" ", "\t"}:
            words = line.split() if inside else []
            if len(words) > 1 and _MD5.fullmatch(words[1]) and "obsolete" not in words[2:]:
                sums[_relative(words[0])] = words[1]
            continue
        name, _, value = line.partition(":")
        inside = name.lower() == "conffiles"
        if name.lower() == "package":
            package = value.strip()
        elif not line.strip():
            if sums:
                yield Ownership(package, tuple(sums), "md5", tuple(sums.values()), is_list=False, is_configuration=True)
            package, sums = "", {}


def _relative(path: str) -> str:
    return path.removeprefix("./").removeprefix("/")


def _files(paths: Iterable[str]) -> Iterator[str]:
    """The paths that are no directory: dpkg lists a directory just before what is in it."""
    previous = ""
    for path in paths:
        if previous not in {"", "."} and not path.startswith(f"{previous}/"):
            yield previous
        previous = path
    if previous not in {"", "."}:
        yield previous


def _paragraphs(path: str, text: str) -> Iterator[Mapping[str, str]]:
    fields: dict[str, str] = {}
    for number, line in enumerate(text.split("\n"), start=1):
        if line[:1] in {" ", "\t"}:
            if not fields:
                raise InvalidContentError(
                    f"{path} line {number} continues a field, and there is none; restore the file"
                )
            continue
        stripped = line.rstrip("\r")
        if not stripped:
            if fields:
                yield fields
                fields = {}
            continue
        name, colon, value = stripped.partition(":")
        key = name.lower()
        if not colon or not name or name.split() != [name]:
            raise InvalidContentError(f"{path} line {number} is no field of a dpkg database; restore the file")
        if key in fields:
            raise InvalidContentError(f"{path} line {number} gives the field {name[:80]!r} twice; restore the file")
        fields[key] = value.strip()
    if fields:
        yield fields


def _is_present(path: str, fields: Mapping[str, str]) -> bool:
    status = fields.get("status")
    if status is None:  # status.d holds the control files of installed packages, which have none
        return True
    words = status.split()
    if len(words) != 3:
        raise InvalidContentError(
            f"{path} gives package {fields.get('package', '')[:80]!r} the status {status[:80]!r}, which is not"
            " three words; restore the file"
        )
    return words[2] not in _GONE


def _package(path: str, fields: Mapping[str, str]) -> Package:
    if "package" not in fields or "version" not in fields:
        raise InvalidContentError(
            f"{path} holds a package {fields.get('package', '')[:80]!r} without name or version; restore the file"
        )
    name = checked_name(fields["package"], path)
    version = checked_version(fields["version"], name, path)
    source = _SOURCE.fullmatch(fields.get("source", name))
    if source is None:
        raise InvalidContentError(
            f"{path} gives package {name} the source {fields['source'][:80]!r}, which is not `name (version)`;"
            " restore the file"
        )
    return Package(
        type="deb",
        name=name,
        version=version,
        source_name=checked_name(source[1], path),
        source_version=checked_version(source[2] or version, name, path),
        path=path,
        architecture=fields.get("architecture", ""),
    )
