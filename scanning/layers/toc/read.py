"""Reads a table of contents (estargz.md, "TOC"; containers/storage, `chunked/internal/minimal`), strictly.

    {"version": 1, "entries": [
      {"name": "usr/bin/sh", "type": "reg", "mode": 493, "size": 6, "digest": "sha256:...",
       "offset": 1024, "chunkSize": 4, "chunkDigest": "sha256:..."},
      {"name": "usr/bin/sh", "type": "chunk", "offset": 2048, "chunkOffset": 4, "chunkDigest": "sha256:..."},
      ...],
     "tarSplitDigest": "sha256:..."}

Times, and names of users and groups, are not looked at.
"""

import base64
import binascii
from collections.abc import Iterator
from dataclasses import dataclass

from scanning.errors import InvalidJsonError, LimitExceededError, UnreadableLayerError
from scanning.facts import EntryKind, FileEntry
from scanning.layers.limits import InspectionLimits
from scanning.layers.paths import archive_path, to_text
from scanning.layers.tar import TYPES_IN_MODE
from scanning.layers.toc.record import Unusual, attributes_digest
from scanning.oci.fields import Fields, Schema
from scanning.oci.strict_json import parse

_TABLE = Schema("version", "entries", "tarSplitDigest")
_ENTRY = Schema(
    *("name", "type", "size", "modtime", "accesstime", "changetime", "linkName", "mode", "uid", "gid", "userName"),
    *("groupName", "devMajor", "devMinor", "NumLink", "xattrs", "digest", "offset", "innerOffset", "endOffset"),
    *("chunkOffset", "chunkSize", "chunkDigest", "chunkType"),
)
_KINDS = {
    "reg": EntryKind.FILE,
    "dir": EntryKind.DIRECTORY,
    "hardlink": EntryKind.HARDLINK,
    "symlink": EntryKind.SYMLINK,
    "char": EntryKind.CHARACTER_DEVICE,
    "block": EntryKind.BLOCK_DEVICE,
    "fifo": EntryKind.FIFO,
}
_CHUNK, _ZEROS = "chunk", "zeros"
_PERMISSIONS = 0o7777
_VALUES_PER_ENTRY = 40


@dataclass(frozen=True, slots=True)
class TableChunk:
    """A part of a file as a table tells it. `size` is 0 where the part goes to the end of the file."""

    frame: int
    inner: int
    start: int
    size: int
    digest: str
    is_zeros: bool


@dataclass(frozen=True, slots=True)
class TableEntry:
    """One path as a table tells it: `entry` without capabilities, which are among the attributes of `unusual`."""

    entry: FileEntry
    unusual: Unusual
    digest: str
    chunks: tuple[TableChunk, ...]
    end: int


def read_table(content: bytes, limits: InspectionLimits) -> tuple[tuple[TableEntry, ...], str]:
    """The entries of a table, and the digest of tar-split's data, "" if it names none.

    Raises `UnreadableLayerError` where readers could take it for different things, `LimitExceededError` if it has more
    entries than an archive may have.
    """
    try:
        most = limits.entries * _VALUES_PER_ENTRY
        table = Fields.of(parse(content, "the table of contents", limits.file_bytes, most), "the table", _TABLE)
        if table.integer("version") != 1:
            raise UnreadableLayerError("the table of contents has a version that does not exist; only 1 does")
        if len(table.items("entries")) > limits.entries:
            raise LimitExceededError("entries", limits.entries)
        return tuple(_entries(table, limits)), table.text("tarSplitDigest")
    except InvalidJsonError as error:
        raise UnreadableLayerError(str(error)) from error


def _entries(table: Fields, limits: InspectionLimits) -> Iterator[TableEntry]:
    fields: Fields | None = None
    chunks: list[TableChunk] = []
    for more in table.children("entries", _ENTRY):
        if more.text("type") != _CHUNK:
            if fields is not None:
                yield _entry(fields, tuple(chunks), limits)
            fields, chunks = more, [_chunk(more)]
        elif fields is None or fields.text("type") != "reg" or more.text("name") != fields.text("name"):
            raise UnreadableLayerError("the table of contents has a part of a file that does not follow the file")
        else:
            chunks.append(_chunk(more))
    if fields is not None:
        yield _entry(fields, tuple(chunks), limits)


def _chunk(fields: Fields) -> TableChunk:
    kind = fields.text("chunkType")
    if kind not in {"", _ZEROS}:
        raise InvalidJsonError(f"{fields.where}.chunkType {kind[:40]!a} is none that is known")
    return TableChunk(
        frame=_number(fields, "offset"),
        inner=_number(fields, "innerOffset"),
        start=_number(fields, "chunkOffset"),
        size=_number(fields, "chunkSize"),
        digest=fields.text("chunkDigest"),
        is_zeros=kind == _ZEROS,
    )


def _entry(fields: Fields, chunks: tuple[TableChunk, ...], limits: InspectionLimits) -> TableEntry:
    raw = fields.required_text("name").encode()
    name = to_text(raw[:256])
    kind = _KINDS.get(fields.text("type"))
    if kind is None:
        raise UnreadableLayerError(f"the table of contents has a type {fields.text('type')[:40]!a}", entry=name)
    mode = _number(fields, "mode")
    if mode > _PERMISSIONS and mode & ~_PERMISSIONS not in TYPES_IN_MODE[kind]:
        raise UnreadableLayerError(f"the table of contents gives a {kind} the mode {mode:o}", entry=name)
    link = fields.text("linkName").encode()
    target = archive_path(link, limits) if kind is EntryKind.HARDLINK else to_text(link)
    return TableEntry(
        entry=FileEntry(
            path=archive_path(raw, limits),
            kind=kind,
            mode=mode & _PERMISSIONS,
            uid=_number(fields, "uid"),
            gid=_number(fields, "gid"),
            size=_number(fields, "size"),
            link=target,
        ),
        unusual=Unusual((_number(fields, "devMajor"), _number(fields, "devMinor")), _attributes(fields)),
        digest=fields.text("digest"),
        chunks=chunks,
        end=_number(fields, "endOffset"),
    )


def _attributes(fields: Fields) -> bytes:
    attributes: dict[bytes, bytes] = {}
    for key, value in fields.text_map("xattrs").items():
        try:
            attributes[key.encode()] = base64.b64decode(value, validate=True)
        except (binascii.Error, ValueError) as error:
            raise InvalidJsonError(f"{fields.where}.xattrs[{key[:80]!a}] is not base64: {error}") from error
    return attributes_digest(attributes)


def _number(fields: Fields, name: str) -> int:
    """A number that is not negative, 0 if absent."""
    number = fields.integer(name) if fields.values.get(name) is not None else 0
    if number < 0:
        raise InvalidJsonError(f"{fields.where}.{name} is negative")
    return number
