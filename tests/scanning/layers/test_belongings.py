"""Which file belongs to which package, and which is no longer what was installed."""

import base64
import gzip
import hashlib
from collections.abc import Mapping
from typing import Any

import pytest

from scanning.facts import ContentKind
from scanning.files.examine import Examiner
from scanning.layers.inspect import inspect_layer
from scanning.layers.limits import InspectionLimits
from tests.images import File, debian
from tests.real_images import real_image
from tests.scanning.files.files import ELF, examined
from tests.scanning.layers.test_overlay import Content, HardLink, Link, Program, image, layer

APP = ELF + b"an application"
OTHER = ELF + b"something else"
GEMSPEC = b'Gem::Specification.new do |s|\ns.name = "x"\ns.version = "1"\nend\n'
SCRIPT = b"#!/bin/sh\necho hello\n"


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def packaged(name: str, files: Mapping[str, bytes], *, version: str = "1") -> dict[str, Content]:
    """A Debian with one package and what dpkg records of its files."""
    base: dict[str, Content] = dict(debian((name, version)))
    base[f"var/lib/dpkg/info/{name}.list"] = "".join(f"/{path}\n" for path in files).encode()
    sums = "".join(f"{md5(content)}  {path}\n" for path, content in files.items())
    base[f"var/lib/dpkg/info/{name}.md5sums"] = sums.encode()
    return base


def unowned(*layers: Mapping[str, Any]) -> list[str]:
    return [file.path for file in image(*(layer(files, name=str(n)) for n, files in enumerate(layers))).unowned]


def changed(*layers: Mapping[str, Any]) -> list[tuple[str, str, bool]]:
    facts = image(*(layer(files, name=str(n)) for n, files in enumerate(layers)))
    return [(file.path, file.package, file.is_configuration) for file in facts.changed]


class TestUnowned:
    def test_an_executable_that_no_package_lists(self) -> None:
        base = packaged("app", {"usr/bin/app": APP}) | {"usr/bin/app": Program(APP)}
        added = {"usr/local/bin/x": Program(OTHER), "opt/y": File(SCRIPT, 0o755), "usr/lib/z.so": OTHER}
        assert unowned(base, added) == ["opt/y", "usr/lib/z.so", "usr/local/bin/x"]

    def test_what_cannot_run_is_none(self) -> None:
        relocatable = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x01\x00" + bytes(46)
        files = {"srv/a.txt": File(b"text", 0o755), "srv/b.sh": SCRIPT, "srv/c.o": relocatable, "etc/d": b"x"}
        assert unowned(debian(), files) == []
        assert unowned(debian(), {"usr/local/bin/text": File(b"echo hello", 0o755)}) == ["usr/local/bin/text"]

    def test_links_on_the_way_are_followed_as_in_a_merged_usr(self) -> None:
        base = packaged("app", {"bin/app": APP, "lib/x86/a.so": APP}) | {"bin": Link("usr/bin"), "lib": Link("usr/lib")}
        assert unowned(base | {"usr/bin/app": Program(APP), "usr/lib/x86/a.so": APP}) == []

    def test_a_diverted_file_belongs_to_the_package_it_was_diverted_from(self) -> None:
        base = packaged("app", {"usr/bin/app": APP})
        diverted = base | {
            "var/lib/dpkg/diversions": b"/usr/bin/app\n/usr/bin/app.real\nwrapper\n",
            "usr/bin/app.real": Program(APP),
            "usr/bin/app": Program(OTHER),
        }
        assert unowned(diverted) == ["usr/bin/app"]
        assert changed(diverted) == []

    def test_a_file_with_several_names_belongs_to_whoever_owns_one(self) -> None:
        base = packaged("app", {"usr/bin/app": APP})
        assert unowned(base | {"opt/app": Program(APP), "usr/bin/app": HardLink("opt/app")}) == []

    def test_scripts_of_installed_packages_belong_to_them(self) -> None:
        scripts = {f"var/lib/dpkg/info/{name}.postinst": File(SCRIPT, 0o755) for name in ("app", "app:amd64", "gone")}
        assert unowned(packaged("app", {}) | scripts) == ["var/lib/dpkg/info/gone.postinst"]

    def test_a_list_of_a_package_that_is_not_installed_owns_nothing(self) -> None:
        listing = {"var/lib/dpkg/info/ghost.list": b"/usr/bin/x\n", "usr/bin/x": Program(OTHER)}
        assert unowned(debian(), listing) == ["usr/bin/x"]

    def test_what_was_deleted_is_not_told(self) -> None:
        added = layer({"opt/x": Program(OTHER)})
        assert image(layer(debian()), added, layer(whiteouts=("opt/x",))).unowned == ()

    @pytest.mark.parametrize(
        ("description", "content", "program", "is_owned"),
        [
            ("app/node_modules/x/package.json", b'{"name": "x", "version": "1"}', "app/node_modules/x/a.node", True),
            ("opt/x/package.json", b'{"name": "x", "version": "1"}', "opt/x/a.node", False),
            ("g/specifications/x-1.gemspec", GEMSPEC, "g/gems/x-1/x.so", True),
        ],
    )  # fmt: skip
    def test_packages_of_languages_own_what_their_installers_unpack(
        self, description: str, content: bytes, program: str, is_owned: bool
    ) -> None:
        """A description alone, anywhere, claims nothing."""
        assert unowned(debian(), {description: content, program: OTHER}) == ([] if is_owned else [program])


class TestChanged:
    def test_a_packaged_program_that_a_later_layer_replaces(self) -> None:
        base = packaged("app", {"usr/bin/app": APP}) | {"usr/bin/app": Program(APP)}
        assert changed(base) == []
        assert changed(base, {"usr/bin/app": Program(APP)}) == []
        assert changed(base, {"usr/bin/app": Program(OTHER)}) == [("usr/bin/app", "app 1", False)]

    def test_a_changed_file_names_its_layer_and_what_it_is_now(self) -> None:
        base = layer(packaged("app", {"usr/bin/app": APP}) | {"usr/bin/app": Program(APP)})
        later = layer({"usr/bin/app": Program(OTHER)})
        (file,) = image(base, later).changed
        assert (file.layer, file.sha256) == (later.digest, hashlib.sha256(OTHER).hexdigest())

    def test_sums_of_a_path_that_another_package_took_over_do_not_count(self) -> None:
        base: dict[str, Content] = dict(debian(("old", "1"), ("new", "2")))
        base["var/lib/dpkg/info/old.md5sums"] = f"{md5(APP)}  usr/bin/app\n".encode()
        base["var/lib/dpkg/info/new.list"] = b"/usr/bin/app\n"
        base["var/lib/dpkg/info/new.md5sums"] = f"{md5(OTHER)}  usr/bin/app\n".encode()
        assert changed(base | {"usr/bin/app": Program(OTHER)}) == []

    def test_configuration_is_told_as_such(self) -> None:
        base = packaged("app", {"etc/app.conf": b""})
        status = base["var/lib/dpkg/status"]
        assert isinstance(status, bytes)
        conffiles = f"Conffiles:\n /etc/app.conf {md5(b'a=1')}\n /etc/old {md5(b'b')} obsolete\n".encode()
        base["var/lib/dpkg/status"] = status.rstrip(b"\n") + b"\n" + conffiles
        assert changed(base | {"etc/app.conf": b"a=1", "etc/old": b"c"}) == []
        assert changed(base | {"etc/app.conf": b"a=2"}) == [("etc/app.conf", "app 1", True)]

    def test_a_wheel_records_its_modules(self) -> None:
        site = "usr/local/lib/python3.12/site-packages"
        digest = base64.urlsafe_b64encode(hashlib.sha256(b"x = 1\n").digest()).rstrip(b"=").decode()
        wheel: dict[str, Content] = {
            f"{site}/A_b-1.dist-info/METADATA": b"Name: a-b\nVersion: 1\n",
            f"{site}/A_b-1.dist-info/RECORD": (
                f"a_b/__init__.py,sha256={digest},6\n../../../bin/ab,,\nA_b-1.dist-info/RECORD,,\n".encode()
            ),
            "usr/local/bin/ab": File(SCRIPT, 0o755),
        }
        assert unowned(debian(), wheel) == []
        assert changed(debian(), wheel | {f"{site}/a_b/__init__.py": b"x = 1\n"}) == []
        assert changed(debian(), wheel | {f"{site}/a_b/__init__.py": b"x = 2\n"}) == [
            (f"{site}/a_b/__init__.py", "a-b 1", False)
        ]

    def test_apk_records_sha1(self) -> None:
        stated = base64.b64encode(hashlib.sha1(APP, usedforsecurity=False).digest()).decode()
        database = f"P:app\nV:1-r0\nF:usr/bin\nR:app\na:0:0:755\nZ:Q1{stated}\n".encode()
        alpine: dict[str, Content] = {
            "etc/os-release": b"ID=alpine\nVERSION_ID=3.20\n",
            "lib/apk/db/installed": database,
        }
        assert changed(alpine | {"usr/bin/app": Program(APP)}) == []
        assert changed(alpine | {"usr/bin/app": Program(OTHER)}) == [("usr/bin/app", "app 1-r0", False)]
        assert unowned(alpine | {"usr/bin/app": Program(OTHER)}) == []

    def test_pacman_records_sha256(self) -> None:
        folder = "var/lib/pacman/local/app-1-1"
        line = f"./usr/bin/a\\040b mode=755 sha256digest={hashlib.sha256(APP).hexdigest()}\n"
        tree = f"#mtree\n/set type=file uid=0\n./.PKGINFO size=1\n./usr type=dir\n{line}"
        arch: dict[str, Content] = {
            "etc/os-release": b"ID=arch\n",
            f"{folder}/desc": b"%NAME%\napp\n\n%VERSION%\n1-1\n",
            f"{folder}/mtree": gzip.compress(tree.encode()),
        }
        assert changed(arch | {"usr/bin/a b": Program(APP)}) == []
        assert changed(arch | {"usr/bin/a b": Program(OTHER)}) == [("usr/bin/a b", "app 1-1", False)]


@pytest.mark.parametrize("kind", ["patched", "ssh"])
def test_in_a_real_debian_everything_belongs_to_a_package_and_nothing_is_changed(kind: str) -> None:
    built = real_image(kind)
    (blob,) = [blob for blob in built.blobs.values() if blob.startswith(b"\x1f\x8b")]
    facts = image(inspect_layer([blob], InspectionLimits(), Examiner()))
    assert (facts.unowned, facts.changed) == ((), ())
    assert facts.executables > 400


def test_a_fingerprint_is_the_same_however_the_file_is_cut() -> None:
    for chunk in (7, 4096, 1 << 20):
        found = examined("opt/x", OTHER * 500, 0o755, chunk)
        assert found is not None
        assert found.fingerprint is not None
        assert (found.fingerprint.kind, found.fingerprint.md5) == (ContentKind.PROGRAM, md5(OTHER * 500))
