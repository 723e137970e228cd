"""Beside syft, on the same images: nothing it finds is missed, but for what docs/inspection.md explains.

Each difference is a rule with its reason. A rule that explains nothing any more fails, and so does what none explains.
"""

import importlib.metadata
import json
import os
import shutil
import subprocess
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from scanning.facts import ImageFacts, Package
from scanning.files.examine import Examiner
from scanning.layers.inspect import inspect_layer
from scanning.layers.limits import InspectionLimits
from scanning.layers.overlay import assemble
from scanning.oci.digest import Digest
from scanning.oci.manifest import Descriptor, ImageConfig, Manifest, ManifestKind, Platform
from tests import images
from tests.debian_packages import debian_program
from tests.images import File, TestImage
from tests.kernels import RELEASE, boot_image
from tests.native_images import bill_of, native_image
from tests.real_images import real_image
from tests.rpm_databases import RpmSpec, build, install, need_rpm
from tests.scanning.packages import test_documents_of_installers as documents
from tests.scanning.packages.test_pear import PATH as PECL_ENTRY
from tests.scanning.packages.test_pear import REDIS
from tests.scanning.packages.test_programs import CRATES
from tests.syft import Found, syft_finds

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

NIX = "nix/store/k8h2j4c4x2m8ccz4i1m3q7kkd9bk1zr2-"
ALMA = b'ID=almalinux\nVERSION_ID="9.4"\nPRETTY_NAME="AlmaLinux 9.4"\n'
PROGRAMS = ("bash", "busybox", "curl", "docker-registry", "gzip", "nginx", "openssl", "perl", "xz")
JAR = Path("/usr/share/java/commons-text.jar")

BUNDLES = {
    "libguice-java": "usr/share/java/guice-servlet.jar",
    "libsisu-inject-java": "usr/share/java/sisu-inject.jar",
}

OTHERS = {
    "libnewtonsoft-json5.0-cil": "usr/lib/cli/Newtonsoft.Json-5.0/Newtonsoft.Json.dll",
    "php-pear": "usr/share/php/.registry/archive_tar.reg",
}

Explains = Callable[[Found, set[Found]], bool]


def _at_its_place(found: Found, ours: set[Found], name: str = "", version: str = "") -> bool:
    """Whether ours has it at the same path under another `name` or `version`."""
    return any(
        (one.type, one.path) == (found.type, found.path)
        and one.name == (name or found.name)
        and one.version == (version or found.version)
        for one in ours
    )


DIFFERENCES: Mapping[str, Explains] = {
    "Maven packages carry their group": lambda found, ours: (
        found.type == "maven"
        and any(
            found.path in {"", one.path} and one.version == found.version and one.name.endswith(f":{found.name}")
            for one in ours
        )
    ),
    "Go's standard library has its version without `go`": lambda found, ours: (
        found.name == "stdlib" and _at_its_place(found, ours, version=found.version.removeprefix("go"))
    ),
    "a WordPress plugin is called as its folder": lambda found, ours: (
        found.type == "wordpress-plugin"
        and _at_its_place(found, ours, name=found.path.split("/")[-2], version=found.version)
    ),
    "a .NET library is called as its file": lambda found, ours: (
        found.type == "nuget"
        and any((one.type, one.path, one.version) == (found.type, found.path, found.version) for one in ours)
    ),
    "a module of the kernel's own tree is the kernel": lambda found, _: (
        found.path.startswith("lib/modules/") and "/kernel/" in found.path and found.path.endswith(".ko")
    ),
    "the version of a Go program's own module is not guessed from its linker flags": lambda found, ours: (
        found.type == "golang" and _has(found, ours, version="")
    ),
    "what tells no version has none": lambda found, ours: found.version == "UNKNOWN" and _has(found, ours, version=""),
    "an OSGi bundle is called as its manifest calls it": lambda found, ours: (
        found.type == "maven"
        and any(one.path == found.path and one.version == found.version and "." in one.name for one in ours)
    ),
    "outside of node_modules, what has a name and no version is an entry point of the package above": lambda found, _: (
        found.type == "npm" and found.version == "UNKNOWN" and "node_modules/" not in found.path
    ),
    "Composer's versions are without the `v` of a tag, its names in small letters": lambda found, ours: (
        found.type == "composer"
        and _has(found._replace(name=found.name.lower()), ours, version=found.version.removeprefix("v"))
    ),
}


def _has(found: Found, ours: set[Found], version: str) -> bool:
    return found._replace(version=version) in ours


def facts_of(image: TestImage) -> ImageFacts:
    """What the gate finds in an image."""
    document = json.loads(image.manifest)
    layers = [
        inspect_layer([image.blobs[Digest.parse(one["digest"])]], InspectionLimits(), Examiner())
        for one in document["layers"]
    ]
    described = tuple(
        Descriptor(one["mediaType"], Digest.parse(one["digest"]), one["size"]) for one in document["layers"]
    )
    config = Descriptor(document["config"]["mediaType"], Digest.parse(document["config"]["digest"]), 1)
    manifest = Manifest(image.digest, image.media_type, len(image.manifest), ManifestKind.IMAGE, config, described)
    diff_ids = tuple(layer.diff_id for layer in layers)
    return assemble(manifest, ImageConfig(Platform("linux", "amd64"), diff_ids, user="app"), layers)


def in_syft_s_terms(package: Package) -> Found:
    """One of ours, to be compared."""
    return Found(package.type, package.name, package.version, package.path)


def unexplained(image: TestImage, folder: Path) -> tuple[set[Found], set[str]]:
    """What syft finds in an image and the gate neither finds nor explains; and the reasons that were needed."""
    theirs = syft_finds(image.write_layout(folder))
    assert theirs
    facts = facts_of(image)
    assert facts.problems == ()
    ours = {in_syft_s_terms(package) for package in facts.packages}
    by_name = {(one.type, one.name, one.version) for one in ours}
    missed, needed = set(), set()
    for found in theirs:
        if (found.type, found.name, found.version) in by_name:
            continue
        reasons = {reason for reason, explains in DIFFERENCES.items() if explains(found, ours)}
        needed |= reasons
        if not reasons:
            missed.add(found)
    return missed, needed


def test_nothing_that_syft_finds_in_a_real_debian_is_missed(tmp_path: Path) -> None:
    assert unexplained(real_image("ssh"), tmp_path) == (set(), set())


def test_nothing_that_syft_finds_among_packages_of_many_kinds_is_missed_but_for_what_is_explained(
    tmp_path: Path,
) -> None:
    image = images.image(_rpm_system(tmp_path), _languages(), _programs(tmp_path), _kernel())
    missed, needed = unexplained(image, tmp_path / "layout")
    assert missed == set()
    assert needed == DIFFERENCES.keys()


def test_nothing_that_syft_finds_in_what_npm_ruby_and_rpm_really_installed_is_missed(tmp_path: Path) -> None:
    installed: dict[str, File | bytes] = {}
    for package in ("npm", "libruby3.1", "php-pear"):
        installed |= _files_of(debian_program(package, ""))
    assert unexplained(images.image(installed, _rpm_root(tmp_path)), tmp_path / "layout") == (set(), set())


def _files_of(root: Path) -> dict[str, File | bytes]:
    return {
        str(path.relative_to(root)): File(path.read_bytes(), path.stat().st_mode & 0o7777)
        for path in sorted(root.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }


def _rpm_root(folder: Path) -> dict[str, File | bytes]:
    """All that rpm installs of packages that bring files."""
    need_rpm()
    if os.geteuid() != 0:
        pytest.skip("rpm installs into a root of its own as root only")
    specs = (RpmSpec("zlib", "1.2.11", "40.el9", program="true"), RpmSpec("bash", "5.1.8", "9.el9", program="true"))
    install(folder, build(folder, *specs), with_files=True)
    files = _files_of(folder / "root")
    assert {"usr/bin/zlib", "etc/bash.conf"} < files.keys()
    return {"etc/os-release": ALMA, **files}


def _kernel() -> dict[str, File | bytes]:
    """A kernel to boot, a real module of its tree, and the same as if it came from elsewhere."""
    modules = debian_program("user-mode-linux", "usr/lib/uml/modules")
    own = next(modules.rglob("batman-adv.ko")).read_bytes()
    return {
        f"boot/vmlinuz-{RELEASE}": boot_image(),
        "lib/modules/6.1.0/kernel/net/batman-adv.ko": own,
        "lib/modules/6.1.0/updates/dkms/own.ko": own.replace(b"intree=Y", b"outree=Y").replace(
            b"name=batman_adv", b"name=batman_own"
        ),
    }


def _rpm_system(folder: Path) -> dict[str, File | bytes]:
    need_rpm()
    specs = (
        RpmSpec("zlib", "1.2.11", "40.el9"),
        RpmSpec("bash", "5.1.8", "9.el9", epoch=1, licence="GPL-3.0-or-later"),
    )
    database = install(folder, build(folder, *specs))
    return {"etc/os-release": ALMA, "var/lib/rpm/rpmdb.sqlite": database.read_bytes()}


def _languages() -> dict[str, File | bytes]:
    """What real installers left on this machine, and what installers write that are not on it."""
    files: dict[str, File | bytes] = dict((
            documents.GEM, documents.COMPOSER, documents.DOTNET, documents.CONDA, documents.CRAN, documents.GENTOO,
            documents.ROCK, documents.CONAN, documents.PLUGIN, documents.TEMURIN, documents.PACMAN,
            (PECL_ENTRY, REDIS),
            ("app/package.json", b'{"name": "app", "version": "1.0.0", "license": "MIT"}'),
            ("app/node_modules/@a/b/package.json", b'{"name": "@a/b", "version": "2.1.0"}'),
            ("usr/share/nodejs/a/es6/package.json", b'{"name": "a-es6", "main": "../dist/a.es6.js"}'),
            (f"{NIX}glibc-2.39-52/lib/libc.so.6", b"library"),
            (f"{NIX[:-2]}3-openssl-3.0.14-bin/bin/openssl", b"program"),
    ))  # fmt: skip
    for distribution in importlib.metadata.distributions():
        metadata = distribution.read_text("METADATA")
        if metadata:
            folder = f"{distribution.name}-{distribution.version}.dist-info"
            files[f"usr/lib/python3.11/site-packages/{folder}/METADATA"] = metadata.encode()
    if not JAR.exists():
        pytest.skip("Debian's libcommons-text-java is not installed")
    files["srv/lib/commons-text.jar"] = JAR.read_bytes()
    for package, path in (*BUNDLES.items(), *OTHERS.items()):
        files[path] = debian_program(package, path).read_bytes()
    return files


def _programs(folder: Path) -> dict[str, File | bytes]:
    """Real programs where no package put them; one of them with the section that cargo-auditable adds."""
    files: dict[str, File | bytes] = {f"usr/local/bin/{name}": File(_program(name), 0o755) for name in PROGRAMS}
    files["usr/local/bin/crates"] = File(_audited(folder), 0o755)
    files["usr/local/bin/native"] = File(native_image(folder, bill_of()), 0o755)
    return files


def _program(name: str) -> bytes:
    found = shutil.which(name) or shutil.which(name, path="/usr/sbin:/sbin")
    if found is None:
        pytest.skip(f"{name} is not installed")
    return Path(found).read_bytes()


def _audited(folder: Path) -> bytes:
    if shutil.which("objcopy") is None:
        pytest.skip("objcopy is not installed (Debian's binutils)")
    section, program = folder / "dep-v0", folder / "crates"
    section.write_bytes(zlib.compress(json.dumps({"packages": CRATES, "format": 1}, separators=(",", ":")).encode()))
    command = ["objcopy", "--add-section", f".dep-v0={section}", "/bin/true", str(program)]
    subprocess.run(command, check=True, capture_output=True)
    return program.read_bytes()
