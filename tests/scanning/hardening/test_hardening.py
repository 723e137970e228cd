"""Hardening checks: what each finds, and what it leaves alone."""

from dataclasses import replace
from pathlib import Path

import pytest

from config.policy import Deny, Require
from config.vocabulary import ToolKind
from scanning.facts import Account, EntryKind, FileEntry, LayerFacts
from scanning.hardening import accounts, configuration, filesystem
from scanning.hardening.catalogue import CHECKS, TOOL_CHECKS, as_markdown
from scanning.layers.filesystem import FileSystem
from scanning.oci.digest import Digest
from scanning.oci.manifest import HistoryEntry, ImageConfig, Platform

DOCUMENT = Path(__file__).parents[3] / "docs" / "checks.md"
HARDENED = ImageConfig(Platform("linux", "amd64"), (), healthcheck=("CMD", "/bin/true"))


def in_config(**changes: object) -> list[tuple[str, str]]:
    """What is found in a configuration that is hardened but for `changes`: check and place."""
    config = replace(HARDENED, **changes)  # type: ignore[arg-type]  # the names are ImageConfig's, one by one
    return [(one.check, one.where) for one in configuration.weaknesses(config)]


def in_files(*entries: FileEntry) -> list[tuple[str, str]]:
    """What is found in the files of one layer: check and place."""
    digest = Digest.of(b"layer")
    layer = LayerFacts(digest, digest, "none", 1, 1, entries)
    tree = FileSystem()
    tree.apply(layer)
    return [(one.check, one.where) for one in filesystem.weaknesses(tree, [layer])]


def file(path: str, mode: int = 0o755, size: int = 1) -> FileEntry:
    return FileEntry(path, EntryKind.FILE, mode, size=size)


def test_a_hardened_image_has_no_weakness() -> None:
    assert in_config() == []
    assert (
        in_files(file("usr/bin/app"), file("usr/bin/passwd", 0o4755), FileEntry("tmp", EntryKind.DIRECTORY, 0o1777))
        == []
    )


def test_h14_a_missing_health_check() -> None:
    assert in_config(healthcheck=()) == [("H14", "the image configuration")]


@pytest.mark.parametrize(
    ("step", "is_found"),
    [
        ("RUN /bin/sh -c apt-get update # buildkit", True),
        ("/bin/sh -c apt-get -q update", True),
        ("/bin/sh -c apk update", True),
        ("/bin/sh -c apt-get update && apt-get install -y curl", False),
        ("/bin/sh -c apk add --no-cache curl", False),
        ("/bin/sh -c dnf makecache", True),
        ("/bin/sh -c dnf -y update", False),
        ("COPY update.sh /", False),
    ],
)
def test_h15_package_lists_updated_in_a_step_of_their_own(step: str, is_found: bool) -> None:
    assert in_config(history=(HistoryEntry(step),)) == ([("H15", "history 1")] if is_found else [])


@pytest.mark.parametrize(
    ("step", "is_found"),
    [
        ("ADD https://example.org/app.tar.gz / # buildkit", True),
        ("/bin/sh -c #(nop) ADD https://example.org/app.tar.gz in / ", True),
        ("ADD --chown=1:1 git://example.org/app.git /src", True),
        ("ADD --checksum=sha256:24454f83 https://example.org/app.tar.gz /", False),
        ("ADD file:5c6d in /", False),
        ("RUN curl https://example.org", False),
    ],
)
def test_h18_files_added_from_an_address(step: str, is_found: bool) -> None:
    assert in_config(history=(HistoryEntry("base"), HistoryEntry(step))) == ([("H18", "history 2")] if is_found else [])


@pytest.mark.parametrize("changes", [{"exposed_ports": ("22/tcp",)}, {"exposed_ports": ("2375",)}])
def test_h25_ports_of_remote_shells(changes: dict[str, object]) -> None:
    assert in_config(**changes) == [("H25", "the image configuration")]
    assert in_config(exposed_ports=("8080/tcp", "2222/tcp")) == []


@pytest.mark.parametrize(
    "volume", ["/", "/proc", "/sys/fs", "/dev/", "/var/run/docker.sock", "/run/crio/crio.sock", "/etc"]
)
def test_h25_volumes_of_the_host(volume: str) -> None:
    assert in_config(volumes=(volume,)) == [("H25", "the image configuration")]
    assert in_config(volumes=("/data", "/process", "/var/run/app")) == []


def test_h16_set_id_programs_that_base_images_do_not_need() -> None:
    entries = (file("usr/bin/ping", 0o4755), file("opt/x", 0o2755), file("usr/bin/su", 0o4755), file("usr/bin/app"))
    assert in_files(*entries) == [("H16", "opt/x"), ("H16", "usr/bin/ping")]


def test_h16_a_later_layer_that_clears_the_bits_is_believed() -> None:
    digest = Digest.of(b"layer")
    lower = LayerFacts(digest, digest, "none", 1, 1, (file("usr/bin/ping", 0o4755),))
    upper = LayerFacts(digest, digest, "none", 1, 1, (file("usr/bin/ping"),))
    tree = FileSystem()
    tree.apply(lower)
    tree.apply(upper)
    assert list(filesystem.weaknesses(tree, [lower, upper])) == []


def test_h17_file_capabilities() -> None:
    ping = file("usr/bin/ping")._replace(capabilities="cap_net_raw+ep")
    link = FileEntry("usr/bin/other", EntryKind.HARDLINK, link="usr/bin/app", capabilities="cap_sys_admin+ep")
    found = in_files(ping, file("usr/bin/app"), link, FileEntry("d", EntryKind.DIRECTORY, capabilities="cap_kill+p"))
    assert sorted(found) == [("H17", "usr/bin/other"), ("H17", "usr/bin/ping")]


def test_h23_a_second_root() -> None:
    among = (Account("root", 0), Account("toor", 0), Account("app", 1000))
    assert [(one.check, one.where) for one in accounts.weaknesses(among, ())] == [("H23", "etc/passwd")]


def test_h23_an_empty_password() -> None:
    found = accounts.weaknesses((), (("etc/shadow", "root"),))
    assert [(one.check, one.where, one.detail) for one in found] == [
        ("H23", "etc/shadow", "the account root has an empty password")
    ]


@pytest.mark.parametrize(
    ("entry", "is_found"),
    [
        (file("usr/local/bin/app", 0o777), True),
        (file("srv/app", 0o777), False),
        (FileEntry("usr/local/bin", EntryKind.DIRECTORY, 0o777), True),
        (FileEntry("usr/local/bin", EntryKind.DIRECTORY, 0o1777), False),
        (FileEntry("dev/sda", EntryKind.BLOCK_DEVICE, 0o600), True),
        (FileEntry("dev/null", EntryKind.CHARACTER_DEVICE, 0o666), False),
        (FileEntry("dev/null", EntryKind.BLOCK_DEVICE, 0o666), True),
    ],
)
def test_h24_programs_anybody_may_replace_and_devices(entry: FileEntry, is_found: bool) -> None:
    assert in_files(entry) == ([("H24", entry.path)] if is_found else [])


@pytest.mark.parametrize(
    ("path", "is_found"),
    [
        ("root/.ssh/authorized_keys", True),
        ("home/app/.ssh/authorized_keys2", True),
        ("srv/git/.ssh/authorized_keys", True),
        ("etc/ld.so.preload", True),
        ("etc/ssh/authorized_keys", True),
        ("etc/dropbear/authorized_keys", True),
        ("usr/share/doc/authorized_keys", False),
    ],
)
def test_h27_files_that_let_somebody_in(path: str, is_found: bool) -> None:
    assert in_files(file(path, 0o600)) == ([("H27", path)] if is_found else [])
    assert in_files(file(path, 0o600, size=0)) == []


def test_t90_links_hide_nothing_that_lets_somebody_in() -> None:
    def link(path: str, target: str) -> FileEntry:
        return FileEntry(path, EntryKind.SYMLINK, 0o777, link=target)

    keys, list_of_libraries = file("opt/k/authorized_keys", 0o600), file("opt/e/ld.so.preload", 0o644)
    assert in_files(keys, list_of_libraries) == []
    assert in_files(keys, link("root/.ssh", "/opt/k")) == [("H27", "root/.ssh/authorized_keys")]
    assert in_files(file("opt/k/a"), link("root/.ssh/authorized_keys", "../../opt/k/a")) == [
        ("H27", "root/.ssh/authorized_keys")
    ]
    assert in_files(list_of_libraries, link("etc", "opt/e")) == [("H27", "etc/ld.so.preload")]
    assert in_files(list_of_libraries, link("etc/ld.so.preload", "/opt/e/ld.so.preload")) == [
        ("H27", "etc/ld.so.preload")
    ]
    assert in_files(link("root/.ssh", "/nowhere"), link("etc/ld.so.preload", "ld.so.preload")) == []


@pytest.mark.parametrize("path", ["opt/passwd", "usr/local/bin/su", "tmp/bin/mount", "home/app/lib/mount"])
def test_t91_the_name_of_a_usual_set_id_program_excuses_none_elsewhere(path: str) -> None:
    assert in_files(file(path, 0o4755)) == [("H16", path)]


@pytest.mark.parametrize(
    ("entry", "is_found"),
    [
        (file("etc/passwd", 0o666), True),
        (file("etc/sudoers.d/app", 0o666), True),
        (file("etc/app.conf", 0o666), False),
        (FileEntry("etc", EntryKind.DIRECTORY, 0o777), True),
        (FileEntry("usr/lib", EntryKind.DIRECTORY, 0o777), True),
        (FileEntry("usr/lib/app", EntryKind.DIRECTORY, 0o777), False),
    ],
)
def test_h24_files_that_decide_who_is_who_and_what_runs(entry: FileEntry, is_found: bool) -> None:
    assert in_files(entry) == ([("H24", entry.path)] if is_found else [])


def test_the_document_shows_the_catalogue() -> None:
    assert DOCUMENT.read_text(encoding="utf-8") == as_markdown()
    assert list(CHECKS) == sorted(CHECKS)


def test_every_check_says_why_what_to_do_and_who_else_asks_for_it() -> None:
    places = {"inspection", *(f"deny.{name}" for name in Deny.model_fields)}
    places |= {f"require.{name}" for name in Require.model_fields}
    for check in CHECKS.values():
        assert all((check.title, check.why, check.fix, check.references)), check.id
        assert all(reference.startswith(("CIS ", "NIST ")) for reference in check.references), check.id
        assert check.rule in places, check.id


def test_every_kind_of_tool_has_its_check() -> None:
    assert set(TOOL_CHECKS) == set(ToolKind)
    assert {CHECKS[check].rule for check in TOOL_CHECKS.values()} == {"deny.tools"}
