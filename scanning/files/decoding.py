"""Commands that make something of what nobody can read: `base64 -d`, `xxd -r`, `openssl enc -d`, `gunzip`."""

import re
from bisect import bisect_left

_ASKED = r"\s(?=(?:[^|;&]{0,100}?\s)?"
_OPTIONS = {
    "base(?:64|32)": r"-(?:-decode|[a-zA-Z]{0,3}[dD][a-zA-Z]{0,3})(?=\s|$|[)`\"'])",
    "xxd": r"-[a-z]{0,3}r",
    "openssl": r"-d(?=\s|$)",
    "(?:gzip|bzip2|xz|zstd)": r"-(?:-decompress|[a-z]{0,4}d)",
}
_ALWAYS = ("gunzip", "zcat", "bunzip2", "bzcat", "unxz", "xzcat", "unzstd", "zstdcat", "uudecode")
DECODERS = re.compile(
    r"(?<![\w./-])(?:/\S{0,100}/)?(?:"
    + "|".join(rf"{tool}{_ASKED}{option})" for tool, option in _OPTIONS.items())
    + rf"|(?:{'|'.join(_ALWAYS)})(?=\s|$))"
)
"""A command that decodes something."""
TOOLS = frozenset(("base64", "base32", "xxd", "openssl", "gzip", "bzip2", "xz", "zstd", *_ALWAYS))
_WORDS = ("base64", "base32", "xxd", "openssl", "zip", "zcat", "bzcat", "xz", "zstd", "uudecode")
_BYTES = tuple(word.encode() for word in _WORDS)
_SUBSTITUTED = re.compile(
    r"(?:(?:(?<![\w./-])(?:/\S{0,100}/)?(?:ba|da|a|z|k)?sh(?:\s+-\S{1,20}){0,4}|\beval|\bsource|(?:^|[\s;&])\.)\s{1,20}"
    r"|(?:^|[;&])\s{0,20})[\"']?(?:\$\(|<\(|`)"
)
_LONGEST = 300
"""Characters of what is put in the place of a command, as far as they are looked at."""


def may_decode(text: str) -> bool:
    """Whether it is worth to look in `text` for commands that decode."""
    return any(word in text for word in _WORDS)


def may_decode_bytes(script: bytes) -> bool:
    """The same of bytes."""
    return any(word in script for word in _BYTES)


def is_substituted(command: str) -> bool:
    """Whether a command runs what another decodes: `sh -c "$(echo … | base64 -d)"`."""
    places = [found.start() for found in DECODERS.finditer(command)]
    for opened in _SUBSTITUTED.finditer(command) if places else ():
        begin, end = opened.end(), opened.end() + _LONGEST
        closed = command.find(")" if command[begin - 1] == "(" else "`", begin, end)
        following = bisect_left(places, begin)
        if following < len(places) and places[following] < (closed if closed >= 0 else end):
            return True
    return False
