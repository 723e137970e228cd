"""What holds for every layer, however it was made, cut or damaged."""

import gzip
import tarfile

import zstandard
from hypothesis import given
from hypothesis import strategies as st

from scanning.errors import UnreadableLayerError
from scanning.facts import EntryKind, LayerFacts
from scanning.layers.inspect import inspect_layer
from scanning.layers.paths import to_text
from tests.scanning.layers.archives import LIMITS, Collector, chunked
from tests.scanning.layers.strategies import Member, archives, damaged_archives

_KINDS = {
    tarfile.REGTYPE: EntryKind.FILE,
    tarfile.DIRTYPE: EntryKind.DIRECTORY,
    tarfile.SYMTYPE: EntryKind.SYMLINK,
    tarfile.FIFOTYPE: EntryKind.FIFO,
    tarfile.CHRTYPE: EntryKind.CHARACTER_DEVICE,
}


def outcome(blob: bytes, size: int) -> tuple[LayerFacts, dict[str, bytes]] | str:
    collector = Collector()
    try:
        return inspect_layer(chunked(blob, size), LIMITS, collector), collector.files
    except UnreadableLayerError as refused:
        return str(refused)


@given(archives())
def test_what_python_writes_is_read_as_it_was_meant(written: tuple[bytes, list[Member]]) -> None:
    archive, members = written
    collector = Collector()
    facts = inspect_layer([archive], LIMITS, collector)
    assert [(e.path, e.kind, e.mode, e.uid, e.gid, e.size, e.link) for e in facts.entries] == [
        (info.name, _KINDS[info.type], info.mode, info.uid, info.gid, info.size, info.linkname)
        for info in (member.info for member in members)
    ]
    assert collector.files == {
        member.info.name: member.content for member in members if member.info.type == tarfile.REGTYPE
    }


@given(st.one_of(archives().map(lambda written: written[0]), damaged_archives()), st.integers(1, 2000))
def test_chunking_never_changes_the_outcome(archive: bytes, size: int) -> None:
    for blob in (archive, gzip.compress(archive, 1), zstandard.compress(archive)):
        assert outcome(blob, size) == outcome(blob, len(blob) or 1)


@given(damaged_archives())
def test_compression_never_changes_what_is_read(archive: bytes) -> None:
    plain, packed = outcome(archive, 4096), outcome(gzip.compress(archive, 1), 4096)
    if isinstance(plain, str):
        assert plain == packed or plain.startswith("the blob is no layer")
    else:
        assert not isinstance(packed, str)
        assert (plain[0].entries, plain[1]) == (packed[0].entries, packed[1])


@given(st.binary(max_size=3000), st.sampled_from([b"", b"\x1f\x8b\x08\x00", b"\x28\xb5\x2f\xfd", b"\x50\x2a\x4d\x18"]))
def test_arbitrary_bytes_are_read_or_refused(content: bytes, lead: bytes) -> None:
    outcome(lead + content, 300)


@given(archives(), st.data())
def test_damaged_compression_is_read_or_refused(written: tuple[bytes, list[Member]], data: st.DataObject) -> None:
    for blob in (gzip.compress(written[0]), zstandard.ZstdCompressor(write_checksum=True).compress(written[0])):
        damaged = bytearray(blob)
        damaged[data.draw(st.integers(0, len(blob) - 1))] ^= data.draw(st.integers(1, 255))
        damaged_outcome = outcome(bytes(damaged), 500)
        if not isinstance(damaged_outcome, str):
            assert damaged_outcome[0].entries == inspect_layer([written[0]], LIMITS, Collector()).entries


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_no_two_names_give_one_text(one: bytes, other: bytes) -> None:
    assert (to_text(one) == to_text(other)) == (one == other)


@given(st.text("\\x5cf8a9", max_size=12).map(str.encode), st.lists(st.sampled_from([b"\xff", b"\\xff", b"\\", b"x5c"])))
def test_no_two_names_that_look_escaped_give_one_text(one: bytes, parts: list[bytes]) -> None:
    other = b"".join(parts)
    assert (to_text(one) == to_text(other)) == (one == other)
