"""Threat 88: the table of contents that lazily pulling runtimes read says what the archive says."""

import base64
import json
import struct
from collections.abc import Callable, Sequence
from typing import Any

import pytest
import zstandard

from scanning.errors import LimitExceededError, UnreadableLayerError
from scanning.facts import LayerFacts
from scanning.layers.inspect import inspect_layer
from scanning.layers.limits import MIB, InspectionLimits
from scanning.oci.digest import Digest
from tests.scanning.layers.archives import LIMITS, NET_RAW, Collector, chunked, member
from tests.scanning.layers.lazy import (
    CHECKSUM,
    POSITION,
    TAR_SPLIT_POSITION,
    TOC_DIGEST,
    Lazy,
    Member,
    Table,
    chunked_footer,
    digest,
    estargz,
    skipped,
    stargz_footer,
    zstd_chunked,
)

SHELL = b"#!/bin/sh\n" * 100
ZEROS = bytes(1000)
MEMBERS = (
    Member("./", kind="dir", mode=0o755),
    Member("etc/", kind="dir", mode=0o755),
    Member("etc/empty"),
    Member("etc/.wh.gone"),
    Member("var/.wh..wh..opq"),
    Member("etc/passwd", b"root:x:0:0:::\n"),
    Member("usr/bin/sh", SHELL, mode=0o755, owner=(1, 2)),
    Member(
        "usr/bin/ping", SHELL + ZEROS + SHELL, mode=0o755, attributes={"security.capability": NET_RAW, "user.a": b"b"}
    ),
    Member("usr/bin/ash", kind="hardlink", link="usr/bin/sh", mode=0o755, owner=(1, 2)),
    Member("bin", kind="symlink", link="usr/bin", mode=0o777),
    Member("dev/null", kind="char", device=(1, 3), mode=0o666),
    Member("dev/pipe", kind="fifo"),
    Member("full", b"x" * 1024),
)
Build = Callable[..., Lazy]
BUILDS = [pytest.param(estargz, id="estargz"), pytest.param(zstd_chunked, id="chunked")]


def inspected(layer: Lazy, size: int = 1 << 20, limits: InspectionLimits = LIMITS) -> LayerFacts:
    return inspect_layer(chunked(layer.blob, size), limits, Collector())


def refusal(layer: Lazy) -> UnreadableLayerError:
    with pytest.raises(UnreadableLayerError) as refused:
        inspected(layer)
    return refused.value


@pytest.mark.parametrize("size", [1, 7, 100, 1 << 20])
@pytest.mark.parametrize("part", [1000, 1 << 22])
@pytest.mark.parametrize("after_end", [False, True])
def test_a_true_table_of_estargz_is_accepted(size: int, part: int, after_end: bool) -> None:
    layer = estargz(MEMBERS, part=part, after_end=after_end)
    facts = inspected(layer, size)
    assert facts.table is not None
    assert str(facts.table.digest) == layer.annotations[TOC_DIGEST]
    assert facts.diff_id == Digest.of(layer.archive)
    assert [entry.path for entry in facts.entries if entry.path.startswith("usr")] == [
        *("usr/bin/sh", "usr/bin/ping", "usr/bin/ash")
    ]


@pytest.mark.parametrize("size", [1, 7, 100, 1 << 20])
@pytest.mark.parametrize("part", [1000, 1 << 22])
@pytest.mark.parametrize("split", [None, lambda _: None])
def test_a_true_table_of_zstd_chunked_is_accepted(
    size: int, part: int, split: Callable[[list[Table]], None] | None
) -> None:
    layer = zstd_chunked(MEMBERS, part=part, split=split)
    facts = inspected(layer, size)
    assert facts.table is not None
    assert str(facts.table.digest) == layer.annotations[TOC_DIGEST]
    assert str(facts.table.packed) == layer.annotations[CHECKSUM]
    assert facts.table.place == layer.annotations[POSITION]
    assert facts.table.tar_split == layer.annotations.get(TAR_SPLIT_POSITION, "")
    assert facts.diff_id == Digest.of(layer.archive)


def test_t88_a_footer_as_podman_wrote_it_before_2023() -> None:
    def old(numbers: Sequence[int]) -> bytes:
        return chunked_footer(numbers, b"GnUlInUx")

    assert inspected(zstd_chunked(MEMBERS, split=None, footer=old)).table is not None
    assert refusal(zstd_chunked(MEMBERS, leave_out("etc/passwd"), split=None, footer=old)).entry == "etc/passwd"


def test_an_archive_without_files_can_have_a_table() -> None:
    for build in (estargz, zstd_chunked):
        assert inspected(build((Member("etc/", kind="dir", mode=0o755),))).table is not None
        assert inspected(build(())).table is not None


def test_what_only_looks_like_a_table_is_none() -> None:
    layer = estargz(MEMBERS)
    without_footer = Lazy(layer.blob[:-51], layer.archive, {})
    facts = inspected(without_footer)
    assert facts.table is None
    assert "stargz.index.json" in {entry.path for entry in facts.entries}


def entry_of(table: Table, name: str) -> Table:
    found: Table = next(one for one in table["entries"] if one["name"] == name)
    return found


def change(name: str, /, **values: Any) -> Callable[[Table], None]:
    return lambda table: entry_of(table, name).update(values)


def leave_out(name: str) -> Callable[[Table], None]:
    def forge(table: Table) -> None:
        table["entries"] = [one for one in table["entries"] if one["name"] != name]

    return forge


def add(**entry: Any) -> Callable[[Table], None]:
    return lambda table: table["entries"].append(entry)


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize(
    ("forge", "entry", "reason"),
    [
        (leave_out("usr/bin/sh"), "usr/bin/sh", "leaves out a path that the archive has"),
        (leave_out("etc/.wh.gone"), "etc/.wh.gone", "leaves out a path that the archive has"),
        (leave_out("var/.wh..wh..opq"), "var/.wh..wh..opq", "leaves out"),
        (add(name="usr/bin/nc", type="reg"), "usr/bin/nc", "lists a path that the archive does not have"),
        (add(name="usr/.wh.bin", type="reg"), "usr/.wh.bin", "lists a path that the archive does not have"),
        (add(name="/usr/bin/sh", type="reg"), "usr/bin/sh", "lists this path twice"),
        (
            change("usr/bin/sh", mode=0o4755),
            "usr/bin/sh",
            "says the mode 4755 of this path, and the archive the mode 0755",
        ),
        (change("usr/bin/sh", mode=0o104755), "usr/bin/sh", "the mode 4755"),
        (change("usr/bin/sh", mode=0o120755), "usr/bin/sh", "gives a file the mode 120755"),
        (change("usr/bin/sh", uid=0), "usr/bin/sh", "the owner 0:2"),
        (change("usr/bin/sh", gid=0), "usr/bin/sh", "the owner 1:0"),
        (change("usr/bin/sh", size=7), "usr/bin/sh", "7 bytes"),
        (change("etc/empty", type="dir"), "etc/empty", "says a directory of this path, and the archive a file"),
        (change("etc/.wh.gone", type="dir"), "etc/.wh.gone", "a file with content"),
        (change("./", type="reg"), "", "makes the root something else"),
        (change("bin", linkName="tmp"), "bin", "the link target 'tmp'"),
        (change("usr/bin/ash", linkName="etc/passwd"), "usr/bin/ash", "the link target 'etc/passwd'"),
        (change("dev/null", devMinor=8), "dev/null", "the device (1, 8)"),
        (change("dev/null", type="block"), "dev/null", "a block-device"),
        (change("usr/bin/ping", xattrs={}), "usr/bin/ping", "other extended attributes"),
        (
            change("usr/bin/sh", xattrs={"security.capability": base64.b64encode(NET_RAW).decode()}),
            *("usr/bin/sh", "other extended attributes"),
        ),
        (change("etc/", xattrs={"trusted.overlay.opaque": "eQ=="}), "etc", "other extended attributes"),
        (change("usr/bin/sh", digest=digest(b"other")), "usr/bin/sh", "the digest 'sha256:"),
        (change("etc/empty", digest=digest(b"other")), "etc/empty", "no content"),
        (change("usr/bin/sh", digest=""), "usr/bin/sh", "the digest"),
        (change("usr/bin/sh", offset=0), "usr/bin/sh", "begin at byte 0 of the blob"),
        (change("usr/bin/sh", chunkDigest=digest(b"other")), "usr/bin/sh", "a part with the digest"),
        (change("usr/bin/sh", chunkSize=10), "usr/bin/sh", "10 bytes"),
        (change("usr/bin/sh", chunkOffset=10), "usr/bin/sh", "a part at byte 10"),
        (change("usr/bin/sh", chunkType="zeros"), "usr/bin/sh", "nothing but zeros"),
        (change("usr/bin/sh", endOffset=10), "usr/bin/sh", "ends at byte 10"),
    ],
)
def test_t88_a_table_that_says_something_else(
    build: Build, forge: Callable[[Table], None], entry: str, reason: str
) -> None:
    refused = refusal(build(MEMBERS, forge))
    assert reason in refused.reason
    assert refused.entry == entry


@pytest.mark.parametrize("build", BUILDS)
def test_t88_the_content_that_differs_is_told_with_its_place_in_the_archive(build: Build) -> None:
    layer = build(MEMBERS, change("usr/bin/sh", digest=digest(b"other")))
    assert refusal(layer).offset == layer.archive.index(SHELL)


@pytest.mark.parametrize("build", BUILDS)
def test_t88_two_files_that_change_places(build: Build) -> None:
    def swap(table: Table) -> None:
        one, other = entry_of(table, "usr/bin/sh"), entry_of(table, "full")
        one["offset"], other["offset"] = other["offset"], one["offset"]

    assert "usr/bin/sh" in str(refusal(build(MEMBERS, swap)))


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"chunkDigest": digest(b"other")}, "a part with the digest"),
        ({"chunkDigest": ""}, "a part without a digest"),
        ({"chunkOffset": 999}, "a part at byte 999"),
        ({"offset": 1}, "begin at byte 1 of the blob"),
        ({"name": "full"}, "does not follow the file"),
        ({"chunkType": "holes"}, "is none that is known"),
    ],
)
def test_t88_a_part_of_a_file_that_is_told_wrongly(build: Build, values: Table, reason: str) -> None:
    def forge(table: Table) -> None:
        parts = [one for one in table["entries"] if one["type"] == "chunk"]
        parts[0].update(values)

    assert reason in refusal(build(MEMBERS, forge, part=1000)).reason


@pytest.mark.parametrize("build", BUILDS)
def test_t88_a_part_that_is_left_out(build: Build) -> None:
    def forge(table: Table) -> None:
        table["entries"] = [one for one in table["entries"] if one["type"] != "chunk"]

    assert "usr/bin/ping" in str(refusal(build(MEMBERS, forge, part=1000)))


@pytest.mark.parametrize("build", BUILDS)
@pytest.mark.parametrize(
    ("forge", "reason"),
    [
        (lambda table: table.update(Entries=[]), "entries"),
        (lambda table: table.update(version=2), "a version that does not exist"),
        (change("usr/bin/sh", Name="usr/bin/nc"), "differ only in case"),
        (change("usr/bin/sh", LINKNAME="tmp"), "spell it linkName"),
        (change("usr/bin/sh", uid="0"), "must be an integer"),
        (change("usr/bin/sh", uid=-1), "is negative"),
        (change("usr/bin/sh", type="sparse"), "a type 'sparse'"),
        (change("usr/bin/sh", name="../usr/bin/sh"), "upwards"),
        (change("usr/bin/ping", xattrs={"user.a": "?"}), "not base64"),
        (lambda table: table["entries"].insert(0, {"name": "a", "type": "chunk"}), "does not follow the file"),
    ],
)
def test_t88_a_table_that_readers_take_differently(build: Build, forge: Callable[[Table], None], reason: str) -> None:
    assert reason in str(refusal(build(MEMBERS, forge)))


@pytest.mark.parametrize("size", [1, 100, 1 << 20])
@pytest.mark.parametrize("part", [1000, 1 << 22])
@pytest.mark.parametrize("least_part", [1, 1500, 1 << 20])
def test_a_true_table_whose_files_share_gzip_members_is_accepted(size: int, part: int, least_part: int) -> None:
    """A least size of chunks, smaller than a chunk or larger than all files."""
    layer = estargz(MEMBERS, part=part, least_part=least_part)
    if part < least_part:
        assert "bytes of it begin at byte" in refusal(layer).reason  # several parts of one file in one member
    else:
        facts = inspected(layer, size)
        assert facts.table is not None
        assert str(facts.table.digest) == layer.annotations[TOC_DIGEST]


def same_place_as(other: str) -> Callable[[Table], None]:
    def forge(table: Table) -> None:
        there = entry_of(table, other)
        entry_of(table, "usr/bin/sh").update(
            {key: there[key] for key in ("offset", "innerOffset", "size", "digest", "chunkDigest")}
        )

    return forge


@pytest.mark.parametrize(
    ("forge", "reason"),
    [
        (change("usr/bin/sh", innerOffset=0), "1000 bytes of it begin at byte 0 of the blob of this path, and the"),
        (change("usr/bin/sh", innerOffset=4095), "begin at byte 0 of the blob, 4095 bytes into what is packed there"),
        (same_place_as("full"), "1024 bytes"),
        (change("usr/bin/sh", digest=digest(b"other")), "the digest"),
        (change("usr/bin/sh", chunkDigest=digest(b"other")), "a part with the digest"),
        (change("usr/bin/sh", offset=1), "begin at byte 1 of the blob"),
        (leave_out("usr/bin/sh"), "leaves out a path"),
    ],
)
def test_t88_where_in_a_gzip_member_a_file_is(forge: Callable[[Table], None], reason: str) -> None:
    refused = refusal(estargz(MEMBERS, forge, least_part=1 << 20))
    assert reason in refused.reason
    assert refused.entry == "usr/bin/sh"


@pytest.mark.parametrize(
    ("build", "reason"), [(estargz, "10 bytes into what is packed there"), (zstd_chunked, "leads into a zstd frame")]
)
def test_t88_a_place_within_a_frame_that_the_file_begins(build: Build, reason: str) -> None:
    assert reason in refusal(build(MEMBERS, change("usr/bin/sh", innerOffset=10))).reason


def test_t88_a_gzip_member_is_shared_by_a_few_megabytes_at_most() -> None:
    """What lies further in it is not recorded, so that ordinary layers need not be either."""
    members = [Member(f"opt/{number}", bytes([number]) * (1 << 20)) for number in range(8)]
    assert inspected(estargz(members, least_part=3 << 20)).table is not None
    refused = refusal(estargz(members, least_part=1 << 30))
    assert refused.entry == "opt/5"
    assert "build it with a smaller least size of chunks" in refused.reason


@pytest.mark.parametrize(
    ("footer", "reason"),
    [
        (lambda place: stargz_footer(place + 1), "is elsewhere"),
        (lambda _: stargz_footer(0), "is elsewhere"),
        (lambda place: stargz_footer(place)[:-8] + bytes(8) + stargz_footer(place)[:0], ""),
        (lambda place: stargz_footer(place).replace(b"\x04\0\0\0\0\0\xff", b"\x04\0\0\0\0\0\x03"), ""),
    ],
)
def test_t88_a_footer_of_estargz_leads_to_the_table(footer: Callable[[int], bytes], reason: str) -> None:
    layer = estargz(MEMBERS, footer=footer)
    if reason:
        assert reason in refusal(layer).reason
    else:
        assert inspected(layer).table is not None


def test_t88_a_footer_that_only_some_readers_know() -> None:
    def legacy(place: int) -> bytes:
        extra = b"%016xSTARGZ" % place
        return (
            b"\x1f\x8b\x08\x04\0\0\0\0\0\xff" + struct.pack("<H", len(extra)) + extra + b"\x01\0\0\xff\xff" + bytes(8)
        )

    def external(_: int) -> bytes:
        extra = b"SG" + struct.pack("<H", 17) + b"STARGZEXTERNALTOC"
        return (
            b"\x1f\x8b\x08\x04\0\0\0\0\0\xff" + struct.pack("<H", len(extra)) + extra + b"\x01\0\0\xff\xff" + bytes(8)
        )

    for footer in (legacy, external):
        assert "not as its format says" in refusal(estargz(MEMBERS, footer=footer)).reason


def test_t88_a_layer_that_ends_as_one_of_another_compression() -> None:
    """Runtimes that pull lazily look for every kind of table in every blob."""
    lazy, chunks = estargz(MEMBERS), zstd_chunked(MEMBERS)
    plain = member(b"a", lazy.blob[-51:])[: -(512 - 51)]
    assert plain.endswith(lazy.blob[-51:])
    packed = zstandard.compress(chunks.archive) + skipped(lazy.blob[-51:])
    for blob in (plain, member(b"a", chunks.blob[-48:])[: -(512 - 48)], packed):
        assert "it is not compressed so" in refusal(Lazy(blob, b"", {})).reason


@pytest.mark.parametrize(
    "change_footer",
    [
        lambda numbers: chunked_footer([numbers[0] - 1, *numbers[1:]]),
        lambda numbers: chunked_footer([numbers[0], numbers[1] - 1, *numbers[2:]]),
        lambda numbers: chunked_footer([*numbers[:2], numbers[2] - 1, *numbers[3:]]),
        lambda numbers: chunked_footer([*numbers[:2], numbers[2] + 1, *numbers[3:]]),
        lambda numbers: chunked_footer([*numbers[:3], 2, *numbers[4:]]),
        lambda numbers: chunked_footer([*numbers[:4], numbers[4] + 1, *numbers[5:]]),
        lambda numbers: chunked_footer([*numbers[:6], numbers[6] + 1]),
        lambda numbers: chunked_footer(numbers[:4]),
        lambda numbers: chunked_footer([*numbers, 0]),
        lambda _: b"GNUlInUx",
    ],
)
def test_t88_a_footer_of_zstd_chunked_leads_to_the_frames_before_it(
    change_footer: Callable[[list[int]], bytes],
) -> None:
    assert (
        "footer" in refusal(zstd_chunked(MEMBERS, footer=change_footer)).reason
        or "not as its format says" in refusal(zstd_chunked(MEMBERS, footer=change_footer)).reason
    )


def test_t88_another_table_between_the_table_and_the_footer_is_not_skipped() -> None:
    layer = zstd_chunked(MEMBERS, split=None)
    forged = zstandard.compress(json.dumps({"version": 1, "entries": []}).encode())
    footer = layer.blob[-48:]
    blob = layer.blob[:-48] + skipped(forged) + footer
    assert "not as its format says" in refusal(Lazy(blob, layer.archive, {})).reason


def lines_of(change_line: Callable[[Table], None], name: str) -> Callable[[list[Table]], None]:
    def split(lines: list[Table]) -> None:
        place = next(number for number, line in enumerate(lines) if line.get("name") == name)
        change_line(lines[place])

    return split


def _replace_header(name: str, other: Member) -> Callable[[list[Table]], None]:
    def split(lines: list[Table]) -> None:
        place = next(number for number, line in enumerate(lines) if line.get("name") == name)
        before = base64.b64decode(lines[place - 1]["payload"])
        lines[place - 1]["payload"] = base64.b64encode(before[:-512] + other.head).decode()

    return split


@pytest.mark.parametrize(
    ("split", "reason"),
    [
        (_replace_header("usr/bin/sh", Member("usr/bin/nc", SHELL, mode=0o755, owner=(1, 2))), "make no archive"),
        (_replace_header("full", Member("full", b"x" * 1024, mode=0o4755)), "other members"),
        (_replace_header("etc/empty", Member("etc/other")), "other members"),
        (_replace_header("etc/.wh.gone", Member("etc/.wh.other")), "other members"),
        (lines_of(lambda line: line.update(name="full"), "usr/bin/sh"), "where another belongs"),
        (lines_of(lambda line: line.update(size=10), "usr/bin/sh"), "where another belongs"),
        (lines_of(lambda line: line.update(type=3), "usr/bin/sh"), "no type that is known"),
        (lines_of(lambda line: line.update(type=2, payload="?"), "usr/bin/sh"), "not base64"),
        (
            lines_of(lambda line: line.update(type=2, payload=base64.b64encode(SHELL).decode()), "usr/bin/sh"),
            "content stands among the headers",
        ),
        (lambda lines: lines.__delitem__(slice(-2, None)), "make no archive"),
        (lambda lines: lines.clear(), "other members"),
    ],
)
def test_t88_tar_split_s_data_make_the_same_archive(split: Callable[[list[Table]], None], reason: str) -> None:
    assert reason in str(refusal(zstd_chunked(MEMBERS, split=split)))


@pytest.mark.parametrize(
    ("split", "named", "reason"),
    [
        (lambda _: None, digest(b"other"), "names other data of tar-split"),
        (None, digest(b"other"), "and the layer has none"),
    ],
)
def test_t88_a_table_names_the_data_of_tar_split_that_are_there(
    split: Callable[[list[Table]], None] | None, named: str, reason: str
) -> None:
    layer = zstd_chunked(MEMBERS, lambda table: table.update(tarSplitDigest=named), split=split)
    assert reason in refusal(layer).reason


@pytest.mark.parametrize("build", BUILDS)
def test_t56_a_table_is_bounded(build: Build) -> None:
    layer = build(MEMBERS)
    with pytest.raises(UnreadableLayerError, match=r"at most 100|file_bytes"):
        inspected(layer, limits=InspectionLimits(file_bytes=100))
    with pytest.raises(LimitExceededError, match="entries"):
        inspected(layer, limits=InspectionLimits(entries=len(MEMBERS) - 1))


def test_t56_contents_that_tar_split_only_tells_are_bounded() -> None:
    large = Member("full", bytes(9 * MIB))

    def split(lines: list[Table]) -> None:
        _replace_header("full", large)(lines)
        lines_of(lambda line: line.update(size=len(large.content)), "full")(lines)

    with pytest.raises(UnreadableLayerError, match=r"make no archive: the inspection limit uncompressed_bytes"):
        inspected(zstd_chunked(MEMBERS, split=split), limits=InspectionLimits(uncompressed_bytes=8 * MIB))
