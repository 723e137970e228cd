"""Tables of contents (threat 88): what is accepted says what the archive says, by a reading of our own of the table."""

import json
import posixpath
from collections.abc import Callable
from typing import Any

from scanning.facts import LayerFacts
from tests.fuzz import forge
from tests.fuzz.reading import check_image, read_layer
from tests.scanning.layers.archives import NET_RAW
from tests.scanning.layers.lazy import Lazy, Member, Table, digest, estargz, zstd_chunked

_SHELL = b"#!/bin/sh\n" * 20
_MEMBERS = (
    Member("./", kind="dir", mode=0o755),
    Member("etc/empty"),
    Member("etc/.wh.gone"),
    Member("etc/passwd", b"root:x:0:0:::\n"),
    Member("bin/sh", _SHELL, mode=0o755, owner=(1, 2)),
    Member("bin/ping", _SHELL + bytes(200) + _SHELL, mode=0o755, attributes={"security.capability": NET_RAW}),
    Member("bin/ash", kind="hardlink", link="bin/sh", mode=0o755, owner=(1, 2)),
    Member("sbin", kind="symlink", link="bin", mode=0o777),
    Member("dev/null", kind="char", device=(1, 3), mode=0o666),
)
_PART = 200
_END_BYTES = 160
"""What is changed of a layer's end: its footer, and part of the frames before."""

_Build = Callable[[Callable[[Table], None]], Lazy]
_BUILDS: tuple[_Build, ...] = (
    lambda forge: estargz(_MEMBERS, forge),
    lambda forge: estargz(_MEMBERS, forge, part=_PART),
    lambda forge: estargz(_MEMBERS, forge, part=_PART, least_part=300),
    lambda forge: zstd_chunked(_MEMBERS, forge, split=None),
    lambda forge: zstd_chunked(_MEMBERS, forge, part=_PART),
)


def contents(data: bytes) -> None:
    """A layer with a table: the first byte chooses its builder, and whether its table, tar-split's data or its last
    bytes are changed.
    """
    choice, changes = data[:1] or b"\0", data[1:]
    build = _BUILDS[choice[0] % len(_BUILDS)]
    match choice[0] // len(_BUILDS) % 3:
        case 0:
            tables: list[Table] = []

            def change(table: Table) -> None:
                forge.change(table, changes)
                tables.append(table)

            blob = build(change).blob
            facts = read_layer(blob, len(blob))
            if isinstance(facts, LayerFacts):
                _agrees(json.loads(json.dumps(tables[0])))
        case 1:
            blob = zstd_chunked(_MEMBERS, split=lambda lines: forge.change(lines, changes)).blob
            facts = read_layer(blob, len(blob))
        case _:
            true = build(lambda _: None).blob
            blob = true[:-_END_BYTES] + forge.content(true[-_END_BYTES:], changes)
            facts = read_layer(blob, len(blob))
    pieces = read_layer(blob, 1 + len(blob) % 89 + len(blob) // 20)
    assert facts == pieces or (isinstance(facts, str) and isinstance(pieces, str)), (facts, pieces)
    if isinstance(facts, LayerFacts):
        check_image(facts)


def _agrees(table: Any) -> None:
    """Whoever reads the table sees the members of the archive, and nothing else."""
    told = {_path(entry["name"]): entry for entry in table["entries"] if entry["type"] != "chunk"}
    true = {_path(one.name): one for one in _MEMBERS}
    assert told.keys() | {"."} == true.keys() | {"."}
    for path, entry in told.items():
        one = true[path]
        assert entry["type"] == one.kind, path
        if path == "." or posixpath.basename(path).startswith(".wh."):
            continue  # the root, of which nothing is kept, and what hides something and is nothing itself
        assert (entry.get("mode") or 0) & 0o7777 == one.mode, path
        assert (entry.get("uid") or 0, entry.get("gid") or 0) == one.owner, path
        assert (entry.get("size") or 0) == len(one.content), path
        assert (entry.get("devMajor") or 0, entry.get("devMinor") or 0) == one.device or one.kind != "char", path
        if one.link:
            assert _path(entry["linkName"]) == _path(one.link), path
        if one.content:
            assert entry["digest"] == digest(one.content), path
        assert len(entry.get("xattrs") or {}) == len(one.attributes), path


def _path(name: str) -> str:
    return posixpath.normpath(f"/{name}").lstrip("/") or "."
