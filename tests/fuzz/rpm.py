"""rpm's databases: a header reads the same in each of the three; what is damaged is read or named as damaged."""

import sqlite3
import struct
import zlib
from contextlib import closing

from scanning.facts import FileFinds
from tests.fuzz import forge
from tests.fuzz.reading import read_file

_BERKELEY, _NDB, _SQLITE = "var/lib/rpm/Packages", "var/lib/rpm/Packages.db", "var/lib/rpm/rpmdb.sqlite"
_SLOT_PAGE, _BLOCK = 4096, 16
_ROOMY = 16_384
"""A page of Berkeley DB that every input fits into."""


def rpm_header(data: bytes) -> None:
    """The header of a package, changed or arbitrary: the three databases tell the same of it."""
    made = header() if data[:1] < b"\xc0" else b""
    written = forge.content(made, data[1:]) if made else data[1:]
    told = [
        _told(read_file(_BERKELEY, berkeley(written, page=_ROOMY))),
        _told(read_file(_NDB, ndb(written))),
        _told(read_file(_SQLITE, sqlite(written))),
    ]
    assert told[0] == told[1] == told[2], told


def rpm_database(data: bytes) -> None:
    """A database that is changed behind its packages' headers; the checksums of ndb are right."""
    choice, changes = data[:1] or b"\0", data[1:]
    match choice[0] % 4:
        case 0:
            read_file(_BERKELEY, forge.content(berkeley(header(), header() * 4, page=512), changes))
        case 1:
            read_file(_NDB, forge.content(ndb(header(), header()), changes))
        case 2:
            read_file(_NDB, _with_checksums(forge.content(ndb(header(), header()), changes)))
        case _:
            read_file(_SQLITE, forge.content(sqlite(header(), header() * 2), changes))


def _told(found: FileFinds) -> tuple[object, ...]:
    packages = [(one.name, one.version, one.source_name, one.licences, one.architecture) for one in found.packages]
    owned = [(one.package, one.paths, one.digests) for one in found.ownership]
    return packages, owned, bool(found.problem)


def header() -> bytes:
    """The header of one package, of texts and numbers, as rpm keeps it in its database."""
    texts = {
        1000: b"bash",
        1001: b"5.2",
        1002: b"3.el9",
        1014: b"GPLv3+",
        1022: b"x86_64",
        1044: b"bash-5.2-3.el9.src.rpm",
    }
    index, store = b"", b""
    for tag, text in texts.items():
        index += struct.pack(">4I", tag, 6, len(store), 1)
        store += text + b"\0"
    arrays: dict[int, tuple[int, int, bytes]] = {
        1003: (4, 1, struct.pack(">I", 1)),
        1116: (4, 1, struct.pack(">I", 0)),
        1117: (8, 1, b"bash\0"),
        1118: (8, 1, b"/usr/bin/\0"),
        1035: (8, 1, b"d41d8cd98f00b204e9800998ecf8427e\0"),
        1030: (3, 1, struct.pack(">H", 0o100755)),
        1037: (4, 1, struct.pack(">I", 0)),
        5011: (4, 1, struct.pack(">I", 8)),
    }
    for tag, (kind, count, content) in arrays.items():
        store += bytes(-len(store) % 4)
        index += struct.pack(">4I", tag, kind, len(store), count)
        store += content
    return struct.pack(">2I", len(texts) + len(arrays), len(store)) + index + store


def sqlite(*headers: bytes) -> bytes:
    """A database of these packages in SQLite, of the smallest pages there are."""
    with closing(sqlite3.connect(":memory:")) as opened:
        opened.execute("PRAGMA page_size = 512")
        opened.execute("CREATE TABLE 'Packages' (hnum INTEGER PRIMARY KEY AUTOINCREMENT, blob BLOB NOT NULL)")
        opened.executemany("INSERT INTO Packages (blob) VALUES (?)", [(one,) for one in headers])
        opened.commit()
        return opened.serialize()


def ndb(*headers: bytes) -> bytes:
    """The same in ndb: one page of slots, then the packages."""
    slots, blocks = b"", b""
    for number, one in enumerate(headers, start=1):
        body = struct.pack("<4sIII", b"BlbS", number, 1700000000, len(one)) + one
        body += bytes(-(len(body) + 12) % _BLOCK)
        body += struct.pack("<II4s", zlib.adler32(body), len(one), b"BlbE")
        first = (_SLOT_PAGE + len(blocks)) // _BLOCK
        slots += struct.pack("<4sIII", b"Slot", number, first, len(body) // _BLOCK)
        blocks += body
    slots += struct.pack("<4sIII", b"Slot", 0, 0, 0) * (254 - len(headers))
    return struct.pack("<4sIIII12x", b"RpmP", 0, 1, 1, len(headers) + 1) + slots + blocks


def _with_checksums(database: bytes) -> bytes:
    """The same, the checksum of whatever a slot leads to set right."""
    mended = bytearray(database)
    for place in range(32, min(_SLOT_PAGE, len(mended)) - 15, 16):
        _, _, first, blocks = struct.unpack_from("<4sIII", mended, place)
        start, end = first * _BLOCK, (first + blocks) * _BLOCK
        if first and blocks > 1 and end <= len(mended):
            struct.pack_into("<I", mended, end - 12, zlib.adler32(mended[start : end - 12]))
    return bytes(mended)


def berkeley(*headers: bytes, page: int = 2048) -> bytes:
    """The same in a hash of Berkeley DB: its head, a page of keys and packages, and chains of pages for large ones."""
    items: list[bytes] = []
    chains: list[bytes] = []
    for number, one in enumerate(headers, start=1):
        items.append(b"\x01" + struct.pack("<I", number))
        if len(one) < page // 3 or page == _ROOMY:
            items.append(b"\x01" + one)
            continue
        room = page - 26
        parts = [one[place : place + room] for place in range(0, len(one), room)]
        first = 2 + len(chains)
        items.append(struct.pack("<B3xII", 3, first, len(one)))
        for place, part in enumerate(parts):
            following = first + place + 1 if place + 1 < len(parts) else 0
            head = struct.pack("<8xIIIHHBB", first + place, 0, following, 1, len(part), 0, 7)
            chains.append((head + part).ljust(page, b"\0"))
    offsets, place = [], page
    for item in items:
        place -= len(item)
        offsets.append(place)
    hashed = struct.pack("<8xIIIHHBB", 1, 0, 0, len(items), place, 0, 13) + struct.pack(f"<{len(items)}H", *offsets)
    hashed += bytes(place - len(hashed)) + b"".join(reversed(items))
    meta = struct.pack("<8xI", 0) + struct.pack("<IIIBBBBI", 0x061561, 9, page, 0, 8, 0, 0, 0)
    meta += struct.pack("<I", 1 + len(chains))
    return meta.ljust(page, b"\0") + hashed + b"".join(chains)
