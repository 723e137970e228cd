"""Licences told beside packages: Debian's copyright files and Gentoo's LICENSE."""

import pytest

from scanning.facts import Package
from scanning.packages import licences

COPYRIGHT = "usr/share/doc/libssl3/copyright"
DEP5 = "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\nUpstream-Name: x\n\n"


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        ("GPL-2+", "GPL-2.0-or-later"),
        ("GPL-3", "GPL-3.0-only"),
        ("LGPL-2.1+", "LGPL-2.1-or-later"),
        ("Expat", "MIT"),
        ("BSD-3-clause or GPL-2", "BSD-3-Clause OR GPL-2.0-only"),
        ("GPL-1+ or Artistic", "GPL-1.0-or-later OR Artistic-1.0-Perl"),
        ("Apache-2.0", "Apache-2.0"),
        ("BSD-3-clause~Google", None),
        ("Permission is hereby granted, free of charge", None),
        ("GPL-2+ with Autoconf exception", "GPL-2.0-or-later WITH Autoconf exception"),
    ],
)
def test_debian_s_short_names_are_told_as_spdx_s(told: str, expected: str | None) -> None:
    assert licences.read(COPYRIGHT, f"{DEP5}Files: *\nLicense: {told}\n".encode()) == ((expected,) if expected else ())


def test_each_licence_is_told_once_in_order() -> None:
    text = DEP5 + "Files: *\nLicense: MIT\n text\n\nFiles: b\nLicense: GPL-2+\n\nLicense: MIT\n Permission\n"
    assert licences.read(COPYRIGHT, text.encode()) == ("MIT", "GPL-2.0-or-later")


def test_prose_is_told_by_the_texts_it_names() -> None:
    text = "This is free software; see /usr/share/common-licenses/GPL-2, and\n/usr/share/common-licenses/LGPL-2.1.\n"
    assert licences.read(COPYRIGHT, text.encode()) == ("GPL-2.0-only", "LGPL-2.1-only")


def test_a_file_with_very_many_licences_is_bounded() -> None:
    text = DEP5 + "".join(f"License: X-{number}\n\n" for number in range(1000))
    assert len(licences.read(COPYRIGHT, text.encode())) == licences.MAX_LICENCES


def test_gentoo_s_file_is_told_as_it_stands() -> None:
    path = "var/db/pkg/app-misc/jq-1.6/LICENSE"
    assert licences.matches(path)
    assert licences.read(path, b"MIT ||\n( CC-BY-3.0 )\n") == ("MIT || ( CC-BY-3.0 )",)


@pytest.mark.parametrize(
    ("package", "expected"),
    [
        (Package("deb", "libssl3", "3", "openssl", "3", "var/lib/dpkg/status"), COPYRIGHT),
        (
            Package("ebuild", "app-misc/jq", "1", "app-misc/jq", "1", "var/db/pkg/app-misc/jq-1/CONTENTS"),
            "var/db/pkg/app-misc/jq-1/LICENSE",
        ),
        (Package("rpm", "jq", "1", "jq", "1", "var/lib/rpm/Packages"), ""),
    ],
)
def test_where_the_licences_of_a_package_are_told(package: Package, expected: str) -> None:
    assert licences.file_of(package) == expected
    assert not expected or licences.matches(expected)
