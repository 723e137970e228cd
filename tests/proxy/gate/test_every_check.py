"""H01 to H27, each in an image that has it: the verdict says which check, where, in which layer, made by what, and how
to mend it.

The images are pushed as bytes and read by a worker, so nothing here knows how a check is found out.
"""

import gzip
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from hashlib import md5
from typing import Any, Final

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from proxy.errors import DeniedError
from scanning.advisories.lifecycle import End, Release
from scanning.hardening.catalogue import CHECKS
from scanning.oci import media_types
from scanning.oci.digest import Digest
from scanning.verdict import Violation
from tests.images import PASSWD, File, TestImage, debian, descriptor, dpkg_status, image, image_of_layers, tar
from tests.proxy.gate.world import World, layers_of, policy_text
from tests.scanning.advisories.records import advisory, affected, fixed
from tests.scanning.layers.archives import END, header, member, pax
from tests.scanning.signatures.signing import new_key

POLICY: Final = policy_text(
    deny={
        "tools": {
            "kinds": [
                *("ssh-server", "ssh-client", "netcat", "telnet", "network-scanner", "debugger", "privilege"),
                *("package-manager", "compiler"),
            ]
        },
        "findings": {"severity": "low"},
        "end_of_life": {"support": "standard"},
        "secrets": {},
        "root_user": {"effect": "reject"},
        "hardening": {"gravity": "info", "effect": "reject"},
    },
    require={"base": {}, "signatures": {"of": []}},
)
PROGRAM: Final = File(b"\x7fELF" + bytes(60), 0o755)
KEY: Final = new_key().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
CAPABLE: Final = bytes.fromhex("0100000200200000000000000000000000000000")
"""cap_net_raw+ep as the kernel keeps it in security.capability (struct vfs_cap_data, revision 2)."""


def with_files(files: Mapping[str, File | bytes], **more: Any) -> TestImage:
    """A Debian, and these files in a layer above it."""
    return image(debian(), files, **more)


def with_packages(*packages: tuple[str, str]) -> TestImage:
    """A Debian, and these packages in its database in a layer above it."""
    return image(debian(), {"var/lib/dpkg/status": dpkg_status(*packages)})


def with_archive(archive: bytes) -> TestImage:
    """A Debian, and this archive as the layer above it."""
    layers = [(gzip.compress(one, mtime=0), Digest.of(one)) for one in (tar(debian()), archive)]
    return image_of_layers(layers, media_type=media_types.OCI_MANIFEST)


def with_capability() -> TestImage:
    """A Debian, and a program above it that may open raw sockets."""
    said = pax((b"SCHILY.xattr.security.capability", CAPABLE))
    return with_archive(said + member(b"usr/bin/ping", PROGRAM.content, mode=b"0000755\0") + END)


def built_by(step: str) -> TestImage:
    """A Debian, and a layer above it that this build step made."""
    made = image(debian(), {"srv/made": step.encode()})
    manifest = json.loads(made.manifest)
    config = json.loads(made.blobs[Digest.parse(manifest["config"]["digest"])])
    config["history"][1]["created_by"] = step
    body = json.dumps(config).encode()
    manifest["config"] = descriptor(body, media_types.OCI_CONFIG)
    layers = {digest: made.blobs[digest] for digest in layers_of(made)}
    return TestImage(json.dumps(manifest).encode(), made.media_type, {Digest.of(body): body, **layers})


@dataclass(frozen=True)
class Case:
    """An image, where the check is to be seen, and whether a layer is to blame: the upper one, "layer 1"."""

    image: TestImage
    where: str
    in_layer: bool = True


CASES: Final = {
    "H01": Case(with_files({"srv/a": b""}, user=""), "the image configuration", in_layer=False),
    "H02": Case(with_files({"srv/b": b""}), "", in_layer=False),
    "H03": Case(with_packages(("openssh-server", "1:9.2p1-2")), "var/lib/dpkg/status"),
    "H04": Case(with_packages(("openssh-client", "1:9.2p1-2")), "var/lib/dpkg/status"),
    "H05": Case(with_packages(("netcat-openbsd", "1.219-1")), "var/lib/dpkg/status"),
    "H06": Case(with_packages(("nmap", "7.93-1")), "var/lib/dpkg/status"),
    "H07": Case(with_packages(("sudo", "1.9.13p3-1")), "var/lib/dpkg/status"),
    "H08": Case(with_packages(("apt", "2.6.1")), "var/lib/dpkg/status"),
    "H09": Case(with_packages(("gcc-12", "12.2.0-14")), "var/lib/dpkg/status"),
    "H10": Case(with_packages(("openssl", "3.0.14-1")), "package openssl 3.0.14-1"),
    "H11": Case(with_packages(("zlib1g", "1:1.1")), "package zlib1g 1:1.1"),
    "H12": Case(with_files({"srv/c": b""}), "etc/os-release", in_layer=False),
    "H13": Case(with_files({"srv/d": b""}), "", in_layer=False),
    "H14": Case(with_files({"srv/e": b""}), "the image configuration", in_layer=False),
    "H15": Case(built_by("RUN /bin/sh -c apt-get update # buildkit"), "history 2", in_layer=False),
    "H16": Case(with_files({"opt/x": File(PROGRAM.content, 0o4755)}), "opt/x"),
    "H17": Case(with_capability(), "usr/bin/ping"),
    "H18": Case(built_by("ADD https://example.org/app.tar.gz / # buildkit"), "history 2", in_layer=False),
    "H19": Case(
        with_files({"srv/f": b""}, env=("AWS_SECRET_ACCESS_KEY=wJalrXUtnFEMIK7MDENGbPxRfiCYzT4uNq8sVb2L",)),
        "env AWS_SECRET_ACCESS_KEY",
        in_layer=False,
    ),
    "H20": Case(with_files({"srv/key.pem": KEY}), "srv/key.pem line 1"),
    "H21": Case(with_files({"usr/bin/app": PROGRAM}), "usr/bin/app"),
    "H22": Case(
        image(
            debian()
            | {
                "usr/bin/tool": PROGRAM,
                "var/lib/dpkg/info/base-files.list": b"/usr/bin/tool\n",
                "var/lib/dpkg/info/base-files.md5sums": md5(PROGRAM.content, usedforsecurity=False).hexdigest().encode()
                + b"  usr/bin/tool\n",
            },
            {"usr/bin/tool": File(b"\x7fELF" + b"1" * 60, 0o755)},
        ),
        "usr/bin/tool",
    ),
    "H23": Case(with_files({"etc/passwd": PASSWD + b"toor:x:0:0::/root:/bin/sh\n"}), "etc/passwd"),
    "H24": Case(with_files({"usr/bin/anybody": File(PROGRAM.content, 0o777)}), "usr/bin/anybody"),
    "H25": Case(
        with_files({"srv/g": b""}, extra_config={"ExposedPorts": {"22/tcp": {}}}),
        "the image configuration",
        in_layer=False,
    ),
    "H26": Case(with_archive(header(b"a", size=b"\0" + b"0" * 10 + b"\0") + END), "byte 0"),
    "H27": Case(with_files({"root/.ssh/authorized_keys": b"ssh-ed25519 AAAA somebody\n"}), "root/.ssh/authorized_keys"),
}


async def refused(world: World, pushed: TestImage) -> tuple[Violation, ...]:
    """Push an image to a gate that asks for everything, and give the reasons why it is not admitted."""
    await world.change_policy(POLICY)
    await world.publish_release("debian", Release(("12", "bookworm"), End(date(2020, 1, 2))))
    await world.publish_exploited("CVE-2026-0002")
    await world.publish_advisories(
        advisory("DSA-1-1", affected("Debian:12", "openssl", fixed("3.0.15-1"))),
        advisory("DSA-2-1", affected("Debian:12", "zlib1g", fixed("1:1.2")), upstream=["CVE-2026-0002"]),
    )
    with suppress(DeniedError):
        await world.push(pushed)
    return (await world.verdict(pushed.digest)).violations


@pytest.mark.asyncio(loop_scope="session")
@pytest.mark.parametrize("check", CASES)
async def test_it_is_found_shown_and_told_how_to_mend(small_world: World, check: str) -> None:
    case = CASES[check]
    found = [one for one in await refused(small_world, case.image) if one.check == check]
    assert found, f"{check} is not among the reasons"
    for one in found:
        assert one.rule == CHECKS[check].rule
        assert all((one.subject, one.why, one.remedy))
    places = {one.where: one for one in found}
    assert case.where in places
    blamed = places[case.where]
    if case.in_layer:
        assert (blamed.layer, blamed.created_by) == (layers_of(case.image)[1], "layer 1")


def test_each_of_the_27_has_its_case() -> None:
    assert list(CASES) == [f"H{number:02}" for number in range(1, 28)]
    assert all(any(said.startswith(("CIS", "NIST")) for said in CHECKS[check].references) for check in CASES)
