"""Python packages, by the metadata their installers leave."""

import importlib.metadata
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

from scanning.errors import InvalidContentError
from scanning.facts import Package
from scanning.packages import python

METADATA = "usr/lib/python3/dist-packages/Jinja2-2.10.dist-info/METADATA"

GOLDEN = b"""\
Metadata-Version: 2.1
Name: Jinja2
Version: 2.10
Summary: A small but fast and easy to use stand-alone template engine written in pure python.
License: BSD
Platform: UNKNOWN
Classifier: License :: OSI Approved :: BSD License
Requires-Dist: MarkupSafe (>=0.23)

Name: not-a-header
"""


def test_the_package_it_describes() -> None:
    assert python.read(METADATA, GOLDEN) == (
        Package("pypi", "jinja2", "2.10", "jinja2", "2.10", METADATA, licences=("BSD",)),
    )


@pytest.mark.parametrize(
    ("name", "normalised"), [("zope.interface", "zope-interface"), ("ruamel_yaml", "ruamel-yaml"), ("A__B", "a-b")]
)
def test_names_are_normalised(name: str, normalised: str) -> None:
    (package,) = python.read(METADATA, f"Name: {name}\nVersion: 1\n".encode())
    assert package.name == package.source_name == normalised


@pytest.mark.parametrize(
    "content",
    [
        b"\xef\xbb\xbfMetadata-Version: 1.0\nName: odd\nVersion: 1\n",
        b"Metadata-Version: 1.0\r\nName: odd\r\nVersion: 1\r\n\r\nbody",
        b"no header at all\nname: odd\nVERSION: 1\n",
        b"Author: Andr\xe9\nName: odd\nVersion: 1\n",
        b"License: a\n  very\n        Name: long licence\nName: odd\nVersion: 1\n",
        b"Name: odd\nVersion: 1\nName: odd\n",
    ],
)
def test_odd_headers_are_tolerated(content: bytes) -> None:
    (package,) = python.read(METADATA, content)
    assert (package.name, package.version) == ("odd", "1")


def test_a_licence_expression_wins_and_a_whole_text_is_left_out() -> None:
    both = b"Name: a\nVersion: 1\nLicense: " + b"text " * 50 + b"\n"
    assert python.read(METADATA, both)[0].licences == ()
    assert python.read(METADATA, both + b"License-Expression: MIT\n")[0].licences == ("MIT",)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "Name or Version is missing"),
        (b"Name: a\n", "Name or Version is missing"),
        (b"Version: 1\n", "Name or Version is missing"),
        (b"Name: a\n\nVersion: 1\n", "Name or Version is missing"),
        (b"Name: a\nVersion: 1\nVersion: 2\n", "two different values for Version"),
        (b"Name: a b\nVersion: 1\n", "no package name"),
        (b"Name: a\nVersion: 1 beta\n", "no version"),
    ],
)
def test_t52_metadata_that_does_not_name_a_package_is_refused(content: bytes, reason: str) -> None:
    with pytest.raises(InvalidContentError, match=reason):
        python.read(METADATA, content)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (METADATA, True),
        ("proc/.git/x.dist-info/METADATA", True),
        ("app/x.egg-info/PKG-INFO", True),
        ("usr/lib/python3/dist-packages/x-1.egg-info", True),
        ("app/x.egg/EGG-INFO/PKG-INFO", True),
        ("app/PKG-INFO", False),
        ("app/METADATA", False),
        ("app/x.dist-info/RECORD", False),
        ("app/x.egg-info/requires.txt", False),
    ],
)
def test_which_files_it_reads_whatever_folder_they_hide_in(path: str, expected: bool) -> None:
    assert python.matches(path) is expected


def test_every_distribution_installed_beside_these_tests() -> None:
    for distribution in importlib.metadata.distributions():
        metadata = Path(str(distribution.locate_file(""))) / f"{distribution._path.name}/METADATA"  # type: ignore[attr-defined] # the folder's name has no public accessor
        if metadata.exists():
            (package,) = python.read(str(metadata), metadata.read_bytes())
            assert (package.name, package.version) == (canonicalize_name(distribution.name), distribution.version)
