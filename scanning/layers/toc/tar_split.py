"""What tar-split keeps of an archive beside its files (vbatts/tar-split, `tar/storage`): podman pushes what it makes.

    {"type": 2, "payload": "..."}                                 bytes of the archive, in base64
    {"type": 1, "name": "usr/bin/sh", "size": 6, "payload": ...}  the content of that file follows

One object a line. Put together, with zeros for contents, it has to be an archive of the same members.
"""

import base64
import binascii
from collections.abc import Iterator

from scanning.errors import InvalidJsonError, LimitExceededError, UnreadableLayerError
from scanning.facts import EntryKind, FileEntry
from scanning.layers.limits import MIB, InspectionLimits
from scanning.layers.paths import archive_path
from scanning.layers.tar import TarReader
from scanning.layers.toc.record import Members
from scanning.layers.tree import LayerTree
from scanning.oci.fields import Fields, Schema
from scanning.oci.strict_json import parse

_WHAT = "tar-split's data"
_LINE = Schema("type", "name", "name_raw", "size", "payload", "position")
_FILE, _BYTES = 1, 2
_ZEROS = bytes(MIB)


def compare(plain: bytes, members: Members, limits: InspectionLimits) -> None:
    """Raises `UnreadableLayerError` where tar-split's data makes another archive than that of `members`."""
    made = Members(LayerTree(limits))
    try:
        _read(plain, made, limits)
    except UnreadableLayerError as error:
        raise UnreadableLayerError(f"{_WHAT} make no archive: {error.reason}", entry=error.entry) from error
    except InvalidJsonError as error:
        raise UnreadableLayerError(str(error)) from error
    for ours, theirs in zip(_told_by(members), _told_by(made), strict=True):
        if ours != theirs:
            different = set(ours) ^ set(theirs)
            entry = next((one[0].path for one in different if isinstance(one[0], FileEntry)), "")
            raise UnreadableLayerError(
                f"{_WHAT} make an archive with other members than the layer has, and podman would push that one",
                entry=entry,
            )


def _told_by(members: Members) -> tuple[tuple[tuple[object, ...], ...], ...]:
    tree = members.tree
    return (
        tuple((entry, members.unusual.get(entry.path)) for entry in tree.entries),
        tuple((path,) for path in tree.whiteouts),
        tuple((path,) for path in tree.opaque),
    )


def _read(plain: bytes, made: Members, limits: InspectionLimits) -> None:
    reader = TarReader(limits)
    waiting: FileEntry | None = None
    left = limits.uncompressed_bytes
    for line in _lines(plain):
        if line.integer("type") == _BYTES:
            for entry in _events(reader, _decoded(line, "payload")):
                if made.tree.add(entry):
                    made.note(entry, reader)
                waiting = entry if entry.kind is EntryKind.FILE and entry.size else None
        elif line.integer("type") != _FILE:
            raise UnreadableLayerError("an entry is of no type that is known")
        elif size := (line.integer("size") if line.values.get("size") is not None else 0):
            name = _decoded(line, "name_raw") or line.text("name").encode()
            if waiting is None or waiting.size != size or archive_path(name, limits) != waiting.path:
                raise UnreadableLayerError(
                    "the content of a file stands where another belongs", entry=line.text("name")
                )
            waiting, left = None, left - size
            if left < 0:  # contents are only told by their size here, and could be of any
                raise LimitExceededError("uncompressed_bytes", limits.uncompressed_bytes)
            for start in range(0, size, len(_ZEROS)):
                for _ in reader.feed(_ZEROS[: size - start]):
                    pass
    reader.finish()


def _events(reader: TarReader, piece: bytes) -> Iterator[FileEntry]:
    """The members that begin in a piece. Raises `UnreadableLayerError` if it holds content."""
    for event in reader.feed(piece):
        if isinstance(event, FileEntry):
            yield event
        elif isinstance(event, memoryview):
            raise UnreadableLayerError("content stands among the headers")


def _lines(plain: bytes) -> Iterator[Fields]:
    for line in plain.splitlines():
        yield Fields.of(parse(line, _WHAT, len(plain)), _WHAT, _LINE)


def _decoded(line: Fields, name: str) -> bytes:
    try:
        return base64.b64decode(line.text(name), validate=True)
    except (binascii.Error, ValueError) as error:
        raise InvalidJsonError(f"{line.where}.{name} is not base64: {error}") from error
