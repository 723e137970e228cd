"""pacman, Ruby, PHP, .NET, conda, R and others: what their installers leave behind, as they write it."""

import pytest

from scanning.errors import InvalidContentError
from scanning.facts import Package
from scanning.packages.catalogers import cataloger_of

PACMAN = ("var/lib/pacman/local/libarchive-3.7.2-1/desc", b"""\
%NAME%
libarchive

%VERSION%
3.7.2-1

%BASE%
libarchive

%DESC%
Multi-format archive and compression library

%ARCH%
x86_64

%LICENSE%
BSD-2-Clause
Apache-2.0

%DEPENDS%
acl
""")  # fmt: skip
GEM = ("usr/lib/ruby/gems/3.1.0/specifications/nokogiri-1.15.4-x86_64-linux.gemspec", b"""\
# -*- encoding: utf-8 -*-
# stub: nokogiri 1.15.4 x86_64-linux lib

Gem::Specification.new do |s|
  s.name = "nokogiri".freeze
  s.version = "1.15.4"
  s.platform = "x86_64-linux".freeze

  s.required_rubygems_version = Gem::Requirement.new(">= 0".freeze) if s.respond_to? :required_rubygems_version=
  s.metadata = { "changelog_uri" => "https://example.org" } if s.respond_to? :metadata=
  s.licenses = ["MIT".freeze, "Apache-2.0".freeze]
  s.installed_by_version = "3.4.20" if s.respond_to? :installed_by_version
  s.add_runtime_dependency(%q<racc>.freeze, ["~> 1.4"])
end
""")  # fmt: skip
COMPOSER = ("srv/vendor/composer/installed.json", b"""\
{"packages": [
  {"name": "Monolog/Monolog", "version": "v3.5.0", "version_normalized": "3.5.0.0", "license": ["MIT"]},
  {"name": "acme/app", "version": "dev-main"}
], "dev": true}
""")  # fmt: skip
DOTNET = ("app/api.deps.json", b"""\
{"runtimeTarget": {"name": ".NETCoreApp,Version=v8.0"},
 "libraries": {
  "api/1.0.0": {"type": "project", "serviceable": false},
  "Newtonsoft.Json/13.0.1": {"type": "package", "serviceable": true, "sha512": "sha512-x"}}}
""")  # fmt: skip
CONDA = ("opt/conda/conda-meta/numpy-1.26.4-py311h64a7726_0.json", b"""\
{"name": "numpy", "version": "1.26.4", "build": "py311h64a7726_0", "subdir": "linux-64", "license": "BSD-3-Clause"}
""")  # fmt: skip
CRAN = ("usr/lib/R/site-library/MASS/DESCRIPTION", b"""\
Package: MASS
Priority: recommended
Version: 7.3-58.2
Authors@R: c(person("Brian", "Ripley",
        email = "x@example.org"))
License: GPL-2 | GPL-3
""")  # fmt: skip
GENTOO = ("var/db/pkg/app-containers/skopeo-1.5.1-r2/CONTENTS", b"dir /usr/bin\nobj /usr/bin/skopeo 0123 1641\n")
ROCK = ("usr/local/lib/luarocks/rocks-5.4/lpeg/1.1.0-1/lpeg-1.1.0-1.rockspec", b"""\
package = "lpeg"
version = "1.1.0-1"
source = {url = "https://example.org/lpeg-1.1.0.tar.gz"}
description = {
   summary = "Parsing Expression Grammars For Lua",
   license = "MIT"
}
""")  # fmt: skip
CONAN = ("root/.conan/data/app/1.0/_/_/package/5ab84d6/conaninfo.txt", b"""\
[settings]
    os=Linux

[requires]
    poco/1.Y.Z

[full_requires]
    poco/1.12.4:5ab84d6acfe1f23c4fae0ab88f26e3a396351ac9
    zlib/1.2.13@user/stable#ad195036d8cada7a9abd08e7365c2da0
""")  # fmt: skip
PLUGIN = ("var/www/html/wp-content/plugins/akismet/akismet.php", b"""\
<?php
/**
 * Plugin Name: Akismet Anti-spam: Spam Protection
 * Description: Used by millions
 * Version: 5.3.1
 * License: GPLv2 or later
 */
function version() { return 'Version: 9'; }
""")  # fmt: skip
TEMURIN = ("opt/java/openjdk/release", b"""\
IMPLEMENTOR="Eclipse Adoptium"
JAVA_RUNTIME_VERSION="17.0.15+6"
JAVA_VERSION="17.0.15"
OS_ARCH="x86_64"
""")  # fmt: skip
BITNAMI = ("opt/bitnami/postgresql/.spdx-postgresql.spdx", b"""\
{"spdxVersion": "SPDX-2.3", "packages": [
  {"name": "postgresql", "versionInfo": "16.2.0", "licenseDeclared": "PostgreSQL", "externalRefs": [
    {"referenceType": "cpe23Type", "referenceLocator": "cpe:2.3:*:postgresql:postgresql:16.2.0:*:*:*:*:*:*:*"},
    {"referenceType": "purl", "referenceLocator": "pkg:bitnami/postgresql@16.2.0-4?arch=amd64&distro=debian-12"}]},
  {"name": "an image layer", "versionInfo": "1"}]}
""")  # fmt: skip


def read(case: tuple[str, bytes]) -> tuple[Package, ...]:
    """What the cataloger of a file reads in it."""
    path, content = case
    cataloger = cataloger_of(path)
    assert cataloger is not None
    return cataloger.read(path, content)


@pytest.mark.parametrize(
    ("case", "expected"),
    [
        (PACMAN, [("alpm", "libarchive", "3.7.2-1", "x86_64", ("BSD-2-Clause", "Apache-2.0"))]),
        (GEM, [("gem", "nokogiri", "1.15.4", "", ("MIT", "Apache-2.0"))]),
        (
            COMPOSER,
            [("composer", "monolog/monolog", "3.5.0", "", ("MIT",)), ("composer", "acme/app", "dev-main", "", ())],
        ),
        (DOTNET, [("nuget", "Newtonsoft.Json", "13.0.1", "", ())]),
        (CONDA, [("conda", "numpy", "1.26.4", "linux-64", ("BSD-3-Clause",))]),
        (CRAN, [("cran", "MASS", "7.3-58.2", "", ("GPL-2 | GPL-3",))]),
        (GENTOO, [("ebuild", "app-containers/skopeo", "1.5.1-r2", "", ())]),
        (ROCK, [("luarocks", "lpeg", "1.1.0-1", "", ("MIT",))]),
        (
            CONAN,
            [
                *[("conan", "app", "1.0", "", ()), ("conan", "poco", "1.12.4", "", ())],
                ("conan", "zlib", "1.2.13", "", ()),
            ],
        ),
        (PLUGIN, [("wordpress-plugin", "akismet", "5.3.1", "", ("GPLv2 or later",))]),
        (TEMURIN, [("generic", "openjdk", "17.0.15+6", "x86_64", ())]),
        (BITNAMI, [("bitnami", "postgresql", "16.2.0-4", "", ("PostgreSQL",))]),
    ],
)  # fmt: skip
def test_what_installers_write_is_read(case: tuple[str, bytes], expected: list[tuple[object, ...]]) -> None:
    found = read(case)
    assert [(one.type, one.name, one.version, one.architecture, one.licences) for one in found] == expected
    assert {one.path for one in found} == {case[0]}


def test_a_list_of_composer_1_is_read() -> None:
    path, _ = COMPOSER
    assert [one.name for one in read((path, b'[{"name": "a/b", "version": "1.0"}]'))] == ["a/b"]


@pytest.mark.parametrize(
    "case",
    [
        (PACMAN[0], b"%NAME%\nbash\n"),
        (PACMAN[0], b"%NAME%\nbash\n\n%NAME%\nother\n\n%VERSION%\n1\n"),
        (GEM[0], b"Gem::Specification.new do |s|\nend\n"),
        (GEM[0], GEM[1].replace(b"  s.platform", b'  s.version = "0.1"\n  s.platform')),
        (COMPOSER[0], b'{"packages": {}}'),
        (COMPOSER[0], b'{"packages": [{"name": "a/b"}]}'),
        (COMPOSER[0], b'{"packages": [{"name": "../b", "version": "1"}]}'),
        (DOTNET[0], b'{"libraries": []}'),
        (DOTNET[0], b'{"libraries": {"Newtonsoft.Json": {"type": "package"}}}'),
        (CONDA[0], b'{"name": "numpy"}'),
        (CONDA[0], b"{"),
        (CRAN[0], b"Package: MASS\n"),
        (CRAN[0], b"Package: MASS\nVersion: 1\nVersion: 2\n"),
        ("var/db/pkg/app-misc/jq/CONTENTS", b""),
        (ROCK[0], b'package = "lpeg"\n'),
        (ROCK[0], ROCK[1] + b'version = "2"\n'),
        (TEMURIN[0], b'JAVA_VERSION="1 7"\n'),
        (BITNAMI[0], b'{"packages": 1}'),
        (BITNAMI[0], b'{"packages": [{"externalRefs": 5}]}'),
        (BITNAMI[0], b'{"packages": [{"externalRefs": [{"referenceType": "purl", "referenceLocator": "x"}]}]}'),
    ],
)
def test_what_does_not_say_which_package_it_is_is_refused_by_its_path(case: tuple[str, bytes]) -> None:
    with pytest.raises(InvalidContentError, match=f"^{case[0]} "):
        read(case)


@pytest.mark.parametrize(
    "path",
    [
        "srv/app/app.gemspec",
        "srv/composer.json",
        "srv/deps.json",
        "opt/conda/conda-meta/history",
        "srv/DESCRIPTION",
        "var/lib/pacman/sync/core.db",
        "srv/lpeg-1.1.0-1.rockspec",
        "var/cache/pkg/app-misc/jq-1.6/CONTENTS",
        "etc/release",
        "srv/CONTENTS",
        "var/www/html/wp-includes/version.php",
    ],
)
def test_sources_and_lock_files_are_no_installation(path: str) -> None:
    assert cataloger_of(path) is None


@pytest.mark.parametrize(
    "case",
    [
        (PLUGIN[0], b"<?php\n// Silence is golden.\n"),
        (PLUGIN[0], b"<?php\n/* Plugin Name: x\n Version: not a version\n*/"),
        (PLUGIN[0], b"<?php" + b"\n" * 9000 + b"/* Plugin Name: x\nVersion: 1\n*/"),
        ("usr/share/javascript/release", b"r1\n"),
        ("app/conaninfo.txt", b"[requires]\n    poco/1.Y.Z\n"),
    ],
)
def test_other_files_of_the_same_name_are_no_package(case: tuple[str, bytes]) -> None:
    assert read(case) == ()


@pytest.mark.parametrize(
    ("implementor", "name"),
    [
        ("Oracle Corporation", "jdk"),
        ("Amazon.com Inc.", "openjdk"),
        ("Azul Systems, Inc.", "zulu"),
        ("Debian", "openjdk"),
    ],
)
def test_a_java_runtime_is_called_as_its_maker_calls_it(implementor: str, name: str) -> None:
    text = f'IMPLEMENTOR="{implementor}"\nJAVA_VERSION="21.0.2"\n'
    assert [package.name for package in read((TEMURIN[0], text.encode()))] == [name]


@pytest.mark.timeout(60)  # each would take hours
@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("gems/specifications/rake-13.gemspec", b"\n" * 4_000_000),
        ("gems/specifications/rake-13.gemspec", b"s.name =" + b" " * 4_000_000),
        ("app/vendor/composer/installed.json", b'[{"name": "%s"}]' % (b"a" * 256)),
        ("usr/lib/luarocks/rocks/a/1/a-1.rockspec", b"license =" * 400_000 + b" " * 400_000),
    ],
)
def test_t56_what_is_made_to_be_read_for_ever_is_refused_at_once(path: str, content: bytes) -> None:
    with pytest.raises(InvalidContentError):
        read((path, content))


def test_half_a_surrogate_pair_is_no_reason_to_fail() -> None:
    record = b'{"name": "numpy", "version": "1.26.4", "license": "BSD \\ud800"}'
    (package,) = read(("opt/conda/conda-meta/numpy-1.26.4-0.json", record))
    assert package.licences == ("BSD ?",)
