"""PHP packages that PEAR's installer has put there: PECL's extensions, and PEAR's own (PEAR_Registry).

    .../php/.registry/.channel.pecl.php.net/redis.reg       an array, as PHP's serialize() writes it:
    .../php/.registry/archive_tar.reg                       "name", "channel", "version" with a "release", "license"

Those of the channel pecl.php.net are `pecl`, all others `pear`. Nothing is unserialised into objects.
"""

import re
from collections.abc import Mapping

from scanning.errors import InvalidContentError
from scanning.facts import Package
from scanning.packages.fields import checked_name, checked_version

_ENTRY = re.compile(r"(?:.*/)?\.registry/(?:\.channel\.[^/]+/)?[^./][^/]*\.reg")
_PECL = "pecl.php.net"
_DEEPEST = 32
_NUMBER = re.compile(rb"([ibd]):([^;]{1,64});")
_TEXT = re.compile(rb's:([0-9]{1,9}):"')
_ARRAY = re.compile(rb"a:([0-9]{1,9}):\{")

Value = bytes | Mapping[bytes, "Value"]


def matches(path: str) -> bool:
    """Whether `path` is what PEAR's registry keeps of a package."""
    return path.endswith(".reg") and _ENTRY.fullmatch(path) is not None


def read(path: str, content: bytes) -> tuple[Package, ...]:
    """The one package told of. Raises `InvalidContentError` if it cannot be understood."""
    try:
        value, end = _value(content, 0, 0)
    except ValueError as error:
        raise InvalidContentError(
            f"{path} is no entry of PEAR's registry ({error}); install the package again"
        ) from error
    if not isinstance(value, Mapping) or content[end:].strip():
        raise InvalidContentError(f"{path} is no entry of PEAR's registry; install the package again")
    old = value.get(b"old")  # PEAR 1.4 and later repeat here what was at the top before
    name = _text(value.get(b"name")) or _text(value.get(b"package"))
    version = value.get(b"version")
    release = _text(version.get(b"release")) if isinstance(version, Mapping) else _text(version)
    if not release and isinstance(old, Mapping):
        release = _text(old.get(b"version"))
    if not name or not release:
        raise InvalidContentError(f"{path} does not say which package and version it is of; install the package again")
    name = checked_name(name, path)
    licence = value.get(b"license")
    told = _text(licence.get(b"_content")) if isinstance(licence, Mapping) else _text(licence)
    return (
        Package(
            "pecl" if _text(value.get(b"channel")) == _PECL else "pear",
            name,
            checked_version(release, name, path),
            name,
            release,
            path,
            licences=(" ".join(told.split()),) if told.strip() else (),
        ),
    )


def _text(value: Value | None) -> str:
    return value.decode("utf-8", "backslashreplace").strip() if isinstance(value, bytes) else ""


def _value(content: bytes, place: int, depth: int) -> tuple[Value, int]:
    """The value that begins at `place`, and where it ends; what is no text or array as it is written."""
    if depth > _DEEPEST:
        raise ValueError(f"it nests deeper than {_DEEPEST} levels")
    if content.startswith(b"N;", place):
        return b"", place + 2
    if found := _NUMBER.match(content, place):
        return found[2], found.end()
    if found := _TEXT.match(content, place):
        end = found.end() + int(found[1])
        if content[end : end + 2] != b'";':
            raise ValueError(f"the text at byte {place} has another length")
        return content[found.end() : end], end + 2
    found = _ARRAY.match(content, place)
    if found is None:
        raise ValueError(f"byte {place} begins nothing that is expected")
    place, values = found.end(), {}
    for _ in range(int(found[1])):
        key, place = _value(content, place, depth + 1)
        if isinstance(key, bytes):
            values[key], place = _value(content, place, depth + 1)
        else:
            raise ValueError(f"the key before byte {place} is an array")  # noqa: TRY004  # of the content
    if content[place : place + 1] != b"}":
        raise ValueError(f"the array that should end at byte {place} goes on")
    return values, place + 1
