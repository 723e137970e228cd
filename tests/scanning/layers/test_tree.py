"""Combinations of members in one layer that runtimes do not unpack alike (the table of what the gate does)."""

import pytest

from scanning.errors import UnreadableLayerError
from scanning.facts import EntryKind, LayerFacts
from scanning.layers.tree import LayerTree
from tests.scanning.layers.archives import END, LIMITS, NET_RAW, directory, header, inspect, member, paths, pax


def layer(*parts: bytes) -> LayerFacts:
    return inspect(b"".join(parts) + END)


def refusal(*parts: bytes) -> str:
    with pytest.raises(UnreadableLayerError) as refused:
        layer(*parts)
    return str(refused.value)


def symlink(name: bytes, target: bytes) -> bytes:
    return header(name, b"2", link=target)


def hardlink(name: bytes, target: bytes, **fields: bytes) -> bytes:
    return header(name, b"1", link=target, **fields)


class TestDuplicates:
    def test_a_path_twice_is_refused(self) -> None:
        assert "twice" in refusal(member(b"a", b"1"), member(b"a", b"1"))

    def test_a_path_twice_in_two_spellings_is_refused(self) -> None:
        assert "twice" in refusal(member(b"usr/a"), member(b"./usr//a"))

    def test_identical_directories_are_accepted_once(self) -> None:
        assert paths(layer(directory(b"d/"), member(b"d/a"), directory(b"./d"))) == ["d", "d/a"]

    def test_directories_that_differ_are_refused(self) -> None:
        assert "twice" in refusal(directory(b"d/"), directory(b"d/", mode=b"0000777\x00"))

    def test_a_directory_after_its_content_is_accepted(self) -> None:
        facts = layer(member(b"d/a"), directory(b"d/"), member(b"e/.wh.b"), directory(b"e"))
        assert (paths(facts), facts.belated) == (["d/a", "d", "e"], ("d", "e"))

    def test_a_directory_before_its_content_or_repeated_after_it_is_not_belated(self) -> None:
        assert layer(directory(b"d"), member(b"d/a"), directory(b"d"), directory(b"e")).belated == ()

    @pytest.mark.parametrize("second", [member(b"d"), symlink(b"d", b"e"), hardlink(b"d", b"e")])
    def test_a_directory_that_becomes_something_else_is_refused(self, second: bytes) -> None:
        assert "twice" in refusal(directory(b"d/"), second)
        assert "after writing below it" in refusal(member(b"d/a"), second)


class TestWritingThroughLinks:
    @pytest.mark.parametrize("first", [symlink(b"lib", b"usr/lib"), member(b"lib")])
    def test_t55_writing_below_what_is_no_directory_is_refused(self, first: bytes) -> None:
        assert "writes below 'lib'" in refusal(first, member(b"lib/x/libc.so"))
        assert "writes below 'lib'" in refusal(first, member(b"lib/.wh.libc.so"))
        assert "writes below 'lib'" in refusal(first, hardlink(b"a", b"lib/libc.so"))


class TestHardLinks:
    def test_to_a_file_of_the_layer_or_of_one_below(self) -> None:
        facts = layer(member(b"a", b"x"), hardlink(b"b", b"/a"), hardlink(b"c", b"./lower/file"))
        assert [(entry.path, entry.kind, entry.link) for entry in facts.entries[1:]] == [
            ("b", EntryKind.HARDLINK, "a"),
            ("c", EntryKind.HARDLINK, "lower/file"),
        ]

    @pytest.mark.parametrize("second", [member(b"a"), directory(b"a"), member(b"a/b")])
    def test_to_what_only_comes_later_is_refused(self, second: bytes) -> None:
        assert "link" in refusal(hardlink(b"b", b"a"), second)

    def test_to_what_the_layer_hides_is_refused(self) -> None:
        assert "hides" in refusal(member(b".wh.a"), hardlink(b"b", b"a"))
        assert "hides" in refusal(hardlink(b"b", b"a"), member(b".wh.a"))

    @pytest.mark.parametrize("target", [b"b", b"/", b"./b"])
    def test_to_itself_or_the_root_is_refused(self, target: bytes) -> None:
        assert "itself or to the root" in refusal(hardlink(b"b", target))

    def test_to_what_it_replaces_is_refused(self) -> None:
        assert "takes the place of 'b/c/d', its own target" in refusal(hardlink(b"b", b"b/c/d"))

    def test_to_a_directory_is_refused(self) -> None:
        assert "directory" in refusal(directory(b"d/"), hardlink(b"b", b"d"))
        assert "directory" in refusal(member(b"d/a"), hardlink(b"b", b"d"))

    @pytest.mark.parametrize(
        ("fields", "what"),
        [
            ({"mode": b"0004755\x00"}, "has the mode 4755, and a 0644"),
            ({"uid": b"0000000\x00"}, "is owned by 0:1000, and a by 1000:1000"),
            ({"gid": b"0000000\x00"}, "is owned by 1000:0, and a by 1000:1000"),
        ],
    )
    def test_t54_with_another_owner_or_other_permissions_than_its_file(
        self, fields: dict[str, bytes], what: str
    ) -> None:
        assert what in refusal(member(b"a", b"x"), hardlink(b"b", b"a", **fields))
        assert "has the mode" in refusal(
            member(b"a", b"x"), hardlink(b"b", b"a"), hardlink(b"c", b"b", mode=b"0004755\x00")
        )

    def test_t54_with_other_capabilities_than_its_file(self) -> None:
        capable = pax((b"SCHILY.xattr.security.capability", NET_RAW))
        assert "has cap_net_raw+ep, and a no capabilities" in refusal(member(b"a"), capable, hardlink(b"b", b"a"))
        for parts in (
            [capable, member(b"a"), capable, hardlink(b"b", b"a")],
            [capable, member(b"a"), hardlink(b"b", b"a")],
        ):
            assert paths(layer(*parts)) == ["a", "b"]

    def test_to_a_symbolic_link_which_has_no_permissions(self) -> None:
        assert paths(layer(symlink(b"a", b"x"), hardlink(b"b", b"a", mode=b"0000777\x00"))) == ["a", "b"]


class TestWhiteouts:
    def test_hidden_paths_and_opaque_directories(self) -> None:
        facts = layer(
            directory(b"etc/"),
            member(b"etc/.wh.passwd"),
            member(b".wh.tmp"),
            directory(b"opt/"),
            member(b"opt/.wh..wh..opq"),
            member(b"opt/new", b"x"),
        )
        assert facts.whiteouts == ("etc/passwd", "tmp")
        assert facts.opaque == ("opt",)
        assert paths(facts) == ["etc", "opt", "opt/new"]

    def test_an_opaque_marker_after_the_files_it_spares(self) -> None:
        facts = layer(member(b"opt/new", b"x"), member(b"opt/.wh..wh..opq"))
        assert (facts.opaque, paths(facts)) == (("opt",), ["opt/new"])

    def test_t54_an_opaque_marker_after_files_in_folders_without_an_entry(self) -> None:
        marker = member(b"opt/.wh..wh..opq")
        for parts in (
            [member(b"opt/bin/nc", b"x"), marker],
            [directory(b"opt"), member(b"opt/a/b/c", b"x"), marker],
            [directory(b"opt/a/"), member(b"opt/a/.wh.x"), member(b"opt/a/b/c", b"x"), member(b"opt/a/.wh..wh..opq")],
            [member(b"usr/a", b"x"), member(b".wh..wh..opq")],
            [marker, member(b"opt/a/b", b"x"), marker],
        ):
            assert "wrote into a folder there that has no entry" in refusal(*parts)

    def test_an_opaque_marker_after_files_in_folders_that_have_their_entry(self) -> None:
        parts = [directory(b"opt/a"), member(b"opt/a/b", b"x"), member(b"usr/a/b"), member(b"opt/.wh..wh..opq")]
        assert layer(*parts).opaque == ("opt",)
        assert layer(member(b"a/b/.wh..wh..opq"), member(b"a/b/c/d", b"x")).opaque == ("a/b",)

    def test_an_opaque_root(self) -> None:
        assert layer(member(b".wh..wh..opq"), member(b"a")).opaque == ("",)

    def test_a_file_whose_name_only_contains_the_prefix(self) -> None:
        assert paths(layer(member(b"a.wh.b"), member(b"d.wh.e/f"))) == ["a.wh.b", "d.wh.e/f"]

    @pytest.mark.parametrize("file", [member(b"a"), directory(b"a/"), symlink(b"a", b"b"), member(b"a/b/c")])
    def test_hiding_what_the_layer_creates_is_refused_in_either_order(self, file: bytes) -> None:
        assert "hide" in refusal(file, member(b".wh.a"))
        assert "hide" in refusal(member(b".wh.a"), file)

    @pytest.mark.parametrize("name", [b".wh.", b".wh..", b".wh...", b"d/.wh.", b"d/.wh..."])
    def test_whiteouts_that_name_nothing_are_refused(self, name: bytes) -> None:
        assert "names nothing" in refusal(member(name))

    @pytest.mark.parametrize("name", [b".wh..wh.plnk", b".wh..wh.aufs", b".wh..wh.orph", b".wh..wh..opq.x"])
    def test_aufs_bookkeeping_is_refused(self, name: bytes) -> None:
        assert "bookkeeping" in refusal(member(name))

    def test_a_path_through_a_whiteout_is_refused(self) -> None:
        assert "through a whiteout" in refusal(member(b".wh.a/b"))
        assert "through a whiteout" in refusal(member(b"d/.wh..wh.plnk/1.2"))

    @pytest.mark.parametrize(
        "whiteout", [member(b".wh.a", b"data"), directory(b".wh.a/"), symlink(b".wh.a", b"b"), hardlink(b".wh.a", b"b")]
    )
    def test_a_whiteout_that_is_no_empty_file_is_refused(self, whiteout: bytes) -> None:
        assert "empty regular file" in refusal(whiteout)

    def test_hiding_a_path_twice_is_refused(self) -> None:
        assert "twice" in refusal(member(b".wh.a"), member(b".wh.a"))


def test_an_empty_tree() -> None:
    tree = LayerTree(LIMITS)
    assert (tree.entries, tree.whiteouts, tree.opaque) == ((), (), ())
