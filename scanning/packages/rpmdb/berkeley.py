"""rpm's Berkeley DB: a hash database whose values are the headers (Berkeley DB 4 to 5, `dbinc/db_page.h`).

Every page begins with 26 bytes: LSN (8), its number, the previous and the next page (4 each), entries (2), offset of
the data (2), level, type. In a hash page an array of 2-byte offsets follows: key, value, key, value. A value too
large for its page lies on a chain of overflow pages. Numbers have the byte order of the machine that wrote them.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass

from scanning.errors import InvalidContentError

_HASH_MAGIC = 0x061561
_MAGIC_AT = 12
_PAGE_SIZE_AT = 20
_ENCRYPTION_AT = 24
_LAST_PAGE_AT = 32
_PAGE_HEAD = 26
_PAGE_SIZES = frozenset(1 << power for power in range(9, 17))

_HASH_PAGES = frozenset({2, 13})
"""P_HASH_UNSORTED and P_HASH."""
_OVERFLOW = 7
_KEY_DATA, _OFF_PAGE = 1, 3
_KEY_LENGTH = 4
_NEXT_NUMBER = 0
"""The key under which rpm keeps the number of the next package."""


def headers(content: bytes) -> Iterator[bytes]:
    """The header of each package. Raises `InvalidContentError` if this is no such database, or a damaged one."""
    order = _byte_order(content)
    if order is None:
        raise InvalidContentError("it is no Berkeley DB hash database")
    database = _Database.of(content, order)
    for number in range(1, database.pages):
        yield from database.values(number)


def _byte_order(content: bytes) -> str | None:
    magic = content[_MAGIC_AT : _MAGIC_AT + 4]
    return next((order for order in "<>" if magic == struct.pack(f"{order}I", _HASH_MAGIC)), None)


@dataclass(frozen=True, slots=True)
class _Page:
    next: int
    entries: int
    free: int
    kind: int


@dataclass(frozen=True, slots=True)
class _Database:
    content: bytes
    order: str
    page_size: int
    pages: int

    @classmethod
    def of(cls, content: bytes, order: str) -> "_Database":
        if len(content) < _LAST_PAGE_AT + 4:
            raise InvalidContentError("it is cut short")
        (page_size,) = struct.unpack_from(f"{order}I", content, _PAGE_SIZE_AT)
        (last,) = struct.unpack_from(f"{order}I", content, _LAST_PAGE_AT)
        if content[_ENCRYPTION_AT]:
            raise InvalidContentError("it is encrypted")
        if page_size not in _PAGE_SIZES or (last + 1) * page_size > len(content):
            raise InvalidContentError(f"it says it has {last + 1} pages of {page_size} bytes, and is shorter")
        return cls(content, order, page_size, last + 1)

    def values(self, number: int) -> Iterator[bytes]:
        """The headers in one page; none if it is no hash page."""
        page = self._page(number)
        if page.kind not in _HASH_PAGES:
            return
        start = number * self.page_size
        room = (self.page_size - _PAGE_HEAD) // 2
        if page.entries > room or page.entries % 2:
            raise InvalidContentError(f"page {number} says it has {page.entries} entries")
        offsets = struct.unpack_from(f"{self.order}{page.entries}H", self.content, start + _PAGE_HEAD)
        ends = (self.page_size, *offsets)
        if any(not _PAGE_HEAD < offset < end for offset, end in zip(offsets, ends, strict=False)):
            raise InvalidContentError(f"page {number} has entries that overlap")
        items = [self.content[start + offset : start + end] for offset, end in zip(offsets, ends, strict=False)]
        for key, value in zip(items[::2], items[1::2], strict=True):
            if not self._is_next_number(key):
                yield self._value(value, number)

    def _is_next_number(self, key: bytes) -> bool:
        if len(key) != 1 + _KEY_LENGTH or key[0] != _KEY_DATA:
            raise InvalidContentError("a key is no package number")
        return int.from_bytes(key[1:], "little") == _NEXT_NUMBER

    def _value(self, item: bytes, number: int) -> bytes:
        if item[0] == _KEY_DATA:
            return item[1:]
        if item[0] != _OFF_PAGE or len(item) != 12:
            raise InvalidContentError(f"page {number} holds a value of the kind {item[0]}, which rpm never makes")
        first, length = struct.unpack_from(f"{self.order}II", item, 4)
        return self._chain(first, length)

    def _chain(self, number: int, length: int) -> bytes:
        """The bytes on a chain of overflow pages: a chain that runs in a circle is longer than it says."""
        parts: list[bytes] = []
        left = length
        while number:
            page = self._page(number)
            start = number * self.page_size + _PAGE_HEAD
            if page.kind != _OVERFLOW or not 0 < page.free <= min(left, self.page_size - _PAGE_HEAD):
                raise InvalidContentError(f"page {number} does not go on with the value it should")
            parts.append(self.content[start : start + page.free])
            left -= page.free
            number = page.next
        if left:
            raise InvalidContentError(f"a value of {length} bytes lacks {left} of them")
        return b"".join(parts)

    def _page(self, number: int) -> _Page:
        if number >= self.pages:
            raise InvalidContentError(f"there is no page {number}")
        start = number * self.page_size
        following, entries, free, _, kind = struct.unpack_from(f"{self.order}IHHBB", self.content, start + 16)
        return _Page(following, entries, free, kind)
