"""What PEAR's installer keeps of PHP's extensions and packages."""

import pytest

from scanning.errors import InvalidContentError
from scanning.packages import pear
from scanning.packages.catalogers import cataloger_of
from tests.debian_packages import debian_program

PATH = "usr/local/lib/php/.registry/.channel.pecl.php.net/redis.reg"
REDIS = (
    b'a:4:{s:4:"name";s:5:"redis";s:7:"channel";s:12:"pecl.php.net";s:7:"version";a:2:{s:7:"release";s:5:"6.0.2";'
    b's:3:"api";s:5:"6.0.0";}s:7:"license";a:2:{s:7:"attribs";a:1:{s:3:"uri";s:1:"x";}s:8:"_content";s:3:"PHP";}}'
)


def test_an_extension_of_pecl() -> None:
    assert cataloger_of(PATH) is pear
    (package,) = pear.read(PATH, REDIS)
    assert (package.type, package.name, package.version, package.licences) == ("pecl", "redis", "6.0.2", ("PHP",))


@pytest.mark.real
@pytest.mark.parametrize(
    ("entry", "expected"),
    [("archive_tar", ("pear", "Archive_Tar", "1.4.14")), ("structures_graph", ("pear", "Structures_Graph", "1.1.1"))],
)
def test_real_entries_of_pear(entry: str, expected: tuple[str, str, str]) -> None:
    path = f"usr/share/php/.registry/{entry}.reg"
    assert cataloger_of(path) is pear
    (package,) = pear.read(path, debian_program("php-pear", path).read_bytes())
    assert (package.type, package.name, package.version) == expected


def test_an_entry_of_long_ago() -> None:
    old = b'a:3:{s:7:"package";s:3:"apc";s:7:"version";s:5:"3.1.9";s:13:"_lastmodified";i:1;}'
    (package,) = pear.read(PATH, old)
    assert (package.type, package.name, package.version) == ("pear", "apc", "3.1.9")


def test_channels_are_no_packages() -> None:
    assert cataloger_of("usr/share/php/.channels/pecl.php.net.reg") is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"N;",
        b"i:1;",
        b"redis",
        REDIS[:-1],
        REDIS + b"i:1;",
        b'O:8:"stdClass":0:{}',
        REDIS.replace(b's:5:"redis"', b's:6:"redis"'),
        REDIS.replace(b"a:4:{", b"a:5:{"),
        REDIS.replace(b"a:4:{", b"a:3:{"),
        REDIS.replace(b'"redis"', b'"a b c"'),
        REDIS.replace(b'"6.0.2"', b'"6 0 2"'),
        REDIS.replace(b'"name"', b'"nome"'),
        b"a:1:{a:0:{}i:1;}",
        b"a:1:{i:1;" * 40,
    ],
)
def test_what_is_no_entry_is_a_problem(content: bytes) -> None:
    with pytest.raises(InvalidContentError):
        pear.read(PATH, content)
