"""npm packages: which package.json is an installation, which a fixture of somebody's tests, and which neither."""

import json

import pytest

from scanning.errors import InvalidContentError
from scanning.facts import Package
from scanning.packages import npm

INSTALLED = "app/node_modules/left-pad/package.json"
FIXTURE = "app/node_modules/resolve/test/resolver/node_modules/broken/package.json"


def document(**fields: object) -> bytes:
    return json.dumps(fields).encode()


def test_name_version_and_licence() -> None:
    assert npm.read(INSTALLED, document(name="left-pad", version="1.3.0", license="WTFPL")) == (
        Package("npm", "left-pad", "1.3.0", "left-pad", "1.3.0", INSTALLED, licences=("WTFPL",)),
    )


def test_scoped_names() -> None:
    path = "app/node_modules/@angular/core/package.json"
    (package,) = npm.read(path, document(name="@angular/core", version="17.0.0"))
    assert package.name == "@angular/core"


def test_an_installation_without_a_name_is_called_as_its_folder() -> None:
    (package,) = npm.read("node_modules/@a/b/package.json", document(version="1"))
    assert package.name == "@a/b"


def test_t52_an_installation_without_a_version_is_still_a_package() -> None:
    (package,) = npm.read(INSTALLED, document(name="left-pad"))
    assert (package.name, package.version) == ("left-pad", "")


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b"",
        b'"text"',
        b"[" * 100_000,
        b'{"version": ' + b"9" * 5000 + b"}",
        document(name=1, version="1"),
        document(name="../up", version="1"),
        document(name="a", version=1),
        document(name="a", version="1 2"),
    ],
)
@pytest.mark.parametrize(
    "path",
    [
        INSTALLED,
        "usr/lib/node_modules/npm/package.json",
        "usr/lib/node_modules/npm/node_modules/@npmcli/fs/package.json",
        "app/node_modules/.pnpm/left-pad@1.3.0/node_modules/left-pad/package.json",
    ],
)
def test_a_broken_installation_is_refused(path: str, content: bytes) -> None:
    with pytest.raises(InvalidContentError, match=r"(reinstall the package|restore the file)$"):
        npm.read(path, content)


@pytest.mark.parametrize("content", [b"{", b"[]", document(name=1, version="1")])
def test_a_broken_fixture_below_a_package_is_passed_over(content: bytes) -> None:
    assert npm.read(FIXTURE, content) == ()


def test_what_is_bundled_below_a_package_counts_where_it_can_be_read() -> None:
    assert [package.name for package in npm.read(FIXTURE, document(name="bundled", version="2"))] == ["bundled"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("node_modules/a/package.json", True),
        (INSTALLED, True),
        (FIXTURE, True),
        ("app/node_modules/@a/b/package.json", True),
        ("app/package.json", False),
        ("package.json", False),
        ("app/node_modules/package.json", False),
        ("app/node_modules/a/dist/esm/package.json", False),
        ("app/node_modules/.bin/package.json", False),
        ("app/my_node_modules/a/package.json", False),
        ("usr/share/nodejs/semver/package.json", False),
    ],
)
def test_outside_of_installations_a_file_must_name_both_package_and_version(path: str, expected: bool) -> None:
    assert npm.matches(path)
    assert [package.version for package in npm.read(path, document(name="a", version="1"))] == ["1"]
    assert bool(npm.read(path, document(name="a"))) is expected


@pytest.mark.parametrize("path", ["app/package.json", "app/node_modules/a/dist/esm/package.json"])
@pytest.mark.parametrize("content", [b"{", b"[]", document(type="module"), document(name=1, version="1")])
def test_a_file_that_names_no_package_outside_of_installations_is_none(path: str, content: bytes) -> None:
    assert npm.read(path, content) == ()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"license": "MIT"}, ("MIT",)),
        ({"license": {"type": "MIT", "url": "x"}}, ("MIT",)),
        ({"licenses": [{"type": "MIT"}, {"type": "Apache-2.0"}, 1]}, ("MIT", "Apache-2.0")),
        ({"license": None, "licenses": "ISC"}, ("ISC",)),
        ({"license": 1}, ()),
    ],
)
def test_licences_are_read_in_every_form_they_have_had(fields: dict[str, object], expected: tuple[str, ...]) -> None:
    (package,) = npm.read(INSTALLED, document(name="a", version="1", **fields))
    assert package.licences == expected
