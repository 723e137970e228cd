"""Heads of requests, as the bytes they are: which can be known again, and what they consist of.

Nothing is read in here that was not read the ordinary way before: a head is only taken apart where its parts can be
compared with parts of others.
"""

from dataclasses import dataclass

LAST_LINE = b"\r\n\r\n"
_LONGEST = 8192
_VERSION = b" HTTP/1.1\r\n"
_BEARER = b"\r\nAuthorization: Bearer "


@dataclass(frozen=True, slots=True)
class Parts:
    """A head in pieces: `method` and `target` of its first line, the bearer token, and the rest.

    Two heads with the same rest mean the same, but for who asks and what for: lines of a head do not change each
    other's meaning (RFC 9112 section 2.1), and none of these pieces holds the end of a line unless it is known.
    """

    method: bytes
    target: bytes
    token: bytes
    rest: tuple[bytes, bytes]


def is_lone_head(data: bytes) -> bool:
    """Whether what was received can be the whole of one request that only asks."""
    return (
        len(data) <= _LONGEST
        and data.startswith((b"GET /v2/", b"HEAD /v2/"))
        and data.find(LAST_LINE) == len(data) - len(LAST_LINE)
    )


def take_apart(head: bytes) -> Parts | None:
    """The parts of a head with a bearer token, None for any other. Whether it is a lone one, the caller knows."""
    line = head.find(_VERSION)
    token = head.find(_BEARER, line) + len(_BEARER)
    end = head.find(b"\r\n", token)
    if line < 0 or token < len(_BEARER) or end < 0:
        return None
    method, _, target = head[:line].partition(b" ")
    return Parts(method, target, head[token:end], (head[line:token], head[end:]))
