"""What installers write down of what they have installed: every format of text and JSON."""

import json
from typing import Any

from packageurl import PackageURL

from scanning.packages.purl import purl
from tests.fuzz import forge
from tests.fuzz.reading import read_file
from tests.images import dpkg_status

_HASH = "a" * 64
_DOCUMENTS: tuple[tuple[str, Any], ...] = (
    ("srv/node_modules/a/package.json", {"name": "@a/b", "version": "1.2.3", "license": {"type": "MIT"}}),
    ("srv/node_modules/a/package.json", {"name": "a", "version": "1", "licenses": [{"type": "MIT"}, "ISC"]}),
    ("srv/vendor/composer/installed.json", {"packages": [{"name": "a/b", "version": "v1.0", "license": ["MIT"]}]}),
    ("srv/vendor/composer/installed.json", [{"name": "a/b", "version": "1.0.0", "version_normalized": "1.0.0.0"}]),
    ("app/a.deps.json", {"libraries": {"A.B/1.0.0": {"type": "package"}, "App/1.0": {"type": "project"}}}),
    (
        "opt/conda/conda-meta/a-1-0.json",
        {
            "name": "a",
            "version": "1",
            "files": ["lib/a"],
            "license": "MIT",
            "subdir": "linux-64",
            "paths_data": {"paths": [{"_path": "lib/a", "sha256": _HASH, "sha256_in_prefix": _HASH}]},
        },
    ),
    ("opt/bitnami/a/.spdx-a.spdx", {"packages": [{"name": "a", "versionInfo": "1", "licenseDeclared": "MIT"}]}),
)
_TEXTS = (
    ("var/lib/dpkg/status", dpkg_status(("base-files", "12.4"), ("libssl3", "3.0.11-1", "openssl (3.0.11-1)"))),
    ("var/lib/dpkg/status.d/a", b"Package: a\nVersion: 1:2.3-4\nSource: b (2)\nConffiles:\n /etc/a 0123\n"),
    ("lib/apk/db/installed", b"P:musl\nV:1.2.5-r0\nA:x86_64\no:musl\nL:MIT\nF:lib\nR:ld.so\na:0:0:755\n\nP:b\nV:1\n"),
    ("var/lib/pacman/local/a-1-1/desc", b"%NAME%\na\n\n%VERSION%\n1-1\n\n%ARCH%\nx86_64\n\n%LICENSE%\nMIT\n\n"),
    ("usr/lib/python3/a.dist-info/METADATA", b"Metadata-Version: 2.1\nName: a\nVersion: 1.0\nLicense: MIT\n\nx"),
    ("usr/lib/ruby/specifications/a-1.gemspec", b's.name = "a".freeze\n  s.version = "1"\n  s.licenses = ["MIT"]\n'),
    ("usr/lib/R/library/a/DESCRIPTION", b"Package: a\nVersion: 1.0\nLicense: GPL-2\nBuilt: R 4.3\n"),
    ("usr/lib/lua/rocks/a/1-1/a-1-1.rockspec", b'package = "a"\nversion = "1-1"\n'),
    ("srv/conaninfo.txt", b"[settings]\narch=x86_64\n[requires]\nzlib/1.3\n[full_requires]\nzlib/1.3:abc\n"),
    ("srv/wp-content/plugins/a/a.php", b"<?php\n/*\n * Plugin Name: A\n * Version: 1.0\n */\n"),
    ("usr/lib/jvm/java-17/release", b'IMPLEMENTOR="Eclipse Adoptium"\nJAVA_VERSION="17.0.9"\n'),
    ("var/db/pkg/app/a-1/CONTENTS", b"dir /usr\nobj /usr/bin/a d41d8cd98f00b204e9800998ecf8427e 1700000000\n"),
)


def installed(data: bytes) -> None:
    """A document that is changed: whatever packages it tells of have purls that are read as they were written."""
    choice, changes = data[:1] or b"\0", data[1:]
    number = choice[0] % (len(_DOCUMENTS) + len(_TEXTS))
    if number < len(_DOCUMENTS):
        path, document = _DOCUMENTS[number]
        written = json.dumps(forge.forged(document, changes), ensure_ascii=choice[0] % 2 == 0)
    else:
        path, text = _TEXTS[number - len(_DOCUMENTS)]
        written = forge.lines(text.decode(), changes)
    for package in read_file(path, written.encode("utf-8", "surrogatepass")).packages:
        name = purl(package, None)
        assert PackageURL.from_string(name).to_string() == name, name
