"""A strict, incremental tar reader for hostile archives: ustar, PAX, GNU long names and numbers, V7.

It is fed an archive in chunks of any size and yields what Go's archive/tar would list, since runtimes are built on
that. Whatever Go would not read, or another reader would take differently, is refused rather than guessed:

- a damaged header, a lone zero block inside the archive, anything but zeros after the end (threat 50);
- sparse files in every form, contiguous files (type 7), types POSIX does not know, star's own format;
- extended headers and long names that contradict each other, repeat, or belong to no member (threat 54);
- a size on a member that carries no data; a name that ends in `/` on something that is no directory;
- a mode that names another type than the member has; capabilities of what is no file;
- names that lead upwards, device 0:0 (a whiteout to the overlay file system only).

Accepted, because real builders write it: an archive that ends at a block boundary without the two zero blocks, or
with one of them (Go accepts it, nothing can hide there), and any number of zeros after them.
"""

from collections.abc import Iterator, Mapping
from enum import Enum
from typing import Final, TypeAlias

from scanning.errors import LimitExceededError, UnreadableLayerError
from scanning.facts import EntryKind, FileEntry
from scanning.layers.header import BLOCK_BYTES, ZERO_BLOCK, Header
from scanning.layers.limits import InspectionLimits
from scanning.layers.paths import archive_path, to_text
from scanning.layers.pax import SAYS_NOTHING, PaxHeader, check_global_pax, read_pax

_FILE, _DIRECTORY = EntryKind.FILE, EntryKind.DIRECTORY
_HARDLINK, _SYMLINK = EntryKind.HARDLINK, EntryKind.SYMLINK
_CHARACTER_DEVICE = EntryKind.CHARACTER_DEVICE
_KINDS = {
    b"0": _FILE,
    b"\x00": _FILE,
    b"1": _HARDLINK,
    b"2": _SYMLINK,
    b"3": _CHARACTER_DEVICE,
    b"4": EntryKind.BLOCK_DEVICE,
    b"5": _DIRECTORY,
    b"6": EntryKind.FIFO,
}
_EXTENDED, _GLOBAL, _LONG_NAME, _LONG_LINK = b"x", b"g", b"L", b"K"
_META = frozenset({_EXTENDED, _GLOBAL, _LONG_NAME, _LONG_LINK})
_REFUSED = {
    b"S": "a GNU sparse file",
    b"7": "a contiguous file (type 7)",
    b"D": "a GNU directory dump",
    b"M": "a continued file of a multi-volume archive",
    b"V": "a volume label",
}
_LARGEST_OCTAL_SIZE = 8**11 - 1
_PERMISSIONS = 0o7777
_REGULAR, _LINK = 0o100000, 0o120000
TYPES_IN_MODE = {
    _FILE: {_REGULAR},
    _DIRECTORY: {0o040000},
    _SYMLINK: {_LINK, _REGULAR},  # Java's commons-compress writes the latter, which changes nothing in any reader
    _HARDLINK: {_REGULAR, _LINK, 0o020000, 0o060000, 0o010000},  # as its target
    _CHARACTER_DEVICE: {0o020000},
    EntryKind.BLOCK_DEVICE: {0o060000},
    EntryKind.FIFO: {0o010000},
}
"""The file types of inode(7) that the mode of a member may name, if it names one. Docker and Java do, others do not."""


class _End(Enum):
    END_OF_ENTRY = "end of entry"


END_OF_ENTRY: Final = _End.END_OF_ENTRY
"""Follows every entry, after its data."""

Event: TypeAlias = FileEntry | memoryview | _End
TABLE_NAME = "stargz.index.json"
"""The member in which eStargz keeps its table of contents."""
_TABLE = TABLE_NAME.encode()
_AFTER = b"after the end"
_NONE: Mapping[bytes, bytes] = {}
_AFTER_END = "there is data after the end of the archive"


class TarReader:
    """Reads one archive. Yields each member as its `FileEntry`, its data in pieces, then `END_OF_ENTRY`.

    Directory entries for the root itself are read and not yielded. Data is handed on as views of the chunk fed, so
    it must be used before the next event is asked for. Every method raises `UnreadableLayerError`.

    `offset` is that of the last header in the archive, `device` and `attributes` are the device numbers and extended
    attributes of the last member. `table` is what BuildKit put after the end, `table_offset` that of its header.
    """

    def __init__(self, limits: InspectionLimits) -> None:
        self._limits = limits
        self._header = Header()
        self._entries = 0
        self._position = 0  # of the chunk being fed
        self.offset = 0
        self.device = (0, 0)
        self.attributes = _NONE
        self.table: bytes | None = None
        self.table_offset = 0
        self._partial = b""  # of a header that chunks divide
        self._data = 0  # bytes of the current member still to come
        self._padding = 0  # bytes after it, to the next block
        self._zero_blocks = 0
        self._meta = b""  # the type of the extended header being collected
        self._collected = bytearray()
        self._pax: PaxHeader | None = None
        self._long_name: bytes | None = None
        self._long_link: bytes | None = None
        self._pending = False  # one of these three waits for its member
        self._is_after_end = False  # there BuildKit writes a table
        self._has_table = False
        self.data_start = 0
        """Where the data told last begins in the chunk fed."""

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """Yield what `chunk` makes known."""
        view, place, end = memoryview(chunk), 0, len(chunk)
        while place < end:
            if self._data:
                start, place = place, place + self._data
                self._data = place - end if place > end else 0
                if self._meta:
                    self._collect(chunk[start:place])
                else:
                    self.data_start = start
                    yield view[start:place]
                    if not self._data:
                        yield END_OF_ENTRY
            elif self._padding:
                place += self._padding
                self._padding = place - end if place > end else 0
            elif self._zero_blocks > 1 and not self._partial:
                if chunk.count(0, place) == end - place:
                    place = end
                    continue
                place = end - len(chunk[place:].lstrip(b"\0"))
                if self._is_after_end or (self._position + place) % BLOCK_BYTES:
                    raise self._refusal(_AFTER_END)
                self._is_after_end, self._zero_blocks = True, 0
            else:
                block = self._partial + chunk[place : place + BLOCK_BYTES - len(self._partial)]
                place += len(block) - len(self._partial)
                self._partial = b""
                self.offset = self._position + place - len(block)
                entry = self._read_block(block)
                if entry is not None:
                    yield entry
                    if not self._data:
                        yield END_OF_ENTRY
        self._position += end

    def finish(self) -> None:
        """Say that the archive ends here. Raises `UnreadableLayerError` if it stops inside something.

        What is missing may be the blocks of zeros, and what fills the last block after data: `umoci insert` writes
        neither, and every reader takes all of the data.
        """
        if self._data or self._partial:
            raise self._refusal("the archive is cut short")
        self._refuse_dangling()

    def _read_block(self, block: bytes) -> FileEntry | None:
        if len(block) < BLOCK_BYTES:
            self._partial = block
            return None
        if not block[0] and block == ZERO_BLOCK:
            self._refuse_dangling()
            self._zero_blocks += 1
            return None
        if self._zero_blocks:
            raise self._refusal("a lone block of zeros stands inside the archive: some readers stop there")
        header = self._header
        try:
            header.read(block)
        except UnreadableLayerError as error:
            raise self._refusal(error.reason) from error
        kind = _KINDS.get(header.type)
        if self._is_after_end:
            self._pass_over(header)
            return None
        if kind is not None:
            return self._read_member(header, kind)
        if header.type not in _META:
            what = _REFUSED.get(header.type, f"of the unknown type {header.type!r}")
            raise self._refusal(f"the member is {what}, which runtimes do not unpack alike", header.name)
        self._begin_meta(header)
        return None

    def _pass_over(self, header: Header) -> None:
        """Take the one member that may follow the end: BuildKit's table of an eStargz layer, where no reader of
        archives looks.
        """
        if self._has_table or header.name != _TABLE or header.type != b"0":
            raise self._refusal(_AFTER_END)
        if header.size > self._limits.file_bytes:
            raise LimitExceededError("file_bytes", self._limits.file_bytes, entry=TABLE_NAME, offset=self.offset)
        self._has_table = True
        self.table, self.table_offset = b"", self.offset
        if header.size:
            self._meta = _AFTER
            self._data = header.size
            self._padding = -header.size % BLOCK_BYTES

    def _begin_meta(self, header: Header) -> None:
        kind = header.type
        if header.size > self._limits.pax_bytes:
            raise LimitExceededError("pax_bytes", self._limits.pax_bytes, offset=self.offset)
        repeated = (kind == _LONG_NAME and self._long_name is not None) or (
            kind == _LONG_LINK and self._long_link is not None
        )
        if self._pax is not None or repeated or (kind == _GLOBAL and self._pending):
            raise self._refusal("extended headers follow each other where one would hide the other")
        if kind == _GLOBAL:
            self._count_entry()
            if b".wh." in header.name:
                raise self._refusal("a global header is named like a whiteout", header.name)
        if not header.size:
            if kind != _GLOBAL:
                raise self._refusal("an extended header is empty")
            return
        self._meta = kind
        self._data = header.size
        self._padding = -header.size % BLOCK_BYTES

    def _collect(self, content: bytes) -> None:
        if self._data or self._collected:
            self._collected += content
            if self._data:
                return
            content = bytes(self._collected)
            self._collected.clear()
        kind, self._meta = self._meta, b""
        if kind == _AFTER:
            self.table = content
            return
        self._pending = self._pending or kind != _GLOBAL
        try:
            if kind == _EXTENDED:
                self._pax = read_pax(content)
            elif kind == _GLOBAL:
                check_global_pax(content)
            elif kind == _LONG_NAME:
                self._long_name = _long_text(content)
            else:
                self._long_link = _long_text(content)
        except UnreadableLayerError as error:
            raise self._refusal(error.reason) from error

    def _read_member(self, header: Header, kind: EntryKind) -> FileEntry | None:
        self._count_entry()
        self.attributes = _NONE
        capabilities = self._merge(header) if self._pending else ""
        raw, link = header.name, header.link
        self.device = header.device
        if raw[-1:] == b"/" and kind is not _DIRECTORY:
            if header.type != b"\x00":
                raise self._refusal("a name ends in `/` on something that is no directory", raw)
            kind = _DIRECTORY  # as V7, which had no type for directories
        if header.size:
            if kind is not _FILE:
                raise self._refusal(f"a {kind} claims {header.size} bytes of data", raw)
            self._data = header.size
            self._padding = -header.size % BLOCK_BYTES
        if header.mode > _PERMISSIONS and header.mode & ~_PERMISSIONS not in TYPES_IN_MODE[kind]:
            raise self._refusal(f"the mode {header.mode:o} is not that of a {kind}: runtimes go by either", raw)
        if capabilities and kind is not _FILE and kind is not _HARDLINK:
            raise self._refusal(f"a {kind} claims file capabilities: docker gives those of a link to its target", raw)
        if kind is _CHARACTER_DEVICE and header.device == (0, 0):
            raise self._refusal("a character device 0:0 is a whiteout to some runtimes and a device to others", raw)
        try:
            path = archive_path(raw, self._limits)
            target = self._read_link(kind, link) if kind is _SYMLINK or kind is _HARDLINK else ""
        except LimitExceededError:
            raise
        except UnreadableLayerError as error:
            raise self._refusal(error.reason, raw) from error
        if not path:
            if kind is not _DIRECTORY:
                raise self._refusal(f"the root is replaced by a {kind}", raw)
            return None
        return FileEntry(
            path, kind, header.mode & _PERMISSIONS, header.uid, header.gid, header.size, target, capabilities
        )

    def _read_link(self, kind: EntryKind, raw: bytes) -> str:
        if kind is _HARDLINK:
            return archive_path(raw, self._limits)
        if not raw:
            raise UnreadableLayerError("a symbolic link has no target")
        if len(raw) > self._limits.path_length:
            raise LimitExceededError("path_length", self._limits.path_length, offset=self.offset)
        return to_text(raw)

    def _merge(self, header: Header) -> str:
        """Let what came before the header overrule it; return the file capabilities that came with it."""
        pax, name, link = self._pax or SAYS_NOTHING, self._long_name, self._long_link
        self._pax = self._long_name = self._long_link = None
        self._pending = False
        if pax is SAYS_NOTHING and name is None and link is None:
            return ""
        if (name is not None and pax.path is not None) or (link is not None and pax.link is not None):
            raise self._refusal("a GNU long name and an extended header name the member differently", header.name)
        if pax.size is not None and pax.size <= _LARGEST_OCTAL_SIZE and pax.size != header.size:
            raise self._refusal("an extended header and the header differ about the size", header.name)
        header.name = name or pax.path or header.name
        header.link = link or pax.link or header.link
        header.size = header.size if pax.size is None else pax.size
        header.uid = header.uid if pax.uid is None else pax.uid
        header.gid = header.gid if pax.gid is None else pax.gid
        self.attributes = pax.attributes
        return pax.capabilities

    def _refuse_dangling(self) -> None:
        if self._pending:
            raise self._refusal("an extended header belongs to no member")

    def _count_entry(self) -> None:
        self._entries += 1
        if self._entries > self._limits.entries:
            raise LimitExceededError("entries", self._limits.entries, offset=self.offset)

    def _refusal(self, reason: str, name: bytes = b"") -> UnreadableLayerError:
        return UnreadableLayerError(reason, entry=to_text(name[:256]), offset=self.offset)


def _long_text(content: bytes) -> bytes:
    text, _, rest = content.partition(b"\x00")
    if not text or rest.strip(b"\x00"):
        raise UnreadableLayerError("a GNU long name is empty or goes on after its end")
    return text
