"""Programs that come without a package: what their own words give away, whoever built them and put them there.

A rule with `words` is asked of every executable that holds one of these, whatever it is called; one without is asked
only of files called as the program is, since what it looks for (a bare version between two zeros) means nothing
elsewhere. The first group is the version. Every pattern ends in something that ends the version, so that a version
cut off between two chunks is no match.
"""

import re
from dataclasses import dataclass

MAX_LENGTH = 512
"""No match is longer than this."""

_THREE = rb"[0-9]{1,4}\.[0-9]{1,4}\.[0-9]{1,6}"
_TWO_OR_THREE = rb"[0-9]{1,4}\.[0-9]{1,4}(?:\.[0-9]{1,6})?"
_PRE = rb"(?:[-.]?(?:alpha|beta|rc|dev|a|b)\.?[0-9]{0,3})?"
_END = rb"(?![0-9.])[^A-Za-z]"


@dataclass(frozen=True, slots=True)
class Rule:
    """How one program tells its version. `files` is what the name of the file must match; None: any name will do."""

    name: str
    pattern: re.Pattern[bytes]
    words: tuple[bytes, ...] = ()
    files: re.Pattern[str] | None = None
    also: bytes = b""
    """What must stand in the file as well, anywhere: libraries' versions are also in what was built against them."""


def _said(name: str, pattern: bytes, *words: bytes, also: bytes = b"", files: str = "") -> Rule:
    return Rule(name, re.compile(pattern), words, re.compile(files) if files else None, also)


def _called(name: str, files: str, pattern: bytes) -> Rule:
    return Rule(name, re.compile(pattern), files=re.compile(files))


RULES: tuple[Rule, ...] = (
    _said("nginx", rb"nginx version: [A-Za-z]{1,32}/(" + _THREE + rb")(?:[^0-9.]|\.[0-9])", b"nginx version: "),
    _said("node", rb"node\.js/v(" + _THREE + rb")" + _END, b"node.js/v"),
    _said("node", rb"\0(?:node )?v([0-6]\.[0-9]{1,3}\.[0-9]{1,3})\0", files=r"node"),
    _said(
        "postgresql",
        rb"[\0?]PostgreSQL ([0-9]{1,3}(?:\.[0-9]{1,3}){0,2}" + _PRE + rb")(?: \([^)\0]{1,64}\))? on [a-z0-9_]+-",
        b"PostgreSQL ",
        also=b"autovacuum launcher",
    ),
    _said("busybox", rb"BusyBox v(" + _THREE + rb")[ \0.\n]", b"BusyBox v"),
    _said(
        "redis",
        rb"\0(" + _THREE + rb")\0(?:c11|atomic|sync)-builtin\0",
        *(b"c11-builtin", b"atomic-builtin", b"sync-builtin"),
        also=b"redis_version:",
    ),
    _said(
        "redis", rb"\0(" + _THREE + rb")[0-9A-Za-z-]{0,64}[0-9]{18,20}\0", files=r"redis-(?:server|check-(?:rdb|aof))"
    ),
    _said("redis", rb"Redis version (" + _THREE + rb")" + _END, b"Redis version "),
    _said("valkey", rb"\0(" + _THREE + rb")[0-9A-Za-z-]{0,64}[0-9]{18,20}\0", files=r"valkey-server"),
    _said("httpd", rb"\0Apache/(" + _THREE + rb")[ \0]", b"Apache/2.", also=b"mod_so"),
    _said("httpd", rb"Apache/(" + _THREE + rb")" + _END, files=r"httpd"),
    _said("memcached", rb"\0memcached (" + _THREE + rb")\0", b"memcached "),
    _said(
        "haproxy",
        rb"version ([0-9]+\.[0-9]+(?:\.|-dev|-rc)[0-9]+)(?:-[0-9a-z+]{1,32})?, released 20",
        b", released 20",
        also=b"haproxy",
    ),
    _said("mariadb", rb"\0(" + _THREE + rb")-MariaDB[-\0]", b"-MariaDB", files=r"mariadbd?|mysqld?"),
    _said("mysql", rb"/mysql-(" + _THREE + rb")/", b"/mysql-", files=r"mysqld?"),
    _said("mysql", rb"\0(" + _THREE + rb")\0+mysql", files=r"mysqld?"),
    _said("php", rb"X-Powered-By: PHP/(" + _THREE + _PRE + rb")[-\0]", b"X-Powered-By: PHP/"),
    _said(
        "ruby",
        rb"\0ruby (" + _THREE + rb"(?:(?:p|preview|rc|dev)[0-9]*)?) \(",
        b"ruby 1.",
        b"ruby 2.",
        b"ruby 3.",
        b"ruby 4.",
    ),
    _said(
        "perl",
        rb"/perl5?/(5\.[0-9]{1,2}\.[0-9]{1,2})[/\0]",
        b"/perl/5.",
        b"/perl5/5.",
        files=r"perl(?:5.*)?|libperl\.so.*",
    ),
    _said("bash", rb"@\(#\)Bash version (" + _THREE + rb")\(", b"@(#)Bash version "),
    _said("openssl", rb"\0OpenSSL (" + _THREE + rb"[a-z]{0,2}" + _PRE + rb")[- +]", b"OpenSSL ", also=b"OPENSSLDIR: "),
    _said("openssl", rb"\0OpenSSL (" + _THREE + rb"[a-z]{0,2}" + _PRE + rb")[- +]", files=r"openssl"),
    _said("python", rb"\0pymalloc_debug\0(3\.[0-9]{1,2}\.[0-9]{1,2}(?:(?:a|b|rc)[0-9]{1,2})?)\+?\0", b"pymalloc_debug"),
    _called(
        "python",
        r"(?:lib)?python3\.[0-9]+[a-z]?(?:\.so.*)?",
        rb"\0(3\.[0-9]{1,2}\.[0-9]{1,2}(?:(?:a|b|rc)[0-9]{1,2})?)\+?\0",
    ),
    _called(
        "python",
        r"(?:lib)?python2\.[0-9]+[a-z]?(?:\.so.*)?",
        rb"\0(2\.[0-9]{1,2}\.[0-9]{1,2}(?:(?:a|b|rc)[0-9]{1,2})?)\+?\0",
    ),
    _said(
        "python",
        rb"/Python-(3\.[0-9]{1,2}\.[0-9]{1,2}(?:(?:a|b|rc)[0-9]{1,2})?)\0",
        b"/Python-3.",
        files=r"(?:lib)?python3.*",
    ),
    _said("pypy", rb"\[PyPy (" + _THREE + rb")" + _END, b"[PyPy "),
    _said("lighttpd", rb"\0lighttpd/(" + _THREE + rb")\0", b"lighttpd/1."),
    _said("proftpd", rb"\0ProFTPD Version (" + _THREE + rb"[a-z]?)\0", b"ProFTPD Version "),
    _said("curl", rb"\0curl/(" + _THREE + rb")\0", b"curl/7.", b"curl/8."),
    _said("xz", rb"xz \(XZ Utils\) (" + _THREE + rb"(?:alpha|beta)?)\0", b"xz (XZ Utils) "),
    _said(
        "rust",
        rb"clang LLVM \(rustc version (" + _THREE + rb")" + _END,
        b"clang LLVM (rustc version ",
        files=r"libstd-[0-9a-f]{16}\.so",
    ),
    _said("erlang", rb"/otp[_-](?:src_)?([0-9]{1,3}(?:\.[0-9]{1,3}){1,3})/erts/", b"/otp_src_", b"/src/otp-"),
    _said("erlang", rb"\0([0-9]{1,3}(?:\.[0-9]{1,3}){1,3})\0{1,16}Erlang/OTP", b"Erlang/OTP", files=r"beam\.smp"),
    _said(
        "linux-kernel",
        rb"Linux version ([0-9]{1,4}\.[0-9]{1,4}[0-9A-Za-z.+~_-]{0,100}) \(",
        b"Linux version ",
        also=b"swapper",
    ),
    _said("swipl", rb"swipl-(" + _THREE + rb")/", b"swipl-", files=r"swipl|libswipl\.so.*"),
    _said("deno", rb"Deno/(" + _THREE + rb")" + _END, b"Deno/1.", b"Deno/2."),
    _said("consul", rb"CONSUL_VERSION: (" + _THREE + rb")" + _END, b"CONSUL_VERSION: "),
    _said("julia", rb"__init__\0(" + _THREE + rb")\0verify", files=r"libjulia-internal\.so.*"),
    _said("arangodb", rb"(" + _THREE + rb"(?:-[0-9]{1,3})?) (?:enterprise )?\[linux\]", files=r"arangosh|arangod"),
    _said("ffmpeg", rb"FFmpeg version (" + _TWO_OR_THREE + rb")" + _END, b"FFmpeg version "),
    _said("fluent-bit", rb"\0(" + _THREE + rb")\0{1,3}(?:\x1b\[1m\0{1,2})?(?:%s)?Fluent", files=r"fluent-bit"),
    _said("chrome", rb"\0([0-9]{2,3}\.[0-9]\.[0-9]{1,5}\.[0-9]{1,4})\0Default", files=r"chrome"),
    _said("gcc", rb"GCC: \(GNU\) (" + _THREE + rb")" + _END, files=r"gcc"),
    _said("util-linux", rb"\0util-linux (" + _TWO_OR_THREE + rb")\0", b"util-linux ", files=r"getopt"),
    _said("ghc", rb"\0GHC (" + _THREE + rb")\0", files=r"ghc(?:-[0-9.]+)?"),
    _called("traefik", r"traefik", rb"\0v?(" + _THREE + rb"(?:-(?:alpha|beta|rc)[0-9.]{1,3})?)\0"),
    _called("dart", r"dart", rb"\0([0-9]\.[0-9]{1,2}\.[0-9]{1,2}(?:-[0-9.]{1,8}\.(?:beta|dev))?) \("),
    _called("zstd", r"zstd", rb"\0v(1\.[0-9]{1,2}\.[0-9]{1,2})\0"),
    _called("gzip", r"gzip", rb"\0(1\.[0-9]{1,2})\0"),
    _called("jq", r"jq", rb"\0(1\.[0-9](?:\.[0-9]{1,2})?)\0"),
    _called("sqlcipher", r"sqlcipher", rb"[^0-9]\0(" + _THREE + rb")\0"),
)
