"""Whether a table of contents says what its archive says: every path, and of each file where its content lies."""

import hashlib
from collections.abc import Iterable, Mapping
from typing import NoReturn

from scanning.errors import UnreadableLayerError
from scanning.facts import EntryKind, FileEntry
from scanning.layers.tar import TABLE_NAME
from scanning.layers.toc.read import TableChunk, TableEntry
from scanning.layers.toc.record import DEVICES, NOWHERE, Chunk, Content, Members, Unusual

_USUAL = Unusual()
_EMPTY = f"sha256:{hashlib.sha256().hexdigest()}"


def compare(table: Iterable[TableEntry], members: Members, contents: Mapping[str, Content]) -> None:
    """Raises `UnreadableLayerError` with the entry, and the offset of its content in the archive where that differs."""
    archive = {entry.path: entry for entry in members.tree.entries if entry.path != TABLE_NAME}
    whiteouts = members.tree.whiteout_members
    seen: set[str] = set()
    for told in table:
        path = told.entry.path
        if path in seen and told.entry.kind is not EntryKind.DIRECTORY:
            raise UnreadableLayerError("the table of contents lists this path twice", entry=path)
        seen.add(path)
        if not path:
            if told.entry.kind is not EntryKind.DIRECTORY:
                raise UnreadableLayerError("the table of contents makes the root something else than a directory")
        elif path in whiteouts:
            if told.entry.kind is not EntryKind.FILE or told.entry.size:
                _refuse(path, "a file with content", "a whiteout")
        elif path in archive:
            _compare_entry(told, archive[path], members.unusual.get(path, _USUAL), contents.get(path))
        else:
            raise UnreadableLayerError(
                "the table of contents lists a path that the archive does not have: runtimes that pull lazily would"
                " show it",
                entry=path,
            )
    for path in (*archive, *whiteouts):
        if path not in seen:
            raise UnreadableLayerError(
                "the table of contents leaves out a path that the archive has: runtimes that pull lazily would not"
                " show it",
                entry=path,
            )


def shared_frame(path: str) -> UnreadableLayerError:
    """The refusal of a layer with a table and a file that shares its frame with more than can be recorded."""
    return UnreadableLayerError(
        "the layer has a table of contents, and a file that shares its gzip member or zstd frame with megabytes before"
        " it, which cannot be checked while it passes: build it with a smaller least size of chunks, or with none",
        entry=path,
    )


def _compare_entry(told: TableEntry, entry: FileEntry, unusual: Unusual, content: Content | None) -> None:
    path = entry.path
    said: Iterable[tuple[str, object, object]] = (
        ("a {}", told.entry.kind, entry.kind),
        ("the mode {}", f"{told.entry.mode:04o}", f"{entry.mode:04o}"),
        ("the owner {}", f"{told.entry.uid}:{told.entry.gid}", f"{entry.uid}:{entry.gid}"),
        ("{} bytes", told.entry.size, entry.size),
        ("the link target {!r}", told.entry.link, entry.link),
    )
    for what, theirs, ours in said:
        if theirs != ours:
            _refuse(path, what.format(theirs), what.format(ours))
    if entry.kind in DEVICES and told.unusual.device != unusual.device:
        _refuse(path, f"the device {told.unusual.device}", str(unusual.device))
    if told.unusual.attributes != unusual.attributes:
        _refuse(path, "other extended attributes", "its own")
    if entry.kind is EntryKind.FILE:
        _compare_content(told, entry, content)


def _compare_content(told: TableEntry, entry: FileEntry, content: Content | None) -> None:
    path = entry.path
    if not entry.size:
        if told.digest not in {"", _EMPTY}:
            _refuse(path, f"the digest {told.digest[:80]}", "no content")
        return
    if content is None:
        raise shared_frame(path)
    if told.digest != _named(content.sha256):
        _refuse(path, f"the digest {told.digest[:80]!a}", _named(content.sha256), content.offset)
    if told.end and told.end != content.end:
        ends = "within a frame" if content.end == NOWHERE else f"at byte {content.end}"
        _refuse(path, f"that it ends at byte {told.end} of the blob", f"that it ends {ends}", content.offset)
    held = {chunk.start: chunk for chunk in content.chunks}
    if len(told.chunks) == 1:  # in whichever frames it is, it is read from the first to its end
        held = {
            0: content.chunks[0]._replace(
                size=entry.size, sha256=content.sha256, is_zeros=all(one.is_zeros for one in held.values())
            )
        }
    place = 0
    for chunk in told.chunks:
        size = chunk.size or entry.size - chunk.start
        if chunk.start != place or size <= 0:
            _refuse(path, f"a part at byte {chunk.start}", f"one at {place}", content.offset)
        _compare_chunk(path, chunk, size, held.get(chunk.start), content)
        if not chunk.digest and len(told.chunks) > 1:
            _refuse(path, "a part without a digest", "parts with one", content.offset)
        place += size
    if place != entry.size:
        _refuse(path, f"parts of {place} bytes together", f"{entry.size} bytes", content.offset)


def _compare_chunk(path: str, told: TableChunk, size: int, held: Chunk | None, content: Content) -> None:
    offset = content.offset + told.start
    if held is None or (held.size, held.frame, held.inner) != (size, told.frame, told.inner):
        _refuse(
            path,
            f"that {_begin(size, told)}",
            f"that {_begin(held.size, held)}" if held else "that no part of it that can be checked begins there",
            offset,
        )
    if told.digest and told.digest != _named(held.sha256):
        _refuse(path, f"a part with the digest {told.digest[:80]!a}", _named(held.sha256), offset)
    if told.is_zeros and not held.is_zeros:
        _refuse(path, "nothing but zeros", "something else", offset)


def _begin(size: int, where: TableChunk | Chunk) -> str:
    inner = f", {where.inner} bytes into what is packed there" if where.inner else ""
    return f"{size} bytes of it begin at byte {where.frame} of the blob{inner}"


def _named(sha256: bytes) -> str:
    return f"sha256:{sha256.hex()}"


def _refuse(path: str, table: str, archive: str, offset: int | None = None) -> NoReturn:
    raise UnreadableLayerError(
        f"the table of contents says {table} of this path, and the archive {archive}: runtimes that pull lazily go by"
        " the table, others by the archive",
        entry=path,
        offset=offset,
    )
