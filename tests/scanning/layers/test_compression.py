"""Every compressed byte is accounted for, in the three forms that runtimes share; the rest is refused."""

import bz2
import gzip
import json
import lzma
import struct
from collections.abc import Callable

import pytest
import zstandard

from scanning.errors import LimitExceededError, NotALayerError, UnreadableLayerError
from scanning.layers.compression import STEP_BYTES, Decompressor
from scanning.layers.inspect import Unpacking, inspect_layer
from scanning.layers.limits import MIB, InspectionLimits
from scanning.oci.digest import Digest
from tests.scanning.layers.archives import (
    END,
    LIMITS,
    Collector,
    archive_in_a_skippable_frame,
    chunked,
    inspect,
    member,
    paths,
)

ARCHIVE = member(b"a", bytes(range(256)) * 40) + member(b"b", b"text" * 100) + END
FIRST, SECOND = ARCHIVE[:5000], ARCHIVE[5000:]


def zstd(content: bytes, level: int = 3, *, checksum: bool = False, size: bool = True) -> bytes:
    return zstandard.ZstdCompressor(level=level, write_checksum=checksum, write_content_size=size).compress(content)


def skippable(content: bytes, number: int = 0) -> bytes:
    return struct.pack("<II", 0x184D2A50 + number, len(content)) + content


def refusal(blob: bytes) -> str:
    """The reason, which must be the same however the blob is cut."""
    reasons = set()
    for size in (1, 7, 512, len(blob)):
        with pytest.raises(UnreadableLayerError) as refused:
            inspect_in_chunks(blob, size)
        reasons.add(str(refused.value))
    assert len(reasons) == 1
    return reasons.pop()


def inspect_in_chunks(blob: bytes, size: int) -> list[str]:
    return paths(inspect_layer(chunked(blob, size), LIMITS, Collector()))


class TestWhatIsRead:
    @pytest.mark.parametrize(
        ("compression", "blob"),
        [
            ("none", ARCHIVE),
            ("gzip", gzip.compress(ARCHIVE)),
            ("gzip", gzip.compress(ARCHIVE, 0)),
            ("zstd", zstd(ARCHIVE)),
            ("zstd", zstd(ARCHIVE, 19, checksum=True)),
            ("zstd", zstd(ARCHIVE, size=False)),
        ],
    )
    def test_digests_sizes_and_content(self, compression: str, blob: bytes) -> None:
        collector = Collector()
        facts = inspect(blob, collector=collector)
        assert facts.compression == compression
        assert (facts.digest, facts.diff_id) == (Digest.of(blob), Digest.of(ARCHIVE))
        assert (facts.size, facts.uncompressed_size) == (len(blob), len(ARCHIVE))
        assert collector.files == {"a": bytes(range(256)) * 40, "b": b"text" * 100}

    def test_t49_every_gzip_member_is_read(self) -> None:
        blob = gzip.compress(FIRST) + gzip.compress(b"") + gzip.compress(SECOND)
        assert inspect(blob).diff_id == Digest.of(ARCHIVE)
        assert inspect_in_chunks(blob, 1) == ["a", "b"]

    def test_t49_every_zstd_frame_is_read(self) -> None:
        blob = zstd(FIRST) + zstd(b"") + zstd(SECOND, checksum=True)
        assert inspect(blob).diff_id == Digest.of(ARCHIVE)
        assert inspect_in_chunks(blob, 1) == ["a", "b"]

    def test_zstd_skippable_frames_anywhere(self) -> None:
        blob = skippable(b"toc") + zstd(FIRST) + skippable(b"", 15) + zstd(SECOND) + skippable(b"x" * 70000, 3)
        assert inspect(blob).diff_id == Digest.of(ARCHIVE)
        assert inspect_in_chunks(blob, 1) == ["a", "b"]

    def test_gzip_headers_with_every_field(self) -> None:
        plain = gzip.compress(ARCHIVE)
        full = b"\x1f\x8b\x08\x1c\x00\x00\x00\x00\x00\x03" + b"\x04\x00extr" + b"name\x00" + b"comment\x00"
        assert inspect(full + plain[10:]).diff_id == Digest.of(ARCHIVE)

    def test_an_empty_archive_compressed(self) -> None:
        assert inspect(gzip.compress(b"")).entries == ()


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        "trailing", [b"\x00", b"\x00" * 600, b"garbage", b"\x1f", b"\x1f\x8b\x00\x00", b"PK\x03\x04"]
    )
    def test_t49_trailing_bytes_after_gzip(self, trailing: bytes) -> None:
        refusal(gzip.compress(ARCHIVE) + trailing)

    @pytest.mark.parametrize("trailing", [b"\x00", b"\x00" * 600, b"garbage", b"\x28\xb5", skippable(b"abc")[:-1]])
    def test_t49_trailing_bytes_after_zstd(self, trailing: bytes) -> None:
        refusal(zstd(ARCHIVE) + trailing)

    @pytest.mark.parametrize("name", [b"", b"\xff\x80"])
    @pytest.mark.parametrize("signed", [False, True])
    def test_t49_an_archive_in_a_zstd_frame_to_skip(self, name: bytes, *, signed: bool) -> None:
        hidden = archive_in_a_skippable_frame(name)
        if signed:
            total = sum(byte if byte < 0x80 else byte - 0x100 for byte in hidden[:148] + b" " * 8 + hidden[156:512])
            hidden = hidden[:148] + b"%06o\x00 " % total + hidden[156:]
        assert "is a tar header too" in refusal(hidden + zstd(ARCHIVE))

    @pytest.mark.parametrize("cut", [1, 4, 8, 9, 300])
    def test_truncated(self, cut: int) -> None:
        assert "cut short" in refusal(gzip.compress(ARCHIVE)[:-cut])
        assert "cut short" in refusal(zstd(ARCHIVE, checksum=True)[:-cut])

    @pytest.mark.parametrize("place", [-1, -5, -8])
    def test_wrong_gzip_checksum_or_length(self, place: int) -> None:
        blob = bytearray(gzip.compress(ARCHIVE))
        blob[place] ^= 1
        assert "damaged" in refusal(bytes(blob))

    def test_wrong_zstd_checksum(self) -> None:
        blob = bytearray(zstd(ARCHIVE, checksum=True))
        blob[-1] ^= 1
        assert "damaged" in refusal(bytes(blob))

    def test_a_zstd_frame_with_a_dictionary(self) -> None:
        dictionary = zstandard.ZstdCompressionDict(b"words in a dictionary" * 100, zstandard.DICT_TYPE_RAWCONTENT)
        frame = bytearray(zstandard.ZstdCompressor(dict_data=dictionary).compress(ARCHIVE))
        frame[4] |= 1
        assert "dictionary" in refusal(bytes(frame))

    def test_reserved_bits(self) -> None:
        blob = bytearray(gzip.compress(ARCHIVE))
        blob[3] = 0x80
        assert "reserved" in refusal(bytes(blob))
        frame = bytearray(zstd(ARCHIVE))
        frame[4] |= 8
        assert "reserved" in refusal(bytes(frame))

    @pytest.mark.parametrize(("name", "blob"), [("xz", lzma.compress(ARCHIVE)), ("bzip2", bz2.compress(ARCHIVE))])
    def test_compressions_that_only_some_runtimes_read(self, name: str, blob: bytes) -> None:
        assert f"compressed with {name}" in refusal(blob)

    @pytest.mark.parametrize("blob", [b"", b"{}", json.dumps({"config": "x" * 2000}).encode(), b"\x00" * 511])
    def test_what_is_no_layer_at_all(self, blob: bytes) -> None:
        with pytest.raises(NotALayerError):
            inspect(blob)

    def test_what_is_no_layer_is_told_by_its_first_block(self) -> None:
        unpacking = Unpacking(LIMITS)
        with pytest.raises(NotALayerError):
            list(unpacking.feed(b'{"architecture":"amd64",'.ljust(512)))


class TestBombs:
    @pytest.mark.parametrize("compress", [gzip.compress, zstd])
    def test_t74_a_ratio_above_the_limit(self, compress: Callable[[bytes], bytes]) -> None:
        limits = InspectionLimits(ratio=50, ratio_grace_bytes=1 * MIB)
        bomb = compress(member(b"zeros", bytes(4 * MIB)) + END)
        with pytest.raises(LimitExceededError) as refused:
            inspect(bomb, limits)
        assert refused.value.limit == "ratio"

    def test_t74_the_ratio_is_not_judged_on_little(self) -> None:
        assert paths(inspect(gzip.compress(member(b"zeros", bytes(4 * MIB)) + END))) == ["zeros"]

    def test_t74_too_much_altogether(self) -> None:
        with pytest.raises(LimitExceededError) as refused:
            inspect(zstd(member(b"zeros", bytes(4 * MIB)) + END), InspectionLimits(uncompressed_bytes=2 * MIB))
        assert refused.value.limit == "uncompressed_bytes"

    def test_t74_no_step_is_large(self) -> None:
        content = bytes(20 * MIB)
        for blob in (gzip.compress(content), zstd(content)):
            sizes = [len(plain) for plain in Decompressor(LIMITS).feed(blob)]
            assert sum(sizes) == len(content)
            assert max(sizes) <= STEP_BYTES

    def test_t74_a_zstd_window_above_the_limit(self) -> None:
        parameters = zstandard.ZstdCompressionParameters(window_log=25)
        blob = zstandard.ZstdCompressor(compression_params=parameters).compressobj().compress(b"x")
        frame = blob or b"\x28\xb5\x2f\xfd\x00" + bytes([(25 - 10) << 3])
        with pytest.raises(LimitExceededError) as refused:
            inspect(frame.ljust(600, b"\x00"), InspectionLimits(window_bytes=16 * MIB))
        assert refused.value.limit == "window_bytes"
