"""Private keys and credentials in text. What is found is told by kind and line; the secret itself is never kept.

Literal words are sought first, all in one pass, and expressions run only where one of theirs is found, so that text
without secrets costs next to nothing. Low on false alarms by what a find must be, not by where it lies: a private key
must decode, a token must be one (`scanning.files.tokens`). A key that a test suite ships is a key: everyone can use it
where somebody trusted it. `password=` alone is too common to mean anything in a file; in an image's environment it
means what it says.
"""

import base64
import re
from bisect import bisect_right
from itertools import chain

from scanning.facts import Secret
from scanning.files import logins
from scanning.files.logins import Positions
from scanning.files.tokens import TOKENS
from scanning.files.words import Words

Found = tuple[str, int]
"""The kind of a secret and the line it is on, from 1."""

MAX_SECRETS = 20
"""Finds told of one text; more would add nothing."""

_MAX_KEY_LENGTH = 32 * 1024
_MIN_KEY_BYTES = 40  # an Ed25519 key in PKCS #8 has 48
_FEWEST_BYTES = 6  # different ones
_BEGIN_KEY = re.compile(r"-----BEGIN ((?:[A-Z0-9]+ ){0,3})PRIVATE KEY( BLOCK)?-----")
_KEY_HEADER = re.compile(r"^[ \t]*[A-Za-z][A-Za-z0-9-]*: .*$", re.MULTILINE)
_KEY_DECORATION = re.compile(r"[\s\"',\\]")
_PUTTY_KEY = re.compile(r"PuTTY-User-Key-File-[1-3]: [a-z]")
_PUTTY_SECRET = re.compile(r"^Private-Lines: \d{1,4}\s+[A-Za-z0-9+/=]{40}", re.MULTILINE)

_KEY_WORD = b"-----BEGIN "
_PUTTY_WORD = b"PuTTY-User-Key-File-"
_AUTHS_WORD, _CLIENT_KEY_WORD = logins.LOGIN_WORDS
WORDS = Words(
    (
        _KEY_WORD,
        _PUTTY_WORD,
        _AUTHS_WORD,
        _CLIENT_KEY_WORD,
        *(word for token in TOKENS for word in sorted(token.words)),
    )
)


def find_in_text(text: str) -> tuple[Found, ...]:
    """The secrets in `text`: a label, an annotation, a build step. Addresses with a password are among them."""
    words = WORDS.found_in(text.encode("utf-8", "surrogatepass"))
    return _told(text, chain(_everywhere(text, words), logins.addresses(text)))


def find_in_environment(entry: str) -> tuple[Found, ...]:
    """The secrets in `NAME=value` of an image's environment: those of any text, and what its name calls secret."""
    return find_in_text(entry) or _told(entry, logins.entries(entry))


def find_in_file(
    path: str, content: bytes | bytearray | memoryview, seen: frozenset[bytes] | None = None
) -> tuple[Secret, ...]:
    """The secrets in a text file: private keys, tokens and logins, and those that only the file's name gives away.

    `seen` are the words that occur in `content`, of these and other ones, where somebody has sought them already.
    """
    words = WORDS.found_in(content) if seen is None else seen & WORDS.sought
    read = logins.reader_of(path)
    if not words and read is None:
        return ()
    text = str(content, "latin-1")  # every byte is one character; the words sought are ASCII
    positions = _everywhere(text, words)
    found = _told(text, chain(positions, read(text)) if read is not None else positions)
    return tuple(Secret(kind, path, line) for kind, line in found)


def _told(text: str, positions: Positions) -> tuple[Found, ...]:
    found: dict[Found, None] = {}
    counted, line = 0, 1
    for kind, position in positions:
        if position < counted:  # the next kind begins at the top again
            counted, line = 0, 1
        line += text.count("\n", counted, position)  # from where it got to, since there may be many on one line
        counted = position
        found[kind, line] = None
        if len(found) == MAX_SECRETS:
            break
    return tuple(found)


def _everywhere(text: str, words: frozenset[bytes]) -> Positions:
    if not words:
        return
    if _KEY_WORD in words:
        yield from _private_keys(text)
    if _PUTTY_WORD in words:
        yield from _putty_keys(text)
    for token in TOKENS:
        if token.words & words:
            for match in token.pattern.finditer(text):
                if token.is_real(match[match.lastindex or 0]):
                    yield token.kind, match.start()
    if _AUTHS_WORD in words:
        yield from logins.registry_logins(text)
    if _CLIENT_KEY_WORD in words:
        yield from logins.client_keys(text)


def _private_keys(text: str) -> Positions:
    kind = "google-service-account-key" if '"service_account"' in text else "private-key"
    for begin in _BEGIN_KEY.finditer(text):
        end = text.find("-----", begin.end(), begin.end() + _MAX_KEY_LENGTH)
        if end >= 0 and text.startswith("-----END", end) and _is_key(begin, text[begin.end() : end]):
            yield kind, begin.start()


def _putty_keys(text: str) -> Positions:
    ends = [secret.end() for secret in _PUTTY_SECRET.finditer(text)]
    for begin in _PUTTY_KEY.finditer(text):
        place = bisect_right(ends, begin.end())
        if place < len(ends) and ends[place] <= begin.end() + _MAX_KEY_LENGTH:
            yield "private-key", begin.start()


def _is_key(begin: re.Match[str], body: str) -> bool:
    """Whether the text between the markers decodes to what such a key must begin with."""
    body = body.replace("\\r", "").replace("\\n", "\n")  # as JSON and .env files write lines
    headers = _KEY_HEADER.findall(body)
    data = _KEY_DECORATION.sub("", _KEY_HEADER.sub("", body))
    if begin[2]:  # OpenPGP armour ends in a checksum of its own
        data = data.rpartition("=")[0] if re.search(r"=[A-Za-z0-9+/]{4}$", data) else data
    try:
        decoded = base64.b64decode(data + "=" * (-len(data) % 4), validate=True)
    except ValueError:  # binascii.Error is one, and so is what a text that is not ASCII raises
        return False
    if len(decoded) < _MIN_KEY_BYTES or len(set(decoded)) < _FEWEST_BYTES:
        return False
    if begin[2]:
        return decoded[0] & 0x80 != 0
    if begin[1] == "OPENSSH ":
        return decoded.startswith(b"openssh-key-v1\0")
    is_encrypted = any("ENCRYPTED" in header for header in headers)
    return is_encrypted or decoded[0] == 0x30
