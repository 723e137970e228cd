"""Makes the first inputs of each target, of what other tests are made of: `python -m tests.fuzz.seeds`."""

import json
from collections.abc import Iterator, Mapping

from tests import builders
from tests.fuzz import corpus, rpm
from tests.fuzz.targets import FILES, FORGED, TARGETS
from tests.images import OS_RELEASE_12, PASSWD, dpkg_status
from tests.kernels import boot_image, module
from tests.native_images import bill_of
from tests.scanning.advisories.records import affected, fixed, record
from tests.scanning.layers.archives import GNU, long_name, member, pax
from tests.scanning.oci.shapes import CONFIGS, MANIFESTS, body
from tests.scanning.packages.test_assembly import LIBRARY, library
from tests.scanning.packages.test_golang import MODULES, info
from tests.scanning.packages.test_java import archive as java_archive
from tests.scanning.packages.test_java import pom
from tests.scanning.packages.test_pear import REDIS
from tests.scanning.packages.test_programs import NGINX, audited, note
from tests.scanning.signatures.signing import (
    IMAGE,
    bundle,
    envelope,
    message_signature,
    new_key,
    payload_of,
    statement_of,
)

_POM = b"groupId=g\nartifactId=a\nversion=1\n"
_APK = b"P:musl\nV:1.2.5-r0\nA:x86_64\no:musl\nL:MIT\nF:lib\nR:ld.so\na:0:0:755\nZ:Q1thiWFKs3P7wS8ZFQNTOuN2D4Xlw=\n\n"
_TEXTS: Mapping[str, bytes] = {
    "var/lib/dpkg/status": dpkg_status(("base-files", "12.4"), ("libssl3", "3.0.11-1", "openssl (3.0.11-1)")),
    "var/lib/dpkg/status.d/a": dpkg_status(("a", "1:2.3-4")),
    "var/lib/dpkg/info/a.list": b"/.\n/usr\n/usr/bin\n/usr/bin/a\n",
    "var/lib/dpkg/info/a.md5sums": b"d41d8cd98f00b204e9800998ecf8427e  usr/bin/a\n",
    "var/lib/dpkg/diversions": b"/usr/bin/a\n/usr/bin/a.real\nb\n",
    "lib/apk/db/installed": _APK,
    "var/lib/pacman/local/a-1-1/desc": b"%NAME%\na\n\n%VERSION%\n1-1\n\n%ARCH%\nx86_64\n\n%LICENSE%\nMIT\n\n",
    "var/db/pkg/app/a-1/CONTENTS": b"dir /usr\nobj /usr/bin/a d41d8cd98f00b204e9800998ecf8427e 1700000000\n",
    "var/db/pkg/app/a-1/LICENSE": b"|| ( GPL-2 MIT )\n",
    "usr/lib/python3/dist-packages/a.dist-info/METADATA": b"Name: a\nVersion: 1.0\nLicense: MIT\n\nx",
    "usr/lib/python3/dist-packages/a.dist-info/RECORD": b"a.py,sha256=47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU,0\n",
    "usr/lib/python3/dist-packages/a.egg-info": b"Name: a\nVersion: 1\n",
    "srv/node_modules/a/package.json": b'{"name": "@a/b", "version": "1.2.3", "license": {"type": "MIT"}}',
    "usr/lib/ruby/specifications/a-1.gemspec": b's.name = "a".freeze\n  s.version = "1"\n',
    "srv/vendor/composer/installed.json": b'{"packages": [{"name": "a/b", "version": "v1.0", "license": ["MIT"]}]}',
    "app/a.deps.json": b'{"libraries": {"A.B/1.0.0": {"type": "package"}, "App/1.0": {"type": "project"}}}',
    "opt/conda/conda-meta/a-1-0.json": b'{"name": "a", "version": "1", "files": ["lib/a"], "license": "MIT"}',
    "usr/lib/R/library/a/DESCRIPTION": b"Package: a\nVersion: 1.0\nLicense: GPL-2\nBuilt: R 4.3\n",
    "app/a-1.jar": java_archive(pom("g", "a", "1") | {"lib/b-2.jar": java_archive(pom("g", "b", "2"))}),
    "usr/lib/lua/rocks/a/1-1/a-1-1.rockspec": b'package = "a"\nversion = "1-1"\n',
    "srv/conaninfo.txt": b"[settings]\narch=x86_64\n[requires]\nzlib/1.3\n[full_requires]\nzlib/1.3:abc\n",
    "srv/wp-content/plugins/a/a.php": b"<?php\n/*\n * Plugin Name: A\n * Version: 1.0\n */\n",
    "usr/lib/jvm/java-17/release": b'IMPLEMENTOR="Eclipse Adoptium"\nJAVA_VERSION="17.0.9"\n',
    "opt/bitnami/a/.spdx-a.spdx": b'{"packages": [{"name": "a", "versionInfo": "1"}]}',
    "etc/passwd": PASSWD,
    "etc/shadow": b"root::19000:0:99999:7:::\napp:!:19000::::::\n",
    "etc/os-release": OS_RELEASE_12,
    "usr/share/doc/a/copyright": b"Format: copyright-format/1.0\n\nFiles: *\nLicense: GPL-2+\n",
    "etc/a.conf": b"aws_secret_access_key = AKIAIOSFODNN7EXAMPLE\npassword: hunter2hunter2\n",
    "root/.ssh/id_rsa": b"-----BEGIN PRIVATE KEY-----\nMIIBVAIBADANBgkqhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----\n",
    "srv/a.p12": b"\x30\x82\x01\x00\x02\x01\x03\x30\x80\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x01",
    "usr/bin/a": NGINX,
    "bin/busybox": b"\x7fELF" + bytes(60) + b"BusyBox v1.36.1\0[\0ash\0nc\0wget\0",
}


def seeds() -> Iterator[tuple[str, bytes]]:
    """Targets and inputs."""
    images = (builders.kaniko, builders.jib, builders.bazel, builders.apko, builders.nix, builders.buildkit)
    for image in (*(build() for build in images), builders.podman_chunked(), builders.windows_of_ko()):
        for blob in image.blobs.values():
            yield ("manifest" if blob[:1] == b"{" else "layer"), blob
        yield "manifest", image.manifest
    yield "manifest", builders.buildkit_index().manifest
    for archive in (
        member(b"a", b"b" * 600) + member(b"c/", kind=b"5") + member(b"d", kind=b"2", link=b"a"),
        pax((b"path", b"e" * 200), (b"SCHILY.xattr.security.capability", b"\1\0\0\2" + bytes(16))) + member(b"x", b"y"),
        long_name(b"f" * 150)
        + member(b"x", magic=GNU)
        + long_name(b"g" * 120, b"K")
        + member(b"h", kind=b"2", magic=GNU),
    ):
        yield "archive", archive
    for ops in (
        b"\x01\x02\x03\x04" * 3,
        b"\x03\x02\x03\x44\x02\x04\x01\x10\x00\x00\x00\x00\x05\x02\x00\x11\x01\x06\x00\x00",
    ):
        yield "overlay", ops
    databases = {
        "var/lib/rpm/Packages": rpm.berkeley(rpm.header()),
        "var/lib/rpm/Packages.db": rpm.ndb(rpm.header()),
        "var/lib/rpm/rpmdb.sqlite": rpm.sqlite(rpm.header()),
    }
    binaries = {
        "usr/share/php/.registry/a.reg": REDIS,
        "lib/modules/6.1/a.ko": module({"name": "a", "version": "1", "license": "GPL"}),
        "boot/vmlinuz": boot_image(pointer=0x200)[:1200],
        "app/a.dll": library(LIBRARY),
    }
    for path, content in {**_TEXTS, **databases, **binaries}.items():
        yield "file", bytes([FILES.index(path)]) + content
    native = b"\0__svm_version_info\0" + bill_of()
    for content in (native, NGINX, audited(), note(), note("deb"), bytes(60) + info(b"go1.26.8", MODULES)):
        yield "program", content.removeprefix(b"\x7fELF")
    yield "jar", b"\xff\xfe".join((b"Implementation-Title: a\n b\n", _POM, b"<licenses><name>MIT</name></licenses>"))
    yield "jar", java_archive(pom("g", "a", "1"))
    yield "mtree", b"#mtree\n/set type=file\n./usr type=dir\n./a sha256digest=" + b"a" * 64 + b"\n./a\\040b type=link\n"
    for document in (*(shape for shape, _ in MANIFESTS.values()), *CONFIGS.values()):
        yield "manifest", body(document)
    key = new_key()
    for text in (
        json.dumps(payload_of(IMAGE)),
        bundle(dsseEnvelope=envelope(key, statement_of(IMAGE))).payload,
        bundle(messageSignature=message_signature(key, b"image")).payload,
    ):
        yield "signature", text.encode() + b"\0c2lnbmF0dXJl"
    yield "advisory", record("CVE-2026-1", affected("Debian:12", "bash", fixed("5.2-1")), aliases=["DSA-1"])
    yield "advisory", b'{"bomFormat": "CycloneDX", "components": [{"type": "library", "purl": "pkg:npm/a@1"}]}'
    reference = b'{"referenceType": "purl", "referenceLocator": "pkg:npm/a@1"}'
    yield "advisory", b'{"spdxVersion": "SPDX-2.3", "packages": [{"externalRefs": [%b]}]}' % reference
    for pair in (
        b"1.2.3\n1.2.3-rc.1",
        b"1:2.0~rc1-1+b2\n2.0-1",
        b"v1.0.0+incompatible\nv1.0.1-0.20200101000000-abcdefabcdef",
        b"1.0_p1-r2\n1.0_git",
    ):
        yield "versions", pair
    for told in (
        b"MIT OR (GPL-2.0+ AND LicenseRef-x)",
        b"GPLv2+ and ASL 2.0",
        b"MIT/Apache-2.0",
        b"()MIT",
        b"( OR MIT",
    ):
        yield "licence", told
    for target in FORGED:
        for choice in range(32):  # each kind of whole, unchanged and with one change
            yield target, bytes([choice])
            yield target, bytes([choice, 0, 7 * choice, choice, choice // 8, 5 * choice])


def main() -> None:
    """Put the seeds beside what is kept of each target."""
    made: dict[str, list[bytes]] = {name: [] for name in TARGETS}
    for target, content in seeds():
        made[target].append(content)
    for target, inputs in made.items():
        corpus.write(target, [*corpus.read(target), *inputs])


if __name__ == "__main__":
    main()
