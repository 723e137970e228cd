"""Passwords that only the place gives away: a file of a known name, an environment entry, an address with a login."""

import base64
import binascii
import re
from collections.abc import Callable, Iterator

from scanning.files.tokens import entropy, is_placeholder

Positions = Iterator[tuple[str, int]]
"""Kinds of secrets, and where in the text they are."""

LOGIN_WORDS = (b'"auths"', b"client-key-data")
"""One of these is in every text that `registry_logins` and `client_keys` find something in, in this order."""

_AUTH = re.compile(r'"auth"\s{0,8}:\s{0,8}"([A-Za-z0-9+/=]{8,4096})"')
_REGISTRY_TOKEN = re.compile(r'"(?:identity|registry)token"\s{0,8}:\s{0,8}"([\w+/=.-]{16,4096})"')
_CLIENT_KEY = re.compile(r"client-key-data\s{0,8}[:=]\s{0,8}[\"']?([A-Za-z0-9+/]{80,20000}={0,2})")
_ADDRESS = re.compile(r"(?<![\w+.-])[a-z][a-z0-9+.-]{1,20}://([^\s:/@\"'<>]{0,100}):([^\s:/@\"'<>]{3,200})@[\w\[]")
_ENTRY = re.compile(r"^[ \t]*(?:export[ \t]+)?([A-Za-z_][A-Za-z0-9_]{0,100})=[\"']?([^\s\"']{1,1000})", re.MULTILINE)
_SECRET_NAME = re.compile(
    r"(?:^|_)(?:password|passwd|passphrase|secret|secret_?key|token|api_?key|private_?key|access_?key|credentials?)$",
    re.IGNORECASE,
)
_PUBLIC_VALUE = re.compile(r"/|\.{1,2}/|[a-z][a-z0-9+.-]*://|(?:true|false|yes|no|none|null)$", re.IGNORECASE)
_COMMON = frozenset({"password", "passwd", "secret", "pass", "user", "token", "test", "foo", "bar", "pwd", "changeit"})
_SHORTEST_PASSWORD = 8
_LEAST_ENTROPY = 2.5


def registry_logins(text: str) -> Positions:
    """docker's and podman's config.json: base64 of `user:password`, or a token in its place."""
    for match in _AUTH.finditer(text):
        try:
            login = base64.b64decode(match[1], validate=True)
        except binascii.Error:
            continue
        user, colon, password = login.partition(b":")
        if user and colon and password and not is_placeholder(password.decode("latin-1")):
            yield "registry-login", match.start()
    for match in _REGISTRY_TOKEN.finditer(text):
        if not is_placeholder(match[1]):
            yield "registry-login", match.start()


def client_keys(text: str) -> Positions:
    """kubeconfig: a private key in PEM, once more in base64."""
    for match in _CLIENT_KEY.finditer(text):
        try:
            key = base64.b64decode(match[1], validate=True)
        except binascii.Error:
            continue
        if b"PRIVATE KEY-----" in key:
            yield "kubernetes-client-key", match.start()


def addresses(text: str) -> Positions:
    """Addresses with a password in them: `https://user:password@host`."""
    for match in _ADDRESS.finditer(text):
        if match[2].lower() not in _COMMON and not is_placeholder(match[2]):
            yield "password-in-address", match.start()


def entries(text: str) -> Positions:
    """Lines `NAME=value` whose name says that the value is secret, and whose value can be."""
    for match in _ENTRY.finditer(text):
        if _SECRET_NAME.search(match[1]) and _is_password(match[2]):
            yield "password-in-environment", match.start(2)


def _is_password(value: str) -> bool:
    return (
        len(value) >= _SHORTEST_PASSWORD
        and _PUBLIC_VALUE.match(value) is None
        and value.lower() not in _COMMON
        and not is_placeholder(value)
        and entropy(value) >= _LEAST_ENTROPY
    )


def reader_of(path: str) -> Callable[[str], Positions] | None:
    """What reads a file whose name says that it holds logins; None for others."""
    folder, _, name = path.rpartition("/")
    if name == "config":
        return _BY_FOLDER.get(folder.rpartition("/")[2])
    return _BY_NAME.get(name)


def _values(kind: str, pattern: str) -> Callable[[str], Positions]:
    compiled = re.compile(pattern, re.MULTILINE)

    def read(text: str) -> Positions:
        for match in compiled.finditer(text):
            if not is_placeholder(match[1]):
                yield kind, match.start(1)

    return read


_NETRC = _values("netrc-password", r"(?:^|\s)password[ \t]+(\S+)")
_INI = r"^[ \t]*password[ \t]*[=:][ \t]*(\S+)"
_IN_ADDRESS = r"(?<![a-z])[a-z]{1,20}://[^\s:/@]{1,200}:([^\s/@]{1,500})@"
_BY_NAME = {
    ".netrc": _NETRC,
    "_netrc": _NETRC,
    ".pgpass": _values("pgpass-password", r"^(?!#)(?:[^:\n]*:){4}([^\n]+)$"),
    ".git-credentials": _values("git-credentials", _IN_ADDRESS),
    ".npmrc": _values("npm-password", r"(?:^|:)_(?:auth|password)[ \t]*=[ \t]*(\S{6,})"),
    ".pypirc": _values("pypi-password", _INI),
    ".my.cnf": _values("mysql-password", _INI),
    ".dockercfg": registry_logins,
    ".s3cfg": _values("s3-secret-key", r"^[ \t]*secret_key[ \t]*=[ \t]*(\S{16,})"),
    "settings.xml": _values(
        "maven-password",
        r"<password>\s{0,80}(?!repopwd<|proxypass<)([^<\s]{1,500})\s{0,80}</password>",  # but for its own examples
    ),
    ".env": entries,
}
_BY_FOLDER = {
    ".git": _values("git-credentials", _IN_ADDRESS),
    ".kube": _values("kubernetes-token", r"^[ \t-]*token:[ \t]*[\"']?([\w.-]{16,4096})"),
}
