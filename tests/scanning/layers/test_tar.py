"""What the tar reader reads, and what it refuses because another reader would see something else."""

import pytest

from scanning.errors import LimitExceededError, UnreadableLayerError
from scanning.facts import EntryKind, FileEntry
from scanning.layers.inspect import inspect_layer
from scanning.layers.limits import InspectionLimits
from scanning.layers.tar import TarReader
from scanning.oci.digest import Digest
from tests.scanning.layers.archives import (
    END,
    GNU,
    LIMITS,
    NET_RAW,
    V7,
    Collector,
    chunked,
    directory,
    header,
    inspect,
    long_name,
    member,
    paths,
    pax,
    record,
)


def refusal(*parts: bytes) -> str:
    with pytest.raises(UnreadableLayerError) as refused:
        inspect(b"".join(parts))
    return str(refused.value)


def only_entry(*parts: bytes) -> FileEntry:
    (entry,) = inspect(b"".join(parts)).entries
    return entry


class TestWhatIsRead:
    def test_every_kind_of_member(self) -> None:
        collector = Collector()
        facts = inspect(
            directory(b"etc/")
            + member(b"etc/hosts", b"127.0.0.1")
            + header(b"etc/link", b"2", link=b"../x")
            + header(b"etc/hard", b"1", link=b"etc/hosts")
            + header(b"dev/tty", b"3", major=b"0000005\x00")
            + header(b"dev/sda", b"4", major=b"0000010\x00")
            + header(b"run/pipe", b"6")
            + END,
            collector=collector,
        )
        assert [(entry.path, entry.kind, entry.link) for entry in facts.entries] == [
            ("etc", EntryKind.DIRECTORY, ""),
            ("etc/hosts", EntryKind.FILE, ""),
            ("etc/link", EntryKind.SYMLINK, "../x"),
            ("etc/hard", EntryKind.HARDLINK, "etc/hosts"),
            ("dev/tty", EntryKind.CHARACTER_DEVICE, ""),
            ("dev/sda", EntryKind.BLOCK_DEVICE, ""),
            ("run/pipe", EntryKind.FIFO, ""),
        ]
        assert collector.files == {"etc/hosts": b"127.0.0.1"}
        assert [link.path for link in collector.links] == ["etc/link", "etc/hard"]

    def test_permissions_set_id_bits_owner_and_size(self) -> None:
        entry = only_entry(member(b"su", b"elf", mode=b"0104755\x00", uid=b"0000012\x00", gid=b"    17 \x00"), END)
        assert entry == FileEntry("su", EntryKind.FILE, 0o4755, 10, 15, 3)

    @pytest.mark.parametrize(
        ("name", "path"),
        [(b"./a", "a"), (b"/a", "a"), (b"a//b", "a/b"), (b"a/./b", "a/b"), (b".//a/.b", "a/.b"), (b"...", "...")],
    )
    def test_names_are_normalised_as_runtimes_do(self, name: bytes, path: str) -> None:
        assert only_entry(member(name), END).path == path

    @pytest.mark.parametrize("name", [b"a", b"a/", b"a//", b"a///", b"a/.", b"a/./", b"/.//a//.//"])
    def test_t54_names_of_directories_are_normalised_to_their_end(self, name: bytes) -> None:
        assert only_entry(directory(name), END).path == "a"

    def test_the_root_directory_is_no_entry(self) -> None:
        assert paths(inspect(directory(b"./") + directory(b"/") + member(b"./a") + END)) == ["a"]

    def test_names_that_are_not_utf8_stay_apart_from_names_that_look_like_them(self) -> None:
        facts = inspect(member(b"a\xff") + member(b"a\\xff") + member(b"a\\x5cxff") + member(b"dev-\\x2d.slice") + END)
        assert paths(facts) == ["a\\xff", "a\\x5cxff", "a\\x5cx5cxff", "dev-\\x2d.slice"]

    def test_ustar_prefix(self) -> None:
        assert only_entry(member(b"name", prefix=b"some/long"), END).path == "some/long/name"

    def test_what_is_remembered_of_a_header_is_of_no_other(self) -> None:
        tty, disk = {"major": b"0000005\x00"}, {"major": b"0000010\x00"}
        archive = (
            *(member(b"a", prefix=b"x"), member(b"b"), member(b"c", prefix=b"y"), member(b"d", magic=GNU)),
            *(header(b"e", b"3", **tty), header(b"f", b"3", **disk), member(b"g", prefix=b"x"), member(b"h", magic=V7)),
        )
        reader = TarReader(LIMITS)
        read = [(event.path, reader.device) for event in reader.feed(b"".join(archive)) if isinstance(event, FileEntry)]
        nothing = (0, 0)
        assert read == [
            *(("x/a", nothing), ("b", nothing), ("y/c", nothing), ("d", nothing)),
            *(("e", (5, 0)), ("f", (8, 0)), ("x/g", nothing), ("h", nothing)),
        ]

    def test_gnu_long_names_and_links(self) -> None:
        name, link = b"d/" * 100 + b"name", b"e/" * 100 + b"target"
        entry = only_entry(long_name(link, b"K"), long_name(name), header(b"cut", b"2", link=b"cut", magic=GNU), END)
        assert (entry.path, entry.link) == (name.decode(), link.decode())

    def test_pax_overrides_the_header(self) -> None:
        extended = pax(
            (b"path", b"p\xc3\xa4th"), (b"uid", b"3000000"), (b"gid", b"4"), (b"mtime", b"-1.5"), (b"uname", b"")
        )
        entry = only_entry(extended, member(b"cut", b"data"), END)
        assert (entry.path, entry.uid, entry.gid, entry.size) == ("päth", 3_000_000, 4, 4)

    def test_pax_linkpath(self) -> None:
        assert only_entry(pax((b"linkpath", b"else")), header(b"a", b"2", link=b"cut"), END).link == "else"

    def test_binary_attributes_in_pax_are_no_harm(self) -> None:
        assert only_entry(pax((b"SCHILY.xattr.user.note", b"\x01\x00\x00=\n")), member(b"ping"), END).path == "ping"

    def test_gnu_base_256_numbers(self) -> None:
        entry = only_entry(header(b"f", size=b"\x80" + bytes(10) + b"\x03", magic=GNU), b"abc".ljust(512, b"\x00"), END)
        assert entry.size == 3

    def test_v7_archives_and_their_directories(self) -> None:
        facts = inspect(header(b"d/", b"\x00", magic=V7) + member(b"d/f", b"x", kind=b"\x00", magic=V7) + END)
        assert [(entry.path, entry.kind) for entry in facts.entries] == [
            ("d", EntryKind.DIRECTORY),
            ("d/f", EntryKind.FILE),
        ]

    @pytest.mark.parametrize("end", [b"", bytes(512), bytes(1024), bytes(10240), bytes(1024 + 7)])
    def test_ends_that_go_accepts(self, end: bytes) -> None:
        assert paths(inspect(member(b"a", b"x") + end)) == ["a"]

    def test_an_archive_of_nothing(self) -> None:
        assert inspect(END).entries == ()

    def test_a_global_header_that_is_only_a_comment(self) -> None:
        comment = pax((b"comment", b"0624e77"), kind=b"g")
        assert paths(inspect(comment + member(b"a") + END)) == ["a"]

    def test_a_time_that_is_negative(self) -> None:
        assert only_entry(member(b"a", mtime=b"\xff" * 12, magic=GNU), END).path == "a"


class TestNumbers:
    def test_t48_leading_nul_in_size_field_is_refused(self) -> None:
        assert "size field" in refusal(header(b"evil", size=b"\x0000000000003"), b"ssh".ljust(512, b"\x00"), END)

    @pytest.mark.parametrize(
        "size",
        [
            b"-0000000001\x00",
            b"+0000000001\x00",
            b"0x000000001\x00",
            b"0000_000001\x00",
            b"00000000009\x00",
            b"00000 00001\x00",
            b"0000000\x00001\x00",
            b"\xff" * 12,
            b"\x80\xff" + bytes(10),
            b"\x81" + bytes(11),
            b"\xc0" + bytes(11),
        ],
    )
    def test_t48_sizes_that_readers_take_differently(self, size: bytes) -> None:
        assert "size field" in refusal(header(b"a", size=size), END)

    @pytest.mark.parametrize("field", ["mode", "uid", "gid", "mtime", "major", "minor"])
    def test_t50_other_bad_numbers(self, field: str) -> None:
        assert "field" in refusal(header(b"a", **{field: b"00x"}), END)

    @pytest.mark.parametrize("kind", [b"0", b"\x00", b"1", b"2", b"3", b"4", b"5", b"6"])
    @pytest.mark.parametrize("mode", [0o010000, 0o020000, 0o040000, 0o060000, 0o100000, 0o120000, 0o140000, 0o200000])
    def test_t54_a_mode_that_names_another_type(self, kind: bytes, mode: int) -> None:
        own = {b"3": 0o020000, b"4": 0o060000, b"5": 0o040000, b"6": 0o010000}.get(kind, 0o100000)
        harmless = {b"1": {0o010000, 0o020000, 0o060000, 0o120000}, b"2": {0o120000}}.get(kind, set()) | {own}
        parts = (
            member(b"a"),
            header(b"b", kind, link=b"a", mode=b"%07o\x00" % (mode | 0o644), major=b"0000005\x00"),
            END,
        )
        if mode in harmless:
            assert inspect(b"".join(parts)).entries[-1].mode == 0o644
        else:
            assert f"the mode {mode | 0o644:o} is not that of" in refusal(*parts)

    @pytest.mark.parametrize("kind", [b"2", b"3", b"5", b"6"])
    def test_t54_capabilities_of_what_is_no_file(self, kind: bytes) -> None:
        capable = pax((b"SCHILY.xattr.security.capability", NET_RAW))
        assert "claims file capabilities" in refusal(capable, header(b"a", kind, link=b"b", major=b"0000005\x00"), END)

    @pytest.mark.parametrize("field", ["uid", "gid"])
    def test_t54_owners_above_32_bits(self, field: str) -> None:
        largest, above = (b"\x80" + number.to_bytes(7, "big") for number in (2**32 - 2, 2**32 - 1))
        assert getattr(only_entry(member(b"a", magic=GNU, **{field: largest}), END), field) == 2**32 - 2
        assert "more than 32 bits" in refusal(member(b"a", magic=GNU, **{field: above}), END)
        assert "more than 32 bits" in refusal(pax((field.encode(), b"4294967295")), member(b"a"), END)

    def test_a_negative_owner(self) -> None:
        assert "user id field is negative" in refusal(member(b"a", uid=b"\xff" * 8, magic=GNU), END)

    def test_junk_where_gnu_keeps_times(self) -> None:
        assert "access time" in refusal(member(b"a", magic=GNU, prefix=b"some/prefix"), END)


class TestDamage:
    def test_t50_a_corrupt_header_in_mid_archive(self) -> None:
        bad = header(b"b", checksum=b"000001\x00 ")
        assert refusal(member(b"a"), bad, member(b"c"), END).endswith("at byte 512")

    def test_t50_a_checksum_that_is_no_number(self) -> None:
        assert "checksum" in refusal(member(b"a"), header(b"b", checksum=b"00000x\x00 "), END)

    def test_t50_a_checksum_off_by_the_modulus_of_the_fast_sum(self) -> None:
        block = header(b"\xff" * 100, link=b"\xff" * 100, prefix=b"\xff" * 155)
        total = int(block[148:154], 8)
        assert total > 65521
        forged = block[:148] + b"%06o\x00 " % (total - 65521) + block[156:]
        assert "checksum" in refusal(member(b"a"), forged, END)

    def test_t50_a_lone_zero_block_inside_the_archive(self) -> None:
        assert "lone block of zeros" in refusal(member(b"a"), bytes(512), member(b"b"), END)

    def test_t50_data_after_the_end_of_the_archive(self) -> None:
        assert "after the end" in refusal(member(b"a"), END, member(b"hidden"), END)
        assert "after the end" in refusal(member(b"a"), END, bytes(9000), b"\x01")

    @pytest.mark.parametrize("cut", [512, 1021, 1025, 1535])
    def test_t50_a_truncated_archive(self, cut: int) -> None:
        assert "cut short" in refusal((member(b"a", b"x" * 510) + member(b"b"))[:cut])

    @pytest.mark.parametrize("size", [1, 100, 512, 700, 1 << 20])
    def test_the_table_that_buildkit_puts_after_the_end_is_passed_over(self, size: int) -> None:
        table = member(b"stargz.index.json", b"{}" * 400)
        blob = member(b"a", b"b") + END + bytes(1024) + table + END
        collector = Collector()
        facts = inspect_layer(chunked(blob, size), LIMITS, collector)
        assert [entry.path for entry in facts.entries] == ["a"]
        assert collector.files == {"a": b"b"}
        assert facts.diff_id == Digest.of(blob)

    @pytest.mark.parametrize(
        "after",
        [
            member(b"stargz.index.json", b"{}") * 2,
            member(b"stargz.index.json", b"{}") + END + member(b"hidden"),
            member(b"stargz.index.json", b"{}") + END + member(b"stargz.index.json", b"{}"),
            member(b"bin/stargz.index.json", b"{}"),
            member(b"stargz.index.json", kind=b"5"),
            pax((b"path", b"hidden")) + member(b"stargz.index.json", b"{}"),
            bytes(100) + member(b"stargz.index.json", b"{}"),
        ],
    )
    def test_t50_nothing_else_may_follow_the_end(self, after: bytes) -> None:
        assert "after the end" in refusal(member(b"a"), END, after, END)

    @pytest.mark.parametrize("cut", [1022, 1023, 1024])
    def test_what_fills_the_last_block_may_be_missing(self, cut: int) -> None:
        collector = Collector()
        inspect(member(b"a", b"x" * 510)[:cut], collector=collector)
        assert collector.files == {"a": b"x" * 510}


class TestDifferentials:
    """Threat 54: records with which two readers of one archive see two contents."""

    @pytest.mark.parametrize("key", [b"path", b"size", b"linkpath", b"uid", b"GNU.sparse.name"])
    def test_t54_a_global_header_that_changes_members(self, key: bytes) -> None:
        assert "header" in refusal(pax((key, b"1"), kind=b"g"), member(b"a"), END)

    def test_t54_two_extended_headers_in_a_row(self) -> None:
        assert "follow each other" in refusal(pax((b"path", b"a")), pax((b"path", b"b")), member(b"c"), END)

    @pytest.mark.parametrize("kind", [b"L", b"K"])
    def test_t54_two_long_names_in_a_row(self, kind: bytes) -> None:
        assert "follow each other" in refusal(long_name(b"a", kind), long_name(b"b", kind), member(b"c"), END)

    def test_t54_extended_path_and_long_name(self) -> None:
        assert "differently" in refusal(long_name(b"a"), pax((b"path", b"b")), member(b"c"), END)
        assert "follow each other" in refusal(pax((b"path", b"b")), long_name(b"a"), member(b"c"), END)

    def test_t54_a_global_header_between_an_extended_header_and_its_member(self) -> None:
        assert "follow each other" in refusal(
            pax((b"path", b"b")), pax((b"comment", b"c"), kind=b"g"), member(b"c"), END
        )

    @pytest.mark.parametrize("key", [b"path", b"linkpath", b"size", b"uid", b"gid"])
    def test_t54_empty_records(self, key: bytes) -> None:
        assert "empty" in refusal(pax((key, b"")), member(b"a"), END)

    def test_t54_a_record_said_twice(self) -> None:
        assert "twice" in refusal(pax((b"path", b"a"), (b"path", b"b")), member(b"c"), END)

    @pytest.mark.parametrize("key", [b"path", b"linkpath", b"uname"])
    def test_t54_nul_in_a_record(self, key: bytes) -> None:
        assert "NUL" in refusal(pax((key, b"a\x00b")), member(b"c"), END)

    @pytest.mark.parametrize("value", [b"-1", b"+1", b" 1", b"1 ", b"0x1", b"1_0", b"9" * 19, "\u0661".encode()])
    def test_t54_numbers_in_records(self, value: bytes) -> None:
        assert "no number" in refusal(pax((b"size", value)), member(b"c"), END)

    @pytest.mark.parametrize("value", [b"now", b"1.-5", b"1e9"])
    def test_t54_times_in_records(self, value: bytes) -> None:
        assert "no time" in refusal(pax((b"mtime", value)), member(b"c"), END)

    def test_t54_a_size_that_contradicts_the_header(self) -> None:
        assert "differ about the size" in refusal(pax((b"size", b"512")), member(b"c"), member(b"hidden"), END)

    @pytest.mark.parametrize(
        "content",
        [b"13 path=abc\n", b"11 path=abc\n", b"path=abc\n", b"12 path abc\n", b"10 =abcde\n", b"11 path=abc", b"4 a\n"],
    )
    def test_t54_records_of_the_wrong_form(self, content: bytes) -> None:
        assert "record" in refusal(member(b"x", content, kind=b"x"), member(b"c"), END)

    @pytest.mark.parametrize(
        "key",
        [b"GNU.sparse.name", b"GNU.sparse.major", b"GNU.sparse.map", b"GNU.sparse.offset", b"SCHILY.realsize"],
    )
    def test_t54_sparse_files_in_records(self, key: bytes) -> None:
        assert "does not accept" in refusal(pax((key, b"1")), member(b"c"), END)

    @pytest.mark.parametrize(
        "attribute",
        [
            *(b"trusted.overlay.opaque", b"trusted.overlay.redirect", b"user.overlay.opaque"),
            *(
                b"user.fuseoverlayfs.opaque",
                b"user.fuseoverlayfs.override_stat",
                b"security.fuseoverlayfs.override_stat",
            ),
            *(b"user.containers.override_stat", b"user.rootlesscontainers"),
        ],
    )
    def test_t54_instructions_to_runtimes_as_attributes(self, attribute: bytes) -> None:
        assert "does not accept" in refusal(pax((b"SCHILY.xattr." + attribute, b"y")), directory(b"d"), END)

    @pytest.mark.parametrize(
        ("kind", "what"), [(b"S", "sparse"), (b"7", "contiguous"), (b"D", "dump"), (b"Z", "unknown")]
    )
    def test_t54_member_types_that_runtimes_do_not_share(self, kind: bytes, what: str) -> None:
        assert what in refusal(member(b"a", kind=kind, magic=GNU), END)

    def test_t54_junk_prefix_under_v7_magic(self) -> None:
        assert "no known magic" in refusal(member(b"a", magic=V7, prefix=b"usr/bin"), END)

    def test_t54_star_archives(self) -> None:
        assert "star" in refusal(member(b"a", tail=b"tar\x00"), END)

    def test_t54_embedded_nul_in_names(self) -> None:
        assert "goes on after its end" in refusal(member(b"a\x00b"), END)
        assert "goes on after its end" in refusal(long_name(b"a\x00b"), member(b"c", magic=GNU), END)

    def test_t54_an_extended_header_without_a_member(self) -> None:
        assert "belongs to no member" in refusal(pax((b"path", b"a")), END)
        assert "belongs to no member" in refusal(long_name(b"a"))

    @pytest.mark.parametrize("kind", [b"1", b"2", b"3", b"5", b"6"])
    def test_t54_a_size_on_a_member_without_data(self, kind: bytes) -> None:
        assert "claims 512 bytes" in refusal(header(b"a", kind, size=512, link=b"b"), bytes(512), END)

    @pytest.mark.parametrize("kind", [b"0", b"1", b"2"])
    def test_t54_a_trailing_slash_on_no_directory(self, kind: bytes) -> None:
        assert "ends in `/`" in refusal(header(b"a/", kind, link=b"b"), END)

    def test_t54_device_zero_zero_is_an_overlay_whiteout(self) -> None:
        assert "whiteout" in refusal(header(b"etc/shadow", b"3", major=b"0000000\x00"), END)


class TestNames:
    @pytest.mark.parametrize("name", [b"../a", b"a/../b", b"a/..", b"..", b"/../etc/passwd", b"./..", b"/a//.."])
    def test_t55_names_that_lead_upwards(self, name: bytes) -> None:
        assert "upwards" in refusal(header(name), END)
        assert "upwards" in refusal(header(b"a", b"1", link=name), END)

    def test_a_member_without_a_name(self) -> None:
        assert "no name" in refusal(header(b"", b"5"), END)

    def test_a_symbolic_link_without_a_target(self) -> None:
        assert "no target" in refusal(header(b"a", b"2"), END)

    def test_the_root_as_a_file(self) -> None:
        assert "root is replaced" in refusal(header(b"."), END)

    def test_a_global_header_named_like_a_whiteout(self) -> None:
        comment = record(b"comment", b"x")
        assert "whiteout" in refusal(member(b".wh.etc", comment, kind=b"g"), END)


class TestLimits:
    @pytest.mark.parametrize(
        ("limits", "archive"),
        [
            (InspectionLimits(entries=2), member(b"a") + member(b"b") + member(b"c")),
            (InspectionLimits(entries=2), pax((b"comment", b"c"), kind=b"g") * 3),
            (InspectionLimits(path_length=10), member(b"a" * 11)),
            (InspectionLimits(path_length=10), header(b"a", b"2", link=b"b" * 11)),
            (InspectionLimits(path_depth=3), member(b"a/b/c/d")),
            (InspectionLimits(path_bytes=20), member(b"a" * 11) + member(b"b" * 11)),
            (InspectionLimits(path_bytes=20), member(b"a/" * 10 + b"b")),
            (InspectionLimits(pax_bytes=100), pax((b"comment", b"c" * 100)) + member(b"a")),
            (InspectionLimits(pax_bytes=100), long_name(b"c" * 101) + member(b"a")),
            (InspectionLimits(uncompressed_bytes=1000), member(b"a", b"x" * 2000)),
        ],
    )
    def test_t56_each_limit_is_named_when_it_is_passed(self, limits: InspectionLimits, archive: bytes) -> None:
        (changed,) = [
            name
            for name in InspectionLimits.__dataclass_fields__
            if getattr(limits, name) != getattr(InspectionLimits(), name)
        ]
        with pytest.raises(LimitExceededError, match=changed) as refused:
            inspect(archive + END, limits)
        assert refused.value.limit == changed
