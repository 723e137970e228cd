"""Private keys and credentials in text. What is found is told by kind and line; the secret itself is never kept.

Literal words are sought first, all in one pass, and expressions run only where one of theirs is found, so that text
without secrets costs next to nothing. Low on false alarms by what a find must be, not by where it lies: a private key
must decode, a token must have its full length and not be a placeholder (`AKIAIOSFODNN7EXAMPLE`, `xxxx...`,
`${TOKEN}`). A key that a test suite ships is a key: everyone can use it where somebody trusted it. `password=` alone
is too common to mean anything.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import chain

from scanning.facts import Secret
from scanning.files.words import Words

Found = tuple[str, int]
"""The kind of a secret and the line it is on, from 1."""

MAX_SECRETS = 20
"""Finds told of one text; more would add nothing."""

_MAX_KEY_LENGTH = 32 * 1024
_MIN_KEY_BYTES = 40  # an Ed25519 key in PKCS #8 has 48
_BEGIN_KEY = re.compile(r"-----BEGIN ((?:[A-Z0-9]+ ){0,3})PRIVATE KEY( BLOCK)?-----")
_KEY_HEADER = re.compile(r"^[ \t]*[A-Za-z][A-Za-z0-9-]*: .*$", re.MULTILINE)
_KEY_DECORATION = re.compile(r"[\s\"',\\]")
_PLACEHOLDER = re.compile(r"example|xxxx|\*\*\*|0{8}|\.\.\.|[<>${}]|placeholder|changeme|redacted", re.IGNORECASE)
_FEWEST_CHARACTERS = 6

Positions = Iterator[tuple[str, int]]


@dataclass(frozen=True, slots=True)
class _Token:
    """A credential recognised by its own form. The last group, or the whole, is the secret."""

    kind: str
    words: frozenset[bytes]
    pattern: re.Pattern[str]


_TOKENS = (
    _Token(
        "aws-access-key",
        frozenset({b"AKIA", b"ASIA"}),
        re.compile(r"(?<![A-Za-z0-9/+=])(?:AKIA|ASIA)[A-Z2-7]{16}(?![A-Za-z0-9/+=])"),
    ),
    _Token(
        "aws-secret-key",
        frozenset({b"secret_access_key", b"SECRET_ACCESS_KEY", b"SecretAccessKey", b"secretAccessKey"}),
        re.compile(r"(?i:secret_?access_?key)[\"']?\s{0,8}[=:]\s{0,8}[\"']?([A-Za-z0-9/+]{40})(?![A-Za-z0-9/+=])"),
    ),
    _Token("google-api-key", frozenset({b"AIza"}), re.compile(r"(?<![\w-])AIza[\w-]{35}(?![\w-])", re.ASCII)),
    _Token(
        "github-token",
        frozenset({b"ghp_", b"gho_", b"ghu_", b"ghs_", b"ghr_", b"github_pat_"}),
        re.compile(r"(?<!\w)(?:gh[pousr]_[A-Za-z0-9]{36}|github_pat_\w{82})(?!\w)", re.ASCII),
    ),
    _Token("gitlab-token", frozenset({b"glpat-"}), re.compile(r"(?<!\w)glpat-[\w-]{20,64}(?![\w-])", re.ASCII)),
    _Token(
        "slack-token",
        frozenset({b"xoxb-", b"xoxp-", b"xoxa-", b"xoxr-", b"xoxs-", b"xapp-"}),
        re.compile(r"(?<!\w)(?:xox[abprs]|xapp)-[0-9][0-9A-Za-z-]{20,200}"),
    ),
    _Token(
        "slack-webhook",
        frozenset({b"hooks.slack.com/services/"}),
        re.compile(r"hooks\.slack\.com/services/T[A-Z0-9]{6,16}/B[A-Z0-9]{6,16}/([A-Za-z0-9]{24})(?!\w)"),
    ),
    _Token(
        "npm-token",
        frozenset({b"_authToken"}),
        re.compile(r"_authToken\s{0,8}=\s{0,8}[\"']?([\w+/=.-]{16,512})", re.ASCII),
    ),
)
_KEY_WORD = b"-----BEGIN "
_LOGIN_WORD = b'"auths"'
_WORDS = Words((_KEY_WORD, _LOGIN_WORD, *(word for token in _TOKENS for word in sorted(token.words))))


def find_in_text(text: str) -> tuple[Found, ...]:
    """The secrets in `text`: an environment entry, a label, a build step, the content of a file."""
    words = _WORDS.found_in(text.encode("utf-8", "surrogatepass"))
    return _told(text, _everywhere(text, words)) if words else ()


def find_in_file(path: str, content: bytes | bytearray | memoryview) -> tuple[Secret, ...]:
    """The secrets in a text file: those of any text, and those that only the file's name gives away."""
    words = _WORDS.found_in(content)
    read = _BY_FILE_NAME.get(path.rpartition("/")[2])
    if not words and read is None:
        return ()
    text = str(content, "latin-1")  # every byte is one character; the words sought are ASCII
    positions = _everywhere(text, words)
    found = _told(text, chain(positions, read(text)) if read is not None else positions)
    return tuple(Secret(kind, path, line) for kind, line in found)


def _told(text: str, positions: Positions) -> tuple[Found, ...]:
    found: dict[Found, None] = {}
    for kind, position in positions:
        found[kind, text.count("\n", 0, position) + 1] = None
        if len(found) == MAX_SECRETS:
            break
    return tuple(found)


def _everywhere(text: str, words: frozenset[bytes]) -> Positions:
    if _KEY_WORD in words:
        yield from _private_keys(text)
    for token in _TOKENS:
        if token.words & words:
            for match in token.pattern.finditer(text):
                if _is_secret(match[match.lastindex or 0]):
                    yield token.kind, match.start()
    if _LOGIN_WORD in words:
        yield from _registry_logins(text)


def _is_secret(value: str) -> bool:
    return _PLACEHOLDER.search(value) is None and len(set(value)) >= _FEWEST_CHARACTERS


def _private_keys(text: str) -> Positions:
    kind = "google-service-account-key" if '"service_account"' in text else "private-key"
    for begin in _BEGIN_KEY.finditer(text):
        end = text.find("-----", begin.end(), begin.end() + _MAX_KEY_LENGTH)
        if end >= 0 and text.startswith("-----END", end) and _is_key(begin, text[begin.end() : end]):
            yield kind, begin.start()


def _is_key(begin: re.Match[str], body: str) -> bool:
    """Whether the text between the markers decodes to what such a key must begin with."""
    body = body.replace("\\r", "").replace("\\n", "\n")  # as JSON and .env files write lines
    headers = _KEY_HEADER.findall(body)
    data = _KEY_DECORATION.sub("", _KEY_HEADER.sub("", body))
    if begin[2]:  # OpenPGP armour ends in a checksum of its own
        data = data.rpartition("=")[0] if re.search(r"=[A-Za-z0-9+/]{4}$", data) else data
    try:
        decoded = base64.b64decode(data + "=" * (-len(data) % 4), validate=True)
    except binascii.Error:
        return False
    if len(decoded) < _MIN_KEY_BYTES or len(set(decoded)) < _FEWEST_CHARACTERS:
        return False
    if begin[2]:
        return decoded[0] & 0x80 != 0
    if begin[1] == "OPENSSH ":
        return decoded.startswith(b"openssh-key-v1\0")
    is_encrypted = any("ENCRYPTED" in header for header in headers)
    return is_encrypted or decoded[0] == 0x30


_LOGIN = re.compile(r'"auth"\s{0,8}:\s{0,8}"([A-Za-z0-9+/=]{8,4096})"')


def _registry_logins(text: str) -> Positions:
    """docker's and podman's config.json: base64 of `user:password`."""
    for match in _LOGIN.finditer(text):
        try:
            login = base64.b64decode(match[1], validate=True)
        except binascii.Error:
            continue
        user, colon, password = login.partition(b":")
        if user and colon and password and _PLACEHOLDER.search(password.decode("latin-1")) is None:
            yield "registry-login", match.start()


_NETRC = re.compile(r"(?:^|\s)password[ \t]+(\S+)")
_PGPASS = re.compile(r"^[^#\n][^:\n]*:[^:\n]*:[^:\n]*:[^:\n]*:(.+)$", re.MULTILINE)
_GIT_LOGIN = re.compile(r"https?://[^\s:/@]+:([^\s/@]+)@")


def _values(kind: str, pattern: re.Pattern[str]) -> Callable[[str], Positions]:
    def read(text: str) -> Positions:
        for match in pattern.finditer(text):
            if _PLACEHOLDER.search(match[1]) is None:
                yield kind, match.start(1)

    return read


_BY_FILE_NAME = {
    ".netrc": _values("netrc-password", _NETRC),
    "_netrc": _values("netrc-password", _NETRC),
    ".pgpass": _values("pgpass-password", _PGPASS),
    ".git-credentials": _values("git-credentials", _GIT_LOGIN),
}
