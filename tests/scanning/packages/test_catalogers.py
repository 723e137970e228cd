"""All catalogers: whatever bytes they are given, they read them or refuse them."""

from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanning.errors import InvalidContentError
from scanning.packages import ownership
from scanning.packages.catalogers import CATALOGERS, Cataloger, cataloger_of
from scanning.packages.purl import purl

PATHS = (
    "var/lib/dpkg/status",
    "lib/apk/db/installed",
    "usr/lib/python3/a.dist-info/METADATA",
    "app/node_modules/a/package.json",
    "var/lib/rpm/rpmdb.sqlite",
    "var/lib/rpm/Packages",
    "usr/lib/sysimage/rpm/Packages.db",
    "var/lib/pacman/local/bash-5.2-1/desc",
    "usr/lib/ruby/gems/3.1.0/specifications/rake-13.0.6.gemspec",
    "srv/vendor/composer/installed.json",
    "app/api.deps.json",
    "opt/conda/conda-meta/numpy-1.26.4-py311.json",
    "usr/lib/R/library/MASS/DESCRIPTION",
    "app/lib/commons-text-1.9.jar",
    "var/db/pkg/app-misc/jq-1.6-r4/CONTENTS",
    "usr/local/lib/luarocks/rocks-5.4/lpeg/1.1.0-1/lpeg-1.1.0-1.rockspec",
    "root/.conan/data/zlib/1.2.13/_/_/package/abc/conaninfo.txt",
    "var/www/html/wp-content/plugins/akismet/akismet.php",
    "usr/lib/jvm/java-17-openjdk-amd64/release",
    "opt/bitnami/postgresql/.spdx-postgresql.spdx",
    "usr/local/lib/php/.registry/.channel.pecl.php.net/redis.reg",
    "lib/modules/6.1.0/modules.builtin",
    "lib/modules/6.1.0/updates/zfs.ko",
    "lib/modules/6.1.0/updates/zfs.ko.xz",
    "lib/modules/6.1.0/updates/zfs.ko.zst",
    "lib/modules/6.1.0/updates/zfs.ko.gz",
)
_WORDS: Iterable[bytes] = (
    b"Package: a\n", b"Version: 1\n", b"Status: install ok installed\n", b"Source: b (2)\n", b"\n", b" ", b":",
    b"P:a\n", b"V:1\n", b"F:usr\n", b"R:x\n", b"o:b\n", b"Name: a\n", b'{"name": "a", "version": "1"}', b"{", b"\r",
    b"\xff", b"\0", b"a:1:{", b's:4:"name";', b's:7:"version";', b's:1:"a";', b"N;", b"}", b"\x7fELF\2\1\1" + bytes(57),
)  # fmt: skip
CONTENTS = st.binary(max_size=200) | st.lists(st.sampled_from(tuple(_WORDS)), max_size=12).map(b"".join)


@pytest.mark.parametrize("path", PATHS)
@given(content=CONTENTS)
def test_any_content_is_read_or_refused(path: str, content: bytes) -> None:
    cataloger = cataloger_of(path)
    assert cataloger is not None
    try:
        packages = cataloger.read(path, content)
    except InvalidContentError:
        return
    for package in packages:
        assert package.name
        assert package.path == path
        assert purl(package, None).startswith(f"pkg:{package.type}/")


@given(path=st.sampled_from(("var/lib/dpkg/info/a.list", "lib/apk/db/installed")), content=CONTENTS)
def test_any_ownership_list_is_read_or_refused(path: str, content: bytes) -> None:
    try:
        found = ownership.read(path, content)
    except InvalidContentError:
        return
    assert all(owned for one in found for owned in one.paths)


@pytest.mark.parametrize("cataloger", CATALOGERS)
def test_every_cataloger_reads_one_of_these_paths(cataloger: Cataloger) -> None:
    assert [path for path in PATHS if cataloger.matches(path)] == [
        path for path in PATHS if cataloger_of(path) is cataloger
    ]
    assert any(cataloger.matches(path) for path in PATHS)
