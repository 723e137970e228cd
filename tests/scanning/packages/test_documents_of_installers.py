"""pacman, Ruby, PHP, .NET, conda and R: what their installers leave behind, as they write it."""

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
    ],
)
def test_sources_and_lock_files_are_no_installation(path: str) -> None:
    assert cataloger_of(path) is None


@pytest.mark.timeout(60)  # each would take hours
@pytest.mark.parametrize(
    ("path", "content"),
    [
        ("gems/specifications/rake-13.gemspec", b"\n" * 4_000_000),
        ("gems/specifications/rake-13.gemspec", b"s.name =" + b" " * 4_000_000),
        ("app/vendor/composer/installed.json", b'[{"name": "%s"}]' % (b"a" * 256)),
    ],
)
def test_t56_what_is_made_to_be_read_for_ever_is_refused_at_once(path: str, content: bytes) -> None:
    with pytest.raises(InvalidContentError):
        read((path, content))


def test_half_a_surrogate_pair_is_no_reason_to_fail() -> None:
    record = b'{"name": "numpy", "version": "1.26.4", "license": "BSD \\ud800"}'
    (package,) = read(("opt/conda/conda-meta/numpy-1.26.4-0.json", record))
    assert package.licences == ("BSD ?",)
