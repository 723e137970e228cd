"""The programs of an image, as a container would see them."""

from scanning.contents import FileState, programs_of
from scanning.facts import ContentKind, EntryKind, FileEntry, FileFinds, Fingerprint, LayerFacts
from scanning.oci.digest import Digest

PRINT = Fingerprint(ContentKind.PROGRAM, "aa", "bb", "cc")


def layer(*entries: FileEntry, whiteouts: tuple[str, ...] = (), prints: tuple[str, ...] = ()) -> LayerFacts:
    """A layer with these files, those in `prints` with a digest of their content."""
    name = Digest.of(repr((entries, whiteouts)).encode())
    finds = tuple(FileFinds(path, fingerprint=PRINT) for path in prints)
    return LayerFacts(name, name, "none", 1, 1, entries, whiteouts, finds=finds)


def program(path: str, mode: int = 0o755, **more: str) -> FileEntry:
    """An executable."""
    return FileEntry(path, EntryKind.FILE, mode, 0, 0, 5, **more)


def test_programs_libraries_and_files_with_rights_are_listed_and_others_are_not() -> None:
    found = programs_of(
        [
            layer(
                program("usr/bin/app"),
                program("usr/bin/raised", 0o4755),
                program("usr/bin/able", 0o644, capabilities="cap_net_raw+ep"),
                program("usr/lib/lib.so", 0o644),
                program("etc/motd", 0o644),
                FileEntry("usr", EntryKind.DIRECTORY, 0o755),
                prints=("usr/bin/app", "usr/lib/lib.so"),
            )
        ]
    )
    assert found == {
        "usr/bin/able": FileState(0o644, 0, 0, 5, "", "cap_net_raw+ep"),
        "usr/bin/app": FileState(0o755, 0, 0, 5, "aa"),
        "usr/bin/raised": FileState(0o4755, 0, 0, 5),
        "usr/lib/lib.so": FileState(0o644, 0, 0, 5, "aa"),
    }


def test_what_a_later_layer_deletes_or_replaces_is_not_what_was_below() -> None:
    found = programs_of(
        [
            layer(program("a"), program("b"), prints=("a", "b")),
            layer(program("b", 0o700), whiteouts=("a",)),
        ]
    )
    assert found == {"b": FileState(0o700, 0, 0, 5)}


def test_a_hard_link_has_the_content_that_it_leads_to() -> None:
    link = FileEntry("z", EntryKind.HARDLINK, link="a")
    assert programs_of([layer(program("a"), link, prints=("a",))])["z"] == FileState(0o755, 0, 0, 5, "aa")


def test_it_reads_for_people() -> None:
    assert str(FileState(0o4755, 0, 10, 5, "ab" * 32, "cap_x+ep")) == "4755 0:10 5 bytes, sha256:abababababab, cap_x+ep"
