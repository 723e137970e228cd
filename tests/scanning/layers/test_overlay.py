"""Layers become an image: what survives, what is ambiguous, what must agree."""

import gzip
from collections.abc import Mapping
from dataclasses import dataclass, replace

import pytest

from config.vocabulary import ToolKind
from scanning.facts import (
    ContentsTable,
    EntryKind,
    Evidence,
    FileEntry,
    FileFinds,
    ImageFacts,
    LayerFacts,
    Secret,
    Tool,
)
from scanning.files import examine
from scanning.layers.filesystem import MAX_STEPS
from scanning.layers.overlay import MAX_PROBLEMS, assemble
from scanning.oci.digest import Digest
from scanning.oci.manifest import Descriptor, HistoryEntry, ImageConfig, Manifest, ManifestKind, Platform
from scanning.oci.media_types import OCI_CONFIG, OCI_MANIFEST
from tests.images import OS_RELEASE_12, PASSWD, debian, dpkg_status
from tests.images import File as ImageFile
from tests.scanning.files.files import ELF, examined
from tests.scanning.files.keys import KEYS
from tests.scanning.layers.archives import END, directory, inspect, member
from tests.scanning.layers.lazy import CHECKSUM, POSITION, TAR_SPLIT_POSITION, TOC_DIGEST

STATUS = "var/lib/dpkg/status"
LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
KEY = KEYS["EC SEC1"].encode()
SSH = ELF + b"usage: ssh [-46AaCfGg]"


@dataclass(frozen=True)
class Program:
    """An executable file."""

    content: bytes = ELF


@dataclass(frozen=True)
class Link:
    """A symbolic link."""

    target: str


@dataclass(frozen=True)
class HardLink:
    """A hard link. It has the mode of its file, `mode` if that is in another layer."""

    target: str
    mode: int = 0o755


@dataclass(frozen=True)
class Directory:
    """A directory with an entry of its own."""


@dataclass(frozen=True)
class Device:
    """A character device."""


Content = bytes | ImageFile | Program | Link | HardLink | Directory | Device


def layer(
    files: Mapping[str, Content] | None = None,
    *,
    whiteouts: tuple[str, ...] = (),
    opaque: tuple[str, ...] = (),
    belated: tuple[str, ...] = (),
    name: str = "",
) -> LayerFacts:
    """The facts of a layer with these files, examined as any layer is."""
    entries: list[FileEntry] = []
    finds: list[FileFinds | None] = []
    for path, content in (files or {}).items():
        match content:
            case Link(target):
                entry = FileEntry(path, EntryKind.SYMLINK, 0o777, link=target)
                finds.append(examine.examine_link(entry))
            case HardLink(target, mode):
                entry = FileEntry(
                    path,
                    EntryKind.HARDLINK,
                    next((one.mode for one in entries if one.path == target), mode),
                    link=target,
                )
                finds.append(examine.examine_link(entry))
            case Directory():
                entry = FileEntry(path, EntryKind.DIRECTORY, 0o755)
            case Device():
                entry = FileEntry(path, EntryKind.CHARACTER_DEVICE, 0o600)
            case Program(data):
                entry = FileEntry(path, EntryKind.FILE, 0o755, size=len(data))
                finds.append(examined(path, data, 0o755))
            case ImageFile(data, mode):
                entry = FileEntry(path, EntryKind.FILE, mode, size=len(data))
                finds.append(examined(path, data, mode))
            case data:
                entry = FileEntry(path, EntryKind.FILE, 0o644, size=len(data))
                finds.append(examined(path, data))
        entries.append(entry)
    identity = f"{name}{sorted(files or {})}{whiteouts}{opaque}".encode()
    return LayerFacts(
        digest=Digest.of(b"blob" + identity),
        diff_id=Digest.of(b"tar" + identity),
        compression="gzip",
        size=1000,
        uncompressed_size=10_000,
        entries=tuple(entries),
        whiteouts=whiteouts,
        opaque=opaque,
        belated=belated,
        finds=tuple(found for found in finds if found),
    )


def manifest_of(*layers: LayerFacts, media_type: str = LAYER) -> Manifest:
    return Manifest(
        digest=Digest.of(b"manifest"),
        media_type=OCI_MANIFEST,
        size=100,
        kind=ManifestKind.IMAGE,
        config=Descriptor(OCI_CONFIG, Digest.of(b"config"), 10),
        layers=tuple(Descriptor(media_type, one.digest, one.size) for one in layers),
    )


def config_of(*layers: LayerFacts, user: str = "app") -> ImageConfig:
    return ImageConfig(Platform("linux", "amd64"), tuple(one.diff_id for one in layers), user=user)


def image(*layers: LayerFacts, user: str = "app") -> ImageFacts:
    return assemble(manifest_of(*layers), config_of(*layers, user=user), layers)


def purls(facts: ImageFacts) -> set[str]:
    return {package.purl for package in facts.packages}


def found(facts: ImageFacts, *kinds: ToolKind) -> list[tuple[str, str, Evidence, str]]:
    return [(tool.name, tool.path, tool.evidence, tool.package) for tool in facts.tools if tool.kind in kinds]


class TestWhatSurvives:
    def test_an_image_of_no_layers(self) -> None:
        facts = image(user="")
        assert (facts.files, facts.size, facts.packages, facts.problems, facts.runs_as_root) == (0, 0, (), (), True)

    def test_what_it_says_of_a_small_debian(self) -> None:
        base = layer({**debian(("openssl", "3.0.20-1~deb12u2")), "usr/bin/openssl": Program()})
        facts = image(base)
        assert facts.is_understood
        assert purls(facts) == {"pkg:deb/debian/openssl@3.0.20-1~deb12u2?arch=amd64&distro=debian-12"}
        assert facts.packages[0].layer == base.digest
        assert facts.distribution is not None
        assert facts.distribution.id == "debian"
        assert (facts.files, facts.executables, facts.size) == (4, 1, 1000)
        assert (facts.layers, facts.diff_ids) == ((base.digest,), (base.diff_id,))
        assert (facts.manifest, facts.config) == (Digest.of(b"manifest"), Digest.of(b"config"))

    def test_a_later_database_replaces_the_earlier(self) -> None:
        facts = image(layer(debian(("a", "1"))), layer({STATUS: dpkg_status(("a", "2"))}))
        assert [package.version for package in facts.packages] == ["2"]

    def test_packages_of_a_distribution_named_in_another_layer(self) -> None:
        facts = image(layer({STATUS: dpkg_status(("a", "1"))}), layer({"etc/os-release": OS_RELEASE_12}))
        assert purls(facts) == {"pkg:deb/debian/a@1?arch=amd64&distro=debian-12"}

    def test_a_whiteout_hides_a_file_and_all_below_a_directory(self) -> None:
        below = layer({"opt/a/x": Program(SSH), "opt/b": Program(SSH), "opt/c": Program(SSH)})
        facts = image(below, layer(whiteouts=("opt/a", "opt/b")))
        assert [tool.path for tool in facts.tools] == ["opt/c"]
        assert facts.files == 1

    def test_a_whiteout_of_nothing_is_harmless(self) -> None:
        facts = image(layer({"a": b"x"}), layer(whiteouts=("b", "c/d")))
        assert (facts.files, facts.problems) == (1, ())

    def test_an_opaque_directory_hides_lower_layers_only(self) -> None:
        below = layer({"opt/old": Program(SSH)})
        facts = image(below, layer({"opt/new": Program(SSH)}, opaque=("opt",)))
        assert [tool.path for tool in facts.tools] == ["opt/new"]

    def test_t54_an_opaque_root_hides_nothing_on_an_overlay_file_system(self) -> None:
        below, above = layer({"opt/x": Program(SSH)}), layer({"a": b"x"}, opaque=("",))
        facts = image(below, above)
        (refusal,) = facts.refusals
        assert (refusal.digest, refusal.entry) == (above.digest, "")
        assert "hides everything in the root, and runtimes disagree" in refusal.reason
        assert [tool.path for tool in facts.tools] == ["opt/x"]

    def test_an_opaque_root_above_nothing_is_harmless(self) -> None:
        facts = image(layer({"a": b"x"}, opaque=("",)))
        assert (facts.files, facts.refusals) == (1, ())

    def test_a_file_in_the_place_of_a_directory(self) -> None:
        facts = image(layer({"opt/ssh/x": Program(SSH)}), layer({"opt/ssh": b"x"}))
        assert (facts.files, facts.tools) == (1, ())

    def test_a_directory_in_the_place_of_a_file(self) -> None:
        facts = image(layer({"opt/x": Program(SSH)}), layer({"opt/x": Directory(), "opt/x/y": b"x"}))
        assert (facts.files, facts.tools, facts.problems) == (1, (), ())

    def test_a_directory_over_a_directory_keeps_what_is_in_it(self) -> None:
        facts = image(layer({"opt": Directory(), "opt/x": Program(SSH)}), layer({"opt": Directory()}))
        assert [tool.path for tool in facts.tools] == ["opt/x"]

    def test_a_file_deleted_and_made_again(self) -> None:
        first, last = layer({"opt/x": Program(SSH)}), layer({"opt/x": Program(SSH)}, name="again")
        facts = image(first, layer(whiteouts=("opt/x",)), last)
        assert [tool.layer for tool in facts.tools] == [last.digest]

    def test_a_file_deleted_and_linked(self) -> None:
        facts = image(layer({"opt/x": Program(SSH), "opt/y": b"x"}), layer({"opt/x": Link("y")}))
        assert facts.tools == ()

    def test_the_same_layer_twice(self) -> None:
        one = layer(debian(("a", "1")))
        facts = image(one, one)
        assert [package.name for package in facts.packages] == ["a"]
        assert facts.is_understood

    def test_a_problem_of_a_file_that_is_gone_is_none(self) -> None:
        broken = layer({STATUS: b"nonsense\n"})
        assert "line 1" in image(broken).problems[0]
        assert image(broken, layer({STATUS: dpkg_status(("a", "1"))})).problems == ()

    def test_t52_executables_without_packages_are_counted(self) -> None:
        facts = image(layer({"app": Program(), "data": b"x"}))
        assert (facts.executables, facts.packages, facts.problems) == (1, (), ())


class TestHardLinks:
    def test_content_outlives_its_first_name(self) -> None:
        both = layer({"opt/x": Program(SSH), "opt/y": HardLink("opt/x")})
        assert [tool.path for tool in image(both).tools] == ["opt/x"]
        assert [tool.path for tool in image(both, layer(whiteouts=("opt/x",))).tools] == ["opt/y"]
        assert image(both, layer(whiteouts=("opt/x", "opt/y"))).tools == ()

    def test_a_link_to_a_file_of_a_lower_layer(self) -> None:
        facts = image(layer({"opt/x": Program(SSH)}), layer({"opt/y": HardLink("opt/x")}), layer({"opt/x": b"other"}))
        assert [tool.path for tool in facts.tools] == ["opt/y"]
        assert facts.is_understood

    def test_a_link_to_nothing_is_a_problem(self) -> None:
        facts = image(layer({"opt/y": HardLink("opt/x")}))
        assert "opt/y a hard link to opt/x, where no layer has put a file" in facts.refusals[0].reason

    def test_t54_a_link_that_would_make_a_file_of_a_lower_layer_setuid_root(self) -> None:
        below, above = layer({"opt/x": Program(SSH)}), layer({"opt/y": HardLink("opt/x", 0o4755)})
        (refusal,) = image(below, above).refusals
        assert (refusal.digest, refusal.entry) == (above.digest, "opt/y")
        assert "has the mode 4755, and opt/x 0755" in refusal.reason

    def test_python_metadata_shared_with_an_installers_cache(self) -> None:
        cached, installed = "cache/a.dist-info/METADATA", "app/a.dist-info/METADATA"
        both = layer({cached: b"Name: a\nVersion: 1\n", installed: HardLink(cached)})
        facts = image(both, layer(whiteouts=("cache",)))
        assert [package.path for package in facts.packages] == [installed]
        assert facts.is_understood

    def test_t51_a_database_linked_to_another_file(self) -> None:
        facts = image(layer({"srv/data": dpkg_status(("a", "1")), STATUS: HardLink("srv/data")}))
        assert f"{STATUS} leads to srv/data" in facts.problems[0]


class TestLinksOnTheWay:
    USR_MERGED = layer({"bin": Link("usr/bin"), "usr/bin/sh": Program(), "lib": Link("/usr/lib"), "usr/lib/x": b"x"})

    def test_a_layer_that_writes_through_an_earlier_link(self) -> None:
        later = layer({"bin/ssh": Program(SSH)})
        facts = image(self.USR_MERGED, later)
        (refusal,) = facts.refusals
        assert (refusal.digest, refusal.entry) == (later.digest, "bin")
        for part in ("bin/ssh", "symlink", str(self.USR_MERGED.digest)):
            assert part in refusal.reason

    def test_a_layer_that_hides_through_an_earlier_link(self) -> None:
        assert "hides bin/sh" in image(self.USR_MERGED, layer(whiteouts=("bin/sh",))).refusals[0].reason
        assert "hides everything in bin" in image(self.USR_MERGED, layer(opaque=("bin",))).refusals[0].reason

    def test_a_hard_link_through_an_earlier_link(self) -> None:
        assert "bin is a symlink" in image(self.USR_MERGED, layer({"x": HardLink("bin/sh")})).refusals[0].reason

    def test_a_layer_that_writes_below_a_file(self) -> None:
        assert "a is a file" in image(layer({"a": b"x"}), layer({"a/b": b"x"})).refusals[0].reason

    def test_a_layer_that_replaces_the_link(self) -> None:
        facts = image(self.USR_MERGED, layer({"bin": Directory(), "bin/ssh": Program(SSH)}))
        assert [tool.path for tool in facts.tools if tool.kind is ToolKind.SSH_CLIENT] == ["bin/ssh"]
        assert facts.is_understood

    @pytest.mark.parametrize(("opaque", "whiteouts"), [(("bin",), ()), ((), ("bin/sh",)), (("bin/a",), ("bin/b/c",))])
    def test_a_layer_that_replaces_the_link_and_hides_what_is_below(
        self, opaque: tuple[str, ...], whiteouts: tuple[str, ...]
    ) -> None:
        files: dict[str, Content] = {"bin": Directory(), "bin/ssh": Program(SSH)}
        facts = image(self.USR_MERGED, layer(files, opaque=opaque, whiteouts=whiteouts))
        assert [tool.path for tool in facts.tools if tool.kind is ToolKind.SSH_CLIENT] == ["bin/ssh"]
        assert facts.is_understood
        late = layer(files, opaque=opaque, whiteouts=whiteouts, belated=("bin",))
        assert "bin is a symlink" in image(self.USR_MERGED, late).refusals[0].reason

    def test_t54_a_layer_that_writes_through_the_link_and_then_replaces_it(self) -> None:
        later = inspect(gzip.compress(member(b"bin/ssh", b"x") + directory(b"bin") + END))
        assert "bin is a symlink" in image(self.USR_MERGED, later).refusals[0].reason

    def test_a_layer_that_removes_the_link(self) -> None:
        facts = image(self.USR_MERGED, layer(whiteouts=("bin",)), layer({"bin/ssh": Program(SSH)}))
        assert facts.is_understood

    def test_a_character_device_over_a_file(self) -> None:
        assert "character device" in image(layer({"a": b"x"}), layer({"a": Device()})).refusals[0].reason
        assert image(layer({"dev/null": Device()})).is_understood

    def test_one_obstacle_is_told_once_and_not_endlessly_many(self) -> None:
        many = {f"bin/{number}": b"x" for number in range(100)}
        assert len(image(self.USR_MERGED, layer(many)).refusals) == 1
        links = layer({f"l{number}": Link("usr") for number in range(100)})
        assert len(image(links, layer({f"l{number}/x": b"x" for number in range(100)})).refusals) == MAX_PROBLEMS
        damaged = layer({f"var/lib/dpkg/status.d/{number}": b"no field" for number in range(100)})
        problems = image(damaged).problems
        assert len(problems) == MAX_PROBLEMS + 1
        assert problems[-1] == "and 80 more problems of this kind"

    def test_t56_links_that_take_for_ever_to_follow_are_a_problem(self) -> None:
        detour = "/".join(["x", ".."] * 1000)
        nested: dict[str, Content] = {"x": Directory(), "bin/0": Link("nowhere")}
        nested |= {f"bin/{number}": Link(f"../{detour}/bin/{number - 1}") for number in range(1, 40)}
        nested |= {f"{number}/bin/nc": Link("/bin/39") for number in range(60)}
        assert f"more than {MAX_STEPS} steps" in image(layer(nested)).problems[0]

    def test_t56_they_are_a_problem_also_where_only_what_was_replaced_is_asked_for(self) -> None:
        detour = "/".join(["x", ".."] * 1000)
        nested: dict[str, Content] = {"x": Directory(), "bin/0": Link("nowhere")}
        nested |= {f"bin/{number}": Link(f"../{detour}/bin/{number - 1}") for number in range(1, 40)}
        paths = [f"a/{number}" for number in range(60)]
        facts = image(layer(dict.fromkeys(paths, Program())), layer(nested | dict.fromkeys(paths, Link("/bin/39"))))
        assert f"more than {MAX_STEPS} steps" in facts.problems[0]


class TestT51DatabasesBehindLinks:
    @pytest.mark.parametrize(
        "files",
        [
            {STATUS: Link("/srv/status"), "srv/status": dpkg_status(("a", "1"))},
            {"var/lib/dpkg": Link("/srv/dpkg"), "srv/dpkg/status": dpkg_status(("a", "1"))},
            {"var": Link("srv"), "srv/lib/dpkg/status": dpkg_status(("a", "1"))},
            {"var/lib/dpkg/status.d": Link("/.git"), ".git/a": dpkg_status(("a", "1"))},
            {"lib": Link("opt"), "opt/apk/db/installed": b"P:a\nV:1\n"},
            {"app/a.dist-info": Link("../srv/a"), "srv/a/METADATA": b"Name: a\nVersion: 1\n"},
            {"app/a.dist-info/METADATA": Link("../../srv/a"), "srv/a": b"Name: a\nVersion: 1\n"},
            {"app/node_modules/a/package.json": Link("/srv/a"), "srv/a": b"{}"},
            {"etc/os-release": Link("../srv/os"), "srv/os": OS_RELEASE_12},
        ],
    )
    def test_t51_a_database_that_was_not_read_where_it_lies(self, files: Mapping[str, Content]) -> None:
        assert "leads to" in image(layer(files)).problems[0]

    @pytest.mark.parametrize(
        "files",
        [
            {"lib": Link("usr/lib"), "usr/lib/apk/db/installed": b"P:a\nV:1\n"},
            {"lib": Link("/usr/lib"), "usr/lib/apk/db/installed": b"P:a\nV:1\n"},
            {"lib/apk": Link("../usr/lib/apk"), "usr/lib/apk/db/installed": b"P:a\nV:1\n"},
            {"v/a.dist-info": Link("../w/a.dist-info"), "w/a.dist-info/METADATA": b"Name: a\nVersion: 1\n"},
            {"v/site-packages": Link("../w"), "w/a.dist-info/METADATA": b"Name: a\nVersion: 1\n"},
            {"v/node_modules/a": Link("../../w/node_modules/a"), "w/node_modules/a/package.json": b'{"version": "1"}'},
            {
                STATUS: dpkg_status(("a", "1")),
                "etc/os-release": Link("../usr/lib/os-release"),
                "usr/lib/os-release": OS_RELEASE_12,
            },
        ],
    )
    def test_links_to_where_it_was_read_are_fine(self, files: Mapping[str, Content]) -> None:
        facts = image(layer(files))
        assert facts.is_understood
        assert [package.name for package in facts.packages] == ["a"]

    @pytest.mark.parametrize("folder", [".git", "proc", "sys", "dev", "tmp/.hidden"])
    def test_t51_no_folder_is_passed_over(self, folder: str) -> None:
        facts = image(layer({f"{folder}/a.dist-info/METADATA": b"Name: a\nVersion: 1\n"}))
        assert [package.name for package in facts.packages] == ["a"]


class TestTools:
    OPENSSH: Mapping[str, Content] = {
        **debian(("openssh-client", "1:9.2p1-2")),
        "usr/bin/ssh": Program(SSH),
        "usr/bin/scp": Program(),
        "usr/bin/slogin": Link("ssh"),
        "var/lib/dpkg/info/openssh-client.list": b"/usr/bin/ssh\n/usr/bin/scp\n/usr/bin/slogin\n",
    }

    def test_a_tool_is_told_once_with_its_package(self) -> None:
        assert found(image(layer(self.OPENSSH)), ToolKind.SSH_CLIENT) == [
            ("ssh", "usr/bin/ssh", Evidence.CONTENT, "openssh-client 1:9.2p1-2")
        ]

    def test_a_renamed_copy_is_a_tool_of_its_own(self) -> None:
        facts = image(layer(self.OPENSSH), layer({"opt/innocent": Program(SSH)}))
        assert found(facts, ToolKind.SSH_CLIENT) == [
            ("ssh", "opt/innocent", Evidence.CONTENT, ""),
            ("ssh", "usr/bin/ssh", Evidence.CONTENT, "openssh-client 1:9.2p1-2"),
        ]

    def test_a_package_without_its_files_is_told_by_its_name(self) -> None:
        base = layer(debian(("openssh-client", "1:9.2p1-2")))
        assert image(base).tools == (
            Tool(ToolKind.SSH_CLIENT, "ssh", STATUS, Evidence.PACKAGE, "openssh-client 1:9.2p1-2", base.digest),
        )

    def test_a_package_whose_list_names_paths_before_the_usr_merge(self) -> None:
        files: dict[str, Content] = {
            **debian(("netcat-openbsd", "1.219-1")),
            "bin": Link("usr/bin"),
            "usr/bin/nc.openbsd": Program(ELF + b"usage: nc [-46C"),
            "usr/bin/nc": Link("/etc/alternatives/nc"),
            "etc/alternatives/nc": Link("/bin/nc.openbsd"),
            "var/lib/dpkg/info/netcat-openbsd.list": b"/.\n/bin\n/bin/nc.openbsd\n",
        }
        assert found(image(layer(files)), ToolKind.NETCAT) == [
            ("nc", "usr/bin/nc.openbsd", Evidence.CONTENT, "netcat-openbsd 1.219-1")
        ]

    def test_an_alpine_package_owns_its_tool(self) -> None:
        files: dict[str, Content] = {
            "lib/apk/db/installed": b"P:openssh-client-default\nV:9.7_p1-r4\no:openssh\nF:usr/bin\nR:ssh\n",
            "usr/bin/ssh": Program(SSH),
        }
        assert found(image(layer(files)), ToolKind.SSH_CLIENT) == [
            ("ssh", "usr/bin/ssh", Evidence.CONTENT, "openssh-client-default 9.7_p1-r4")
        ]

    @pytest.mark.parametrize("link", [Link("/bin/busybox"), HardLink("bin/busybox")])
    def test_applets_of_busybox_are_told_at_their_links(self, link: Content) -> None:
        installed = b"P:busybox\nV:1.36.1-r29\nF:bin\nR:busybox\n"
        table = b"\0".join(
            (b"", b"cat", b"chmod", b"cp", b"date", b"echo", b"ls", b"mv", b"nc", b"telnet", b"telnetd", b"")
        )
        busybox = ELF + b"BusyBox v1.36.1" + table
        files: dict[str, Content] = {"lib/apk/db/installed": installed, "bin/busybox": Program(busybox)}
        assert found(image(layer(files)), *ToolKind) == [
            ("nc", "bin/busybox", Evidence.APPLET, ""),
            ("telnet, telnetd", "bin/busybox", Evidence.APPLET, ""),
        ]
        facts = image(layer({**files, "usr/bin/nc": link, "usr/bin/telnet": link, "bin/ls": link}))
        assert found(facts, *ToolKind) == [
            ("nc", "usr/bin/nc", Evidence.PATH, ""),
            ("telnet", "usr/bin/telnet", Evidence.PATH, ""),
        ]

    def test_a_link_that_leads_to_no_program_is_no_tool(self) -> None:
        files: dict[str, Content] = {
            "usr/bin/nc": Link("busybox"),
            "usr/bin/ssh": Link("/etc/ssh"),
            "etc/ssh/ssh_config": b"x",
        }
        assert image(layer(files)).tools == ()
        assert image(layer({"usr/bin/nc": Link("nc2"), "usr/bin/nc2": Link("nc")})).tools == ()

    def test_what_a_minimal_debian_needs_is_told_by_its_kind(self) -> None:
        files: dict[str, Content] = {**debian(("apt", "2.6.1")), "usr/bin/apt": Program(), "usr/bin/su": Program()}
        assert {tool.kind for tool in image(layer(files)).tools} == {ToolKind.PACKAGE_MANAGER, ToolKind.PRIVILEGE}


class TestSecrets:
    def test_a_deleted_secret_can_still_be_pulled(self) -> None:
        leaked = layer({"root/key": KEY})
        assert image(leaked, layer(whiteouts=("root/key",))).secrets == (
            Secret("private-key", "root/key", 1, leaked.digest),
        )

    def test_secrets_of_the_configuration(self) -> None:
        text = KEYS["EC SEC1"]
        config = replace(
            config_of(),
            environment=("PATH=/bin", f"TLS_KEY={text}"),
            labels={"key": text},
            history=(HistoryEntry("RUN true"), HistoryEntry(f"RUN echo '{text}'", empty_layer=True)),
        )
        assert assemble(manifest_of(), config, ()).secrets == (
            Secret("private-key", "env TLS_KEY"),
            Secret("private-key", "label key"),
            Secret("private-key", "history 2"),
        )


class TestUser:
    @pytest.mark.parametrize(
        ("user", "is_root"),
        [
            ("", True),
            (":1000", True),
            ("root", True),
            ("root:app", True),
            ("0", True),
            ("000", True),
            ("0:1000", True),
            ("toor", True),
            ("unknown", True),
            ("+0", True),
            ("-1", True),
            ("99999999999", True),
            ("4294967296", True),
            ("2147483648", True),
            ("2147483647", False),
            ("app", False),
            ("app:root", False),
            ("1000", False),
            ("1000:0", False),
            ("65532", False),
            ("4242", True),
        ],
    )
    def test_who_is_root(self, user: str, is_root: bool) -> None:
        passwd = PASSWD + b"toor:x:0:0:::\n4242:x:0:0:::\n"
        assert image(layer({"etc/passwd": passwd}), user=user).runs_as_root is is_root

    @pytest.mark.parametrize(
        "line", ["app", "app:x", "app:x:", "app:x:zero:0::/:/bin/sh", "\u00a0app:x:0:0:::", "\fapp:x:+0"]
    )
    def test_t89_an_account_that_runtimes_take_for_root_is_root(self, line: str) -> None:
        passwd = f"{line}\napp:x:1000:1000:::\n".encode()
        found = image(layer({"etc/passwd": passwd}), user="app")
        assert found.runs_as_root
        assert [(one.check, one.detail) for one in found.weaknesses if one.check == "H23"] == [
            ("H23", "the account app has the uid 0")
        ]

    @pytest.mark.parametrize(
        ("uid", "is_root"),
        [
            *(("4294967296", True), ("-4294967296", True), ("8589934592", True), ("99999999999999999999", True)),
            *(("4294967297", False), ("-1", False)),
        ],
    )
    def test_t116_of_a_large_uid_runtimes_keep_32_bits(self, uid: str, is_root: bool) -> None:
        assert image(layer({"etc/passwd": f"app:x:{uid}:1000:::\n".encode()}), user="app").runs_as_root is is_root

    @pytest.mark.parametrize("line", ["# app accounts", "+", "+@admins::::::", "-bob", "", "  ", "sync:x:4:65534"])
    def test_lines_that_are_no_account_are_no_second_root(self, line: str) -> None:
        found = image(layer({"etc/passwd": f"{line}\n".encode() + PASSWD}), user="app")
        assert not found.runs_as_root
        assert [one for one in found.weaknesses if one.check == "H23"] == []

    def test_accounts_without_a_password_are_those_of_the_topmost_files(self) -> None:
        def found(*layers: LayerFacts) -> list[tuple[str, str]]:
            return [(one.where, one.detail) for one in image(*layers).weaknesses if one.check == "H23"]

        lower = layer({"etc/passwd": PASSWD, "etc/shadow": b"root:::0:::::\n"})
        assert found(lower) == [("etc/shadow", "the account root has an empty password")]
        assert found(lower, layer({"etc/shadow": b"root:*::0:::::\n"})) == []
        assert found(lower, layer(whiteouts=("etc/shadow",))) == []

    @pytest.mark.parametrize("passwd", [b"1000:x:0:0:::\n", b"app:x:1000:1000:::\n"])
    def test_t105_accounts_are_read_where_links_lead_as_runtimes_do(self, passwd: bytes) -> None:
        is_root = passwd.startswith(b"1000")
        behind = layer({"etc/passwd": Link("/nix/store/a/etc/passwd"), "nix/store/a/etc/passwd": passwd})
        for made in (behind, layer({"etc": Link("opt/etc"), "opt/etc/passwd": passwd})):
            found = image(made, user="1000")
            assert (found.runs_as_root, found.problems) == (is_root, ())

    @pytest.mark.parametrize("name", ["etc/passwd", "etc/shadow"])
    def test_t105_accounts_that_nobody_could_read_as_such_are_a_problem(self, name: str) -> None:
        def problems(*layers: LayerFacts) -> tuple[str, ...]:
            return image(*layers, user="1000").problems

        kept = layer({"opt/accounts": b"1000:x:0:0:::\n", name: HardLink("opt/accounts", 0o644)})
        said = f"{name} leads to opt/accounts, which was not read as what {name} is to hold: package or system metadata"
        for found in (
            problems(layer({name: Link("/opt/accounts"), "opt/accounts": b"root::0:0:::\n"})),
            problems(kept),
            problems(kept, layer(whiteouts=("opt/accounts",), name="later")),
        ):
            assert found == (f"{said}; put a real file there",)
        assert problems(layer({name: Link("/not/there")})) == ()

    def test_t105_passwords_are_read_where_links_lead(self) -> None:
        found = image(layer({"etc/shadow": Link("../usr/etc/shadow"), "usr/etc/shadow": b"root::19000:0:99999:7:::\n"}))
        assert [(one.where, one.detail) for one in found.weaknesses if one.check == "H23"] == [
            ("etc/shadow", "the account root has an empty password")
        ]

    def test_without_a_passwd_only_numbers_are_known(self) -> None:
        assert image(user="app").runs_as_root
        assert not image(user="65532").runs_as_root

    def test_the_passwd_of_the_topmost_layer_counts(self) -> None:
        later = layer({"etc/passwd": b"app:x:0:0:::\n"})
        assert image(layer({"etc/passwd": PASSWD}), later, user="app").runs_as_root


class TestCrowded:
    """Threat 114: packages by the ten thousand, which each rule of a policy asks about."""

    STATUS = dpkg_status(*((f"package-{number}", "1") for number in range(100)))
    TOO_MANY = "the inspection limit packages of {} is passed; raise inspection.packages if this is expected"

    def test_t114_layers_that_each_pass_and_together_do_not(self) -> None:
        layers = [layer({f"{STATUS}.d/{name}": dpkg_status((name, "1"), (f"lib{name}", "1"))}) for name in "ab"]
        for most, problems in ((4, ()), (3, (self.TOO_MANY.format(3),))):
            facts = assemble(manifest_of(*layers), config_of(*layers), layers, most_packages=most)
            assert (len(facts.packages), facts.problems) == (most, problems)

    def test_t114_one_database_under_names_without_end(self) -> None:
        names = {f"{STATUS}.d/{number}": HardLink(f"{STATUS}.d/file") for number in range(500)}
        facts = image(layer({f"{STATUS}.d/file": self.STATUS, **names}))
        assert (len(facts.packages), facts.problems) == (50_000, (self.TOO_MANY.format(50_000),))

    def test_what_another_layer_replaced_does_not_count(self) -> None:
        layers = [layer({STATUS: self.STATUS}, name=name) for name in "ab"]
        facts = assemble(manifest_of(*layers), config_of(*layers), layers, most_packages=100)
        assert (len(facts.packages), facts.problems) == (100, ())


class TestAgreement:
    ONE = layer({"a": b"x"})
    OTHER = layer({"b": b"x"})

    def test_diff_ids_in_another_order(self) -> None:
        facts = assemble(manifest_of(self.ONE, self.OTHER), config_of(self.OTHER, self.ONE), (self.ONE, self.OTHER))
        assert len(facts.refusals) == 2
        assert "layer 1 has the diffID" in facts.refusals[0].reason

    @pytest.mark.parametrize("diff_ids", [(), (ONE, OTHER)])
    def test_diff_ids_in_another_number(self, diff_ids: tuple[LayerFacts, ...]) -> None:
        facts = assemble(manifest_of(self.ONE), config_of(*diff_ids), (self.ONE,))
        assert f"its configuration {len(diff_ids)}" in facts.problems[0]

    def test_a_diff_id_by_an_algorithm_that_no_runtime_computes_it_by(self) -> None:
        config = ImageConfig(Platform("linux", "amd64"), (Digest.of(b"tar", "sha512"),))
        (refusal,) = assemble(manifest_of(self.ONE), config, (self.ONE,)).refusals
        assert refusal.reason == (
            "the configuration gives layer 1 a diffID by sha512, and runtimes compute it by sha256: name it"
            f" {self.ONE.diff_id} there"
        )

    TABLE = ContentsTable(Digest.of(b"table"), Digest.of(b"packed"), "10:20:30:1", "40:50:60")
    LAZY: Mapping[str, str] = {
        TOC_DIGEST: str(TABLE.digest),
        CHECKSUM: str(TABLE.packed),
        POSITION: TABLE.place,
        TAR_SPLIT_POSITION: TABLE.tar_split,
    }

    def _annotated(self, annotations: Mapping[str, str], table: ContentsTable | None) -> list[str]:
        manifest = manifest_of(self.ONE)
        manifest = replace(manifest, layers=(replace(manifest.layers[0], annotations=annotations),))
        facts = assemble(manifest, config_of(self.ONE), (replace(self.ONE, table=table),))
        return [refusal.reason for refusal in facts.refusals]

    def test_annotations_that_lead_to_the_table_of_the_layer(self) -> None:
        assert self._annotated(self.LAZY, self.TABLE) == []
        assert self._annotated({}, self.TABLE) == []
        assert self._annotated({TOC_DIGEST: str(self.TABLE.digest)}, self.TABLE) == []

    def test_the_digest_of_a_table_that_is_not_there_is_left_from_before_it_was_packed_anew(self) -> None:
        assert self._annotated({TOC_DIGEST: str(self.TABLE.digest)}, None) == []

    @pytest.mark.parametrize("name", LAZY)
    def test_t88_annotations_that_lead_to_another_table(self, name: str) -> None:
        (reason,) = self._annotated({**self.LAZY, name: "1:2:3:1"}, self.TABLE)
        assert reason.startswith(f"layer 1 is said to have a table of contents with {name} '1:2:3:1', which is ")

    @pytest.mark.parametrize("name", [CHECKSUM, POSITION, TAR_SPLIT_POSITION])
    def test_t88_annotations_as_podman_wrote_them_before_2023(self, name: str) -> None:
        old = name.replace("io.github.containers.", "io.containers.")
        assert self._annotated({old: self.LAZY[name]}, self.TABLE) == []
        (reason,) = self._annotated({old: "1:2:3:1"}, self.TABLE)
        assert reason.startswith(f"layer 1 is said to have a table of contents with {old} '1:2:3:1', which is ")
        assert len(self._annotated({old: self.LAZY[name]}, None)) == 1

    @pytest.mark.parametrize("name", [CHECKSUM, POSITION, TAR_SPLIT_POSITION])
    def test_t88_annotations_of_zstd_chunked_that_lead_into_a_layer_without_a_table(self, name: str) -> None:
        (reason,) = self._annotated({name: self.LAZY[name]}, None)
        assert "and has none: podman and others that pull lazily go by it" in reason
        assert self._annotated({name: self.LAZY[name]}, ContentsTable(Digest.of(b"table"))) == [reason]

    def test_another_layer_than_the_manifest_lists(self) -> None:
        facts = assemble(manifest_of(self.OTHER), config_of(self.ONE), (self.ONE,))
        assert "the manifest says" in facts.refusals[0].reason

    @pytest.mark.parametrize(
        ("media_type", "compression", "agrees"),
        [
            (LAYER, "gzip", True),
            (LAYER, "zstd", False),
            (LAYER, "none", False),
            ("application/vnd.oci.image.layer.v1.tar", "none", True),
            ("application/vnd.oci.image.layer.v1.tar+zstd", "zstd", True),
            ("application/vnd.docker.image.rootfs.diff.tar.gzip", "gzip", True),
            ("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip", "gzip", True),
            ("application/vnd.oci.image.layer.v1.tar+gzip+encrypted", "gzip", False),
            ("application/vnd.oci.image.layer.v1.tar+xz", "none", False),
        ],
    )
    def test_the_media_type_says_what_the_bytes_are(self, media_type: str, compression: str, agrees: bool) -> None:
        one = replace(self.ONE, compression=compression)
        facts = assemble(manifest_of(one, media_type=media_type), config_of(one), (one,))
        assert facts.is_understood is agrees
