"""One tar header block: its checksum, its numbers and its names (POSIX.1-1988 ustar, V7 and GNU).

Fields are read as Go's archive/tar reads them, since that is what runtimes use; where other readers would see
something else, the header is refused (threats 48 and 50).

    name 0:100 | mode 100:108 | uid 108:116 | gid 116:124 | size 124:136 | mtime 136:148 | checksum 148:156
    type 156 | link 157:257 | magic 257:265 | user, group 265:329 | device 329:345 | prefix or GNU times 345:512
"""

from struct import Struct
from zlib import adler32

from scanning.errors import UnreadableLayerError

BLOCK_BYTES = 512
ZERO_BLOCK = bytes(BLOCK_BYTES)

_FIELDS = Struct("100s 24s 12s 12s 8s c 100s 255s")
"""Name, mode and owner, size, time, checksum, type, link, and the rest from the magic on."""
_DEVICE, _PREFIX, _TIMES = slice(72, 88), slice(88, 243), (slice(88, 100), slice(100, 112))
"""Where in the rest: of ustar the device and the prefix, of GNU the times of access and change."""
_USTAR, _GNU = b"ustar\x00", b"ustar  \x00"
_STAR_TRAILER = b"tar\x00"
_OCTAL = b"01234567"
_BLANK = b" \x00"
_NUL = b"\x00"
_NO_DEVICE = frozenset({bytes(16), b"0000000\x00" * 2})
_LARGEST = (1 << 63) - 1
LARGEST_OWNER = (1 << 32) - 2
"""The largest user or group id there is; the one after it tells chown(2) to leave the owner as it is."""
_REMEMBERED, _REMEMBERED_RESTS = 4096, 256


def checksum_holds(block: bytes) -> bool:
    """Whether the checksum field agrees with the block, counted in unsigned bytes."""
    try:
        return _total(block) == _expected_total(block[148:156])
    except ValueError:
        return False


def some_checksum_holds(block: bytes) -> bool:
    """Whether the checksum agrees counted in unsigned or in signed bytes, as old tars counted and Go accepts."""
    try:
        expected = _expected_total(block[148:156])
    except ValueError:
        return False
    negative = sum(byte > 0x7F for byte in block[:148] + block[156:])
    return expected in {_total(block), _total(block) - 0x100 * negative}


class Header:
    """A header block as it stands, before extended headers and long names. Read again and again to be fast.

    What repeats from member to member is remembered: modes, owners and checksums, and the rest from the magic on.
    """

    __slots__ = (
        *("_owners", "_rests", "_totals"),
        *("device", "gid", "link", "mode", "name", "size", "type", "uid"),
    )

    def __init__(self) -> None:
        self._owners: dict[bytes, tuple[int, int, int]] = {}
        self._totals: dict[bytes, int] = {}
        self._rests: dict[bytes, tuple[bytes, tuple[int, int]]] = {}
        self.type = self.name = self.link = b""
        self.size = self.mode = self.uid = self.gid = 0
        self.device = (0, 0)

    def read(self, block: bytes) -> None:
        """Read one block that is not all zeros. Raises `UnreadableLayerError` without entry or offset."""
        name, owner, size, time, field, self.type, link, rest = _FIELDS.unpack(block)
        if (self._totals.get(field) or self._total_of(field)) != _total(block):
            raise UnreadableLayerError("the tar header has a bad checksum: the archive is damaged or misaligned")
        name = name.rstrip(_NUL)
        if 0 in name:
            name = _text(name, "name")
        prefix, self.device = self._rests.get(rest) or self._rest(rest)
        if prefix:
            name = prefix + b"/" + name
        if time[11] or time[:11].strip(_OCTAL):
            _number(time, "time", signed=True)
        self.name = name
        self.link = _text(link, "link") if link[0] else b""
        digits = size[:11]
        self.size = int(digits, 8) if not (size[11] or digits.strip(_OCTAL)) else _number(size, "size")
        self.mode, self.uid, self.gid = self._owners.get(owner) or self._owner(owner)

    def _rest(self, rest: bytes) -> tuple[bytes, tuple[int, int]]:
        """The prefix of the name and the device, from the magic on."""
        prefix = b""
        if rest.startswith(_USTAR):
            if rest.endswith(_STAR_TRAILER):
                raise UnreadableLayerError("the header is in star's own format, which readers take differently")
            prefix = _text(rest[_PREFIX], "prefix") if rest[_PREFIX.start] else b""
        elif rest.startswith(_GNU):
            for field, what in zip(_TIMES, ("access time", "change time"), strict=True):
                _number(rest[field], what, signed=True)
        elif rest.strip(_NUL):
            raise UnreadableLayerError("the header has no known magic, but data where other formats keep a prefix")
        device = rest[_DEVICE]
        read = prefix, (0, 0) if device in _NO_DEVICE else _device(device)
        if len(self._rests) < _REMEMBERED_RESTS:
            self._rests[rest] = read
        return read

    def _total_of(self, field: bytes) -> int:
        try:
            total = _expected_total(field)
        except ValueError as error:
            raise UnreadableLayerError("the tar header's checksum is no octal number") from error
        if len(self._totals) < _REMEMBERED:
            self._totals[field] = total
        return total

    def _owner(self, fields: bytes) -> tuple[int, int, int]:
        owner = (_number(fields[:8], "mode"), _number(fields[8:16], "user id"), _number(fields[16:], "group id"))
        if max(owner[1:]) > LARGEST_OWNER:
            raise UnreadableLayerError("the owner is no user or group that Linux knows: its id takes more than 32 bits")
        if len(self._owners) < _REMEMBERED:
            self._owners[fields] = owner
        return owner


def _total(block: bytes) -> int:
    """The sum of the block's bytes, 8x faster than `sum`: adler32's low half is one more, modulo 65521."""
    if block.isascii():  # 512 * 127 is less than the modulus
        return (adler32(block) & 0xFFFF) - 1
    return (adler32(block[:256]) & 0xFFFF) + (adler32(block[256:]) & 0xFFFF) - 2


def _expected_total(field: bytes) -> int:
    """What the block sums up to if its checksum `field` is right; the checksum counts that field as spaces."""
    return _octal(field) + sum(field) - 8 * 0x20


def _device(fields: bytes) -> tuple[int, int]:
    return _number(fields[:8], "major device"), _number(fields[8:], "minor device")


def _text(field: bytes, what: str) -> bytes:
    text, _, rest = field.partition(b"\x00")
    if rest.strip(b"\x00"):
        raise UnreadableLayerError(f"the {what} field goes on after its end")
    return text


def _octal(field: bytes) -> int:
    """Octal digits, spaces before them allowed, spaces and NULs after; all blank is zero. Raises `ValueError`."""
    digits = field.rstrip(_BLANK).lstrip(b" ")
    if digits.strip(_OCTAL):
        raise ValueError(field)
    return int(digits, 8) if digits else 0


def _number(field: bytes, what: str, *, signed: bool = False) -> int:
    """An octal or GNU base-256 number of at most 63 bits, not negative unless `signed`."""
    try:
        number = _base256(field) if field[0] & 0x80 else _octal(field)
    except ValueError as error:
        raise UnreadableLayerError(
            f"the {what} field holds {field!r}, which readers take for different numbers or none"
        ) from error
    if number < 0 and not signed:
        raise UnreadableLayerError(f"the {what} field is negative")
    return number


def _base256(field: bytes) -> int:
    if field[0] == 0x80:
        number = int.from_bytes(field[1:], "big")
    elif field[0] == 0xFF:
        number = int.from_bytes(field, "big", signed=True)
    else:
        raise ValueError(field)
    if not -_LARGEST <= number <= _LARGEST:
        raise ValueError(field)
    return number
