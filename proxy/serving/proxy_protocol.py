"""The PROXY protocol, versions 1 and 2: whom a balancer speaks for, told before the first byte of the client.

Pure and strict (https://www.haproxy.org/download/3.2/doc/proxy-protocol.txt): what is not exactly a header is refused.
Nothing behind the header may be taken from the socket, for it belongs to TLS or HTTP; so `missing` says how many
bytes can be read without going beyond it.
"""

import re
import struct
from ipaddress import IPv4Address, IPv6Address

from config.errors import ImagegateError

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
"""How version 2 begins."""

MAX_BYTES = 4096
"""The longest header of version 2 that is read: 16 bytes, the addresses, and what the balancer adds (TLV)."""

_V1_BEGIN = b"PROXY "
_V1_MAX = 107
_V1_SHORTEST = b"PROXY UNKNOWN\r\n"
_V1 = re.compile(rb"PROXY (TCP[46]) ([0-9A-Fa-f.:]+) ([0-9A-Fa-f.:]+) (0|[1-9]\d{0,4}) (0|[1-9]\d{0,4})\r\n")
_V1_UNKNOWN = re.compile(rb"PROXY UNKNOWN(?: [^\r\n]*)?\r\n")
_V2_HEAD = struct.Struct("!12sBBH")
_LOCAL, _PROXY = 0x20, 0x21
_ADDRESSES = {0x1: (4, 12), 0x2: (16, 36)}
"""By address family: bytes of one address, and of both with their ports."""
_STREAM = 0x1

Address = IPv4Address | IPv6Address


class ProxyHeaderError(ImagegateError):
    """What a connection began with is not a PROXY header that can be read."""


def missing(head: bytes) -> int:
    """How many bytes can be read after `head` without passing the header's end; 0 if it is complete.

    Raises `ProxyHeaderError` as soon as `head` cannot become a header, or not a bounded one.
    """
    shortest = min(len(head), len(SIGNATURE))
    if head[:shortest] == SIGNATURE[:shortest]:
        if len(head) < _V2_HEAD.size:
            return (len(SIGNATURE) if len(head) < len(SIGNATURE) else _V2_HEAD.size) - len(head)
        whole: int = _V2_HEAD.size + _V2_HEAD.unpack_from(head)[3]
        if whole > MAX_BYTES:
            raise ProxyHeaderError(f"its PROXY header is longer than {MAX_BYTES} bytes")
        return whole - len(head)
    if head[: len(_V1_BEGIN)] != _V1_BEGIN[: len(head)]:
        raise ProxyHeaderError("it did not begin with a PROXY header")
    if head.endswith(b"\r\n"):
        return 0
    if len(head) >= _V1_MAX:
        raise ProxyHeaderError(f"its PROXY header is longer than {_V1_MAX} bytes")
    return max(len(_V1_SHORTEST) - len(head), 1)


def source(head: bytes) -> Address | None:
    """Whom a complete header speaks for; None where the balancer speaks for itself (LOCAL, UNKNOWN).

    Raises `ProxyHeaderError`.
    """
    return _source_v2(head) if head.startswith(SIGNATURE) else _source_v1(head)


def _source_v1(line: bytes) -> Address | None:
    if _V1_UNKNOWN.fullmatch(line):
        return None
    found = _V1.fullmatch(line)
    if found is None:
        raise ProxyHeaderError("its PROXY header is not of version 1")
    kind: type[Address] = IPv4Address if found[1] == b"TCP4" else IPv6Address
    try:
        address, _ = (kind(text.decode()) for text in (found[2], found[3]))
    except ValueError as error:
        raise ProxyHeaderError(f"its PROXY header names no {found[1].decode()} addresses: {error}") from error
    if any(int(port) > 0xFFFF for port in (found[4], found[5])):
        raise ProxyHeaderError("its PROXY header names a port beyond 65535")
    return address


def _source_v2(head: bytes) -> Address | None:
    _, command, family, length = _V2_HEAD.unpack_from(head)
    body = head[_V2_HEAD.size :]
    if len(body) != length:
        raise ProxyHeaderError("its PROXY header is not complete")
    if command == _LOCAL:
        return None
    if command != _PROXY:
        raise ProxyHeaderError(f"its PROXY header has the unknown version or command {command:#04x}")
    size, both = _ADDRESSES.get(family >> 4, (0, 0))
    if family & 0xF != _STREAM or not size:
        raise ProxyHeaderError(f"its PROXY header is not about TCP over IPv4 or IPv6 (family {family:#04x})")
    if length < both:
        raise ProxyHeaderError(f"its PROXY header has {length} bytes of addresses, {both} are needed")
    return IPv4Address(body[:size]) if size == 4 else IPv6Address(body[:size])
