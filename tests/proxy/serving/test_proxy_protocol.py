"""PROXY headers: read exactly, never beyond their end, and nothing else is taken for one."""

import struct
from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.serving.proxy_protocol import MAX_BYTES, SIGNATURE, Address, ProxyHeaderError, missing, source

PORTS = st.integers(0, 65535)
PAIRS = st.one_of(
    st.tuples(st.ip_addresses(v=4), st.ip_addresses(v=4)), st.tuples(st.ip_addresses(v=6), st.ip_addresses(v=6))
)


def version_1(pair: tuple[Address, Address], ports: tuple[int, int]) -> bytes:
    return f"PROXY TCP{pair[0].version} {pair[0]} {pair[1]} {ports[0]} {ports[1]}\r\n".encode()


def version_2(
    pair: tuple[Address, Address],
    ports: tuple[int, int],
    extra: bytes = b"",
    *,
    command: int = 0x21,
    family: int | None = None,
) -> bytes:
    body = pair[0].packed + pair[1].packed + struct.pack("!HH", *ports) + extra
    known = 0x11 if pair[0].version == 4 else 0x21
    return SIGNATURE + struct.pack("!BBH", command, known if family is None else family, len(body)) + body


HEADERS = st.one_of(
    st.builds(version_1, PAIRS, st.tuples(PORTS, PORTS)),
    st.builds(version_2, PAIRS, st.tuples(PORTS, PORTS), st.binary(max_size=200)),
)
FOUR = (IPv4Address("192.0.2.7"), IPv4Address("10.0.0.1"))
SIX = (IPv6Address("2001:db8::7"), IPv6Address("2001:db8::1"))


def read(stream: bytes, piece: int = MAX_BYTES) -> tuple[bytes, bytes]:
    """The header of a stream that gives at most `piece` bytes at a time, and what is left for TLS or HTTP."""
    head = b""
    while wanted := missing(head):
        part = stream[len(head) : len(head) + min(wanted, piece)]
        if not part:
            raise ProxyHeaderError("the stream has ended")
        head += part
    return head, stream[len(head) :]


@given(HEADERS, st.binary(max_size=300), st.integers(1, 50))
def test_exactly_the_header_is_taken_however_the_bytes_arrive(header: bytes, rest: bytes, piece: int) -> None:
    assert read(header + rest, piece) == (header, rest)


@given(PAIRS, st.tuples(PORTS, PORTS), st.binary(max_size=200))
def test_both_versions_name_the_client(pair: tuple[Address, Address], ports: tuple[int, int], extra: bytes) -> None:
    assert source(version_1(pair, ports)) == pair[0]
    assert source(version_2(pair, ports, extra)) == pair[0]


@given(st.binary(max_size=300))
def test_t72_whatever_else_comes_is_refused_and_bounded(stream: bytes) -> None:
    try:
        head, _ = read(stream)
        source(head)
    except ProxyHeaderError:
        return
    assert head.startswith((b"PROXY ", SIGNATURE))
    assert len(head) <= MAX_BYTES


@given(HEADERS, st.data())
def test_a_header_with_one_byte_changed_is_refused_or_names_an_address(header: bytes, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(header) - 1))
    changed = header[:place] + bytes([data.draw(st.integers(0, 255))]) + header[place + 1 :]
    try:
        found = source(read(changed)[0])
    except ProxyHeaderError:
        return
    assert found is None or found == ip_address(str(found))


@pytest.mark.parametrize(
    "own",
    [
        b"PROXY UNKNOWN\r\n",
        b"PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n",
        version_2(FOUR, (1, 2), command=0x20),
        SIGNATURE + b"\x20\x00\x00\x00",
    ],
)
def test_a_balancer_may_speak_for_itself(own: bytes) -> None:
    assert read(own + b"GET")[1] == b"GET"
    assert source(own) is None


@pytest.mark.parametrize(
    "wrong",
    [
        b"GET /v2/ HTTP/1.1\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"PROXY\r\n",
        b"proxy TCP4 192.0.2.7 10.0.0.1 1 2\r\n",
        b"PROXY TCP4 192.0.2.7 10.0.0.1 1 2\n",
        b"PROXY TCP4  192.0.2.7 10.0.0.1 1 2\r\n",
        b"PROXY TCP4 192.0.2.7 10.0.0.1 1 2 \r\n",
        b"PROXY TCP4 192.0.2.7 10.0.0.1 01 2\r\n",
        b"PROXY TCP4 192.0.2.7 10.0.0.1 1 65536\r\n",
        b"PROXY TCP4 192.0.2.007 10.0.0.1 1 2\r\n",
        b"PROXY TCP4 2001:db8::7 2001:db8::1 1 2\r\n",
        b"PROXY TCP6 192.0.2.7 10.0.0.1 1 2\r\n",
        b"PROXY TCP4 192.0.2.7 10.0.0.1 1\r\n",
        b"PROXY UDP4 192.0.2.7 10.0.0.1 1 2\r\n",
        b"PROXY TCP4 " + b"1" * 200 + b"\r\n",
        version_2(FOUR, (1, 2), command=0x11),
        version_2(FOUR, (1, 2), command=0x22),
        version_2(FOUR, (1, 2), family=0x12),
        version_2(FOUR, (1, 2), family=0x31),
        version_2(FOUR, (1, 2), family=0x21),
        SIGNATURE + b"\x21\x11\xff\xff" + bytes(100),
        SIGNATURE[:-1] + b"X" + bytes(20),
    ],
)
def test_t72_what_is_not_exactly_a_header_is_refused(wrong: bytes) -> None:
    with pytest.raises(ProxyHeaderError):
        source(read(wrong)[0])


def test_the_longest_header_is_read_and_a_longer_one_is_refused_before_it_is_there() -> None:
    room = MAX_BYTES - 16 - 36
    assert source(read(version_2(SIX, (1, 2), bytes(room)))[0]) == SIX[0]
    with pytest.raises(ProxyHeaderError, match="longer than 4096 bytes"):
        missing(version_2(SIX, (1, 2), bytes(room + 1))[:16])
