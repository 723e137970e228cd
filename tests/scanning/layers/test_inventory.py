"""The packages of an image: what is told twice counts once, and no claim of the image hides anything."""

from scanning.facts import Package
from tests.images import File, debian, dpkg_status
from tests.scanning.files.files import ELF
from tests.scanning.layers.test_overlay import Program, image, layer, purls
from tests.scanning.packages.test_licences import COPYRIGHT, DEP5
from tests.scanning.packages.test_programs import audited, note

NGINX = Program(ELF + b"\0nginx version: nginx/1.22.1\0" + bytes(64))
OWNED = {"var/lib/dpkg/info/nginx.list": b"/.\n/usr\n/usr/sbin\n/usr/sbin/nginx\n"}
HASH = "k8h2j4c4x2m8ccz4i1m3q7kkd9bk1zr2"


def names(*packages: Package) -> set[tuple[str, str, str]]:
    """Types, names and versions."""
    return {(package.type, package.name, package.version) for package in packages}


def test_a_program_that_no_package_owns_is_a_package_of_its_own() -> None:
    facts = image(layer({**debian(), "usr/local/sbin/nginx": NGINX}))
    assert "pkg:generic/nginx@1.22.1" in purls(facts)
    (found,) = (package for package in facts.packages if package.type == "generic")
    assert (found.path, found.layer) == ("usr/local/sbin/nginx", facts.layers[0])


def test_a_program_is_not_told_beside_the_package_that_owns_it_and_says_the_same() -> None:
    facts = image(layer({**debian(("nginx", "1.22.1-9+deb12u3")), **OWNED, "usr/sbin/nginx": NGINX}))
    assert names(*facts.packages) == {("deb", "nginx", "1.22.1-9+deb12u3")}


def test_t52_an_owner_whose_version_is_not_the_program_s_hides_nothing() -> None:
    for version in ("1.27.0-1", "1.22.10-1", "11.22.1-1", "1.22.1.4-1"):
        facts = image(layer({**debian(("nginx", version)), **OWNED, "usr/sbin/nginx": NGINX}))
        assert ("generic", "nginx", "1.22.1") in names(*facts.packages), version


def test_t52_owning_a_path_without_being_installed_hides_nothing() -> None:
    facts = image(layer({**debian(), **OWNED, "usr/sbin/nginx": NGINX}))
    assert "pkg:generic/nginx@1.22.1" in purls(facts)


def test_t52_who_maintains_a_package_is_no_reason_to_pass_it_over() -> None:
    status = dpkg_status(("curl", "7.88.1-10")) + b"Maintainer: Third Party <packages@example.org>\n"
    facts = image(layer({**debian(), "var/lib/dpkg/status": status}))
    assert names(*facts.packages) == {("deb", "curl", "7.88.1-10")}


def test_t52_files_that_a_package_lists_are_read_all_the_same() -> None:
    files = {
        "usr/lib/python3/dist-packages/jinja2-2.10.dist-info/METADATA": b"Name: Jinja2\nVersion: 2.10\n",
        "app/node_modules/lodash/package.json": b'{"name": "lodash", "version": "4.17.0"}',
    }
    sums = "".join(f"d41d8cd98f00b204e9800998ecf8427e  {path}\n" for path in files).encode()
    listed = "".join(f"/{path}\n" for path in files).encode()
    claims = {"var/lib/dpkg/info/base-files.md5sums": sums, "var/lib/dpkg/info/base-files.list": listed}
    facts = image(layer({**debian(), **claims, **files}))
    assert {"pkg:pypi/jinja2@2.10", "pkg:npm/lodash@4.17.0"} <= purls(facts)


def test_t52_which_installer_a_python_package_names_does_not_matter() -> None:
    folder = "usr/lib/python3/site-packages/jinja2-2.10.dist-info"
    files = {f"{folder}/METADATA": b"Name: Jinja2\nVersion: 2.10\n", f"{folder}/INSTALLER": b"rpm\n"}
    assert "pkg:pypi/jinja2@2.10" in purls(image(layer({**debian(), **files})))


def test_t52_a_program_named_as_package_metadata_is_read_as_a_program_too() -> None:
    facts = image(layer({"app/package.json": Program(audited()), "opt/jdk/release": NGINX}))
    assert {"pkg:cargo/itoa@1.0.15", "pkg:generic/nginx@1.22.1"} <= purls(facts)


def test_a_program_s_note_counts_where_no_database_knows_its_package() -> None:
    alone = image(layer({"bin/a": Program(note(name="bash")), "bin/b": Program(note(name="bash"))}))
    assert names(*alone.packages) == {("rpm", "bash", "5.2.26-3.fc40")}
    known = image(layer({**debian(("bash", "5.2.15-2")), "bin/bash": Program(note("deb", "bash", "5.2.14-1"))}))
    assert names(*known.packages) == {("deb", "bash", "5.2.15-2")}


def test_the_folders_of_nix_store_are_packages_of_the_layer_that_adds_them() -> None:
    base = layer({f"nix/store/{HASH}-hello-2.12.1/bin/hello": Program()})
    facts = image(base, layer({f"nix/store/{HASH}-openssl-3.0.14-bin/bin/openssl": Program()}))
    assert {(package.purl, package.layer) for package in facts.packages} == {
        ("pkg:nix/hello@2.12.1", facts.layers[0]),
        ("pkg:nix/openssl@3.0.14", facts.layers[1]),
    }


def test_licences_are_those_that_lie_beside_a_package() -> None:
    copyright_ = File(f"{DEP5}Files: *\nLicense: Apache-2.0\n".encode())
    facts = image(layer({**debian(("libssl3", "3.0.14-1"), ("curl", "7.88.1-10")), COPYRIGHT: copyright_}))
    assert {package.name: package.licences for package in facts.packages} == {"libssl3": ("Apache-2.0",), "curl": ()}


def test_licences_of_a_gentoo_package() -> None:
    folder = "var/db/pkg/app-misc/jq-1.6"
    (package,) = image(layer({f"{folder}/CONTENTS": b"", f"{folder}/LICENSE": b"MIT\n"})).packages
    assert (package.purl, package.licences) == ("pkg:ebuild/app-misc/jq@1.6", ("MIT",))
