"""The records of a PAX extended header (POSIX.1-2001 pax, Extended Header): `LENGTH KEY=VALUE\\n`, strictly."""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from scanning.errors import UnreadableLayerError
from scanning.layers.capabilities import named_capabilities
from scanning.layers.header import LARGEST_OWNER

_RECORD = re.compile(rb"([0-9]{1,10}) (?:([^=\x00]+)=)?")
_TIME = re.compile(rb"-?[0-9]{1,18}(\.[0-9]*)?")
_ONE_TIME = re.compile(rb"([0-9]{1,10}) [amc]time=-?[0-9]{1,18}(?:\.[0-9]*)?\n")
_NUMBER = re.compile(rb"[0-9]{1,19}")
_TIMES = frozenset({b"atime", b"mtime", b"ctime"})
_NAMES = frozenset({b"path", b"linkpath", b"uname", b"gname"})
_USUAL = _TIMES | {b"path", b"linkpath"}
_NEVER_EMPTY = frozenset({b"path", b"linkpath", b"size", b"uid", b"gid"})
_ATTRIBUTE = b"SCHILY.xattr."
_CAPABILITIES = b"SCHILY.xattr.security.capability"
_ENCODED_CAPABILITIES = b"LIBARCHIVE.xattr.security.capability"
"""The same in base64, as bsdtar writes it besides. Docker and containerd read the first, other readers either."""
_DECISIVE = _NEVER_EMPTY | {_CAPABILITIES, _ENCODED_CAPABILITIES}
_NEWLINE = ord("\n")
_LARGEST = (1 << 63) - 1
_REFUSED = (
    *(b"GNU.sparse.", b"SCHILY.realsize"),
    *(b"SCHILY.xattr.trusted.overlay.", b"SCHILY.xattr.user.overlay."),
    *(b"SCHILY.xattr.user.fuseoverlayfs.", b"SCHILY.xattr.security.fuseoverlayfs."),
    *(b"SCHILY.xattr.user.containers.", b"SCHILY.xattr.user.rootlesscontainers"),
)
"""Sparse files in any form, and instructions dressed as attributes: to overlay file systems, in the kernel or in
fuse-overlayfs, to hide what lies below, and to rootless runtimes to show another owner or mode.
"""


@dataclass(frozen=True, slots=True)
class PaxHeader:
    """What an extended header says of the next member. None where it says nothing."""

    path: bytes | None = None
    link: bytes | None = None
    size: int | None = None
    uid: int | None = None
    gid: int | None = None
    capabilities: str = ""
    attributes: Mapping[bytes, bytes] = field(default_factory=dict)
    """Extended attributes by name."""


SAYS_NOTHING = PaxHeader()
"""What an extended header says that gives times and nothing else, as some builders write for every member."""


def read_pax(content: bytes) -> PaxHeader:
    """Read an `x` header. Raises `UnreadableLayerError` on anything that readers do not agree on."""
    time = _ONE_TIME.fullmatch(content)
    if time is not None and int(time[1]) == len(content):  # as Python's tarfile writes for nearly every member
        return SAYS_NOTHING
    records = _records(content)
    if records.keys() <= _TIMES:
        return SAYS_NOTHING
    if records.keys() <= _USUAL:
        return PaxHeader(records.get(b"path"), records.get(b"linkpath"))
    return PaxHeader(
        path=records.get(b"path"),
        link=records.get(b"linkpath"),
        size=_number(records, b"size"),
        uid=_number(records, b"uid", LARGEST_OWNER),
        gid=_number(records, b"gid", LARGEST_OWNER),
        capabilities=_capabilities(records),
        attributes={
            key.removeprefix(_ATTRIBUTE): value for key, value in records.items() if key.startswith(_ATTRIBUTE)
        },
    )


def check_global_pax(content: bytes) -> None:
    """Read a `g` header. Raises `UnreadableLayerError` if it says anything that would change the members after it.

    Runtimes ignore global headers, other readers obey them; a comment (as git archive writes) is harmless.
    """
    decisive = sorted(_DECISIVE & _records(content).keys())
    if decisive:
        raise UnreadableLayerError(
            f"a global header sets {decisive[0].decode()}, which runtimes ignore and other readers obey"
        )


def _records(content: bytes) -> dict[bytes, bytes]:
    records: dict[bytes, bytes] = {}
    place = 0
    while place < len(content):
        record = _RECORD.match(content, place)
        end = place + int(record[1]) if record else 0
        if record is None or not record.end(1) + 1 < end <= len(content) or content[end - 1] != _NEWLINE:
            raise UnreadableLayerError("an extended header holds a record of the wrong length")
        if record[2] is None or record.end() >= end:
            raise UnreadableLayerError("an extended header holds a record without a key")
        key, value = record[2], content[record.end() : end - 1]
        if key in records:
            raise UnreadableLayerError(f"an extended header says {_show(key)} twice")
        _check(key, value)
        records[key] = value
        place = end
    return records


def _check(key: bytes, value: bytes) -> None:
    if key in _TIMES:
        if value and _TIME.fullmatch(value) is None:
            raise UnreadableLayerError(f"an extended header holds no time in {_show(key)}")
        return
    if key.startswith(_REFUSED):
        raise UnreadableLayerError(f"an extended header holds {_show(key)}, which the gate does not accept")
    if key in _NEVER_EMPTY and not value:
        raise UnreadableLayerError(f"an extended header holds an empty {_show(key)}, which readers take differently")
    if key in _NAMES and b"\x00" in value:
        raise UnreadableLayerError(f"an extended header holds a NUL in {_show(key)}")


def _number(records: dict[bytes, bytes], key: bytes, largest: int = _LARGEST) -> int | None:
    value = records.get(key)
    if value is None:
        return None
    if _NUMBER.fullmatch(value) is None or int(value) > _LARGEST:
        raise UnreadableLayerError(f"an extended header holds no number in {_show(key)}")
    if int(value) > largest:
        raise UnreadableLayerError(f"an extended header holds a number in {_show(key)} that takes more than 32 bits")
    return int(value)


def _capabilities(records: dict[bytes, bytes]) -> str:
    plain, encoded = records.get(_CAPABILITIES), records.get(_ENCODED_CAPABILITIES)
    if encoded is not None:
        try:
            decoded = base64.b64decode(encoded + b"=" * (-len(encoded) % 4), validate=True)
        except binascii.Error as error:
            raise UnreadableLayerError("an extended header holds file capabilities that are not base64") from error
        if plain is not None and plain != decoded:
            raise UnreadableLayerError("an extended header gives a file two different sets of capabilities")
        plain = decoded
    return named_capabilities(plain) if plain is not None else ""


def _show(key: bytes) -> str:
    return repr(key[:100].decode("ascii", "backslashreplace"))
