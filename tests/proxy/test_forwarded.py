"""Who the client is, where proxies stand before the gate (threat 26)."""

from ipaddress import ip_address, ip_network
from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.forwarded import Proxies, within

OURS = tuple(map(ip_network, ("10.0.0.0/8", "2001:db8:1::/48")))
Header = Literal["x-forwarded-for", "forwarded"]


def client(header: Header, *lines: str, peer: str = "10.0.0.1") -> str:
    return Proxies(OURS, header).client(peer, lines)


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["192.0.2.7"], "192.0.2.7"),
        (["192.0.2.7, 10.0.0.2"], "192.0.2.7"),
        (["198.51.100.1, 192.0.2.7", "10.0.0.2"], "192.0.2.7"),
        (["192.0.2.7:4711"], "192.0.2.7"),
        (["[2001:db8::7]:4711"], "2001:db8::7"),
        (["2001:db8::7"], "2001:db8::7"),
        (["::ffff:192.0.2.7"], "192.0.2.7"),
        (["192.0.2.7, unknown, 10.0.0.2"], "10.0.0.2"),
        (["192.0.2.7,"], "10.0.0.1"),
        (["192.0.2.7; x"], "10.0.0.1"),
        (["fe80::1%x status=200 method=GET"], "10.0.0.1"),  # an address may have a zone, which may be any text
        ([], "10.0.0.1"),
        (["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
    ],
)
def test_t26_x_forwarded_for_is_read_from_the_right(lines: list[str], expected: str) -> None:
    assert client("x-forwarded-for", *lines) == expected


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["for=192.0.2.7"], "192.0.2.7"),
        (["For=192.0.2.7;proto=https;by=10.0.0.2"], "192.0.2.7"),
        (['for="[2001:db8::7]:4711"'], "2001:db8::7"),
        (['for="192.0.2.7:4711"'], "192.0.2.7"),
        ([r'for="192\.0.2.7"'], "192.0.2.7"),
        (["for=198.51.100.1, for=192.0.2.7 , for=10.0.0.2"], "192.0.2.7"),
        (["for=198.51.100.1", "for=192.0.2.7"], "192.0.2.7"),
        (['host="a,b;for=198.51.100.1";for=192.0.2.7'], "192.0.2.7"),
        (["for=192.0.2.7, for=_hidden"], "10.0.0.1"),
        (["for=192.0.2.7, proto=https"], "10.0.0.1"),
        (["for=192.0.2.7;for=198.51.100.1"], "10.0.0.1"),
        (['for="198.51.100.1, for=192.0.2.7'], "10.0.0.1"),
        (["for=192.0.2.7,,for=10.0.0.2"], "10.0.0.1"),
        (['for=192.0.2.7;x="'], "10.0.0.1"),
        ([""], "10.0.0.1"),
    ],
)
def test_t26_forwarded_is_read_from_the_right_and_only_whole(lines: list[str], expected: str) -> None:
    assert client("forwarded", *lines) == expected


@given(st.lists(st.text(max_size=60)), st.sampled_from(["x-forwarded-for", "forwarded"]))
def test_t26_nobody_but_our_proxies_is_believed(lines: list[str], header: Header) -> None:
    assert client(header, *lines, peer="192.0.2.9") == "192.0.2.9"


@given(st.lists(st.text(max_size=60)), st.sampled_from(["x-forwarded-for", "forwarded"]))
def test_t26_whatever_is_forwarded_the_answer_is_an_address(lines: list[str], header: Header) -> None:
    found = client(header, *lines)
    assert str(ip_address(found)) == found


@given(st.ip_addresses(v=4), st.text(alphabet='for="\\,; 1.', max_size=40))
def test_t26_nothing_left_of_what_our_proxy_wrote_can_take_its_place(address: object, before: str) -> None:
    found = client("forwarded", f"{before}, for={address}")
    assert found in (str(address), "10.0.0.1") or within(str(address), OURS)


def test_an_ipv4_address_that_comes_by_way_of_ipv6_is_the_same() -> None:
    assert within("::ffff:10.1.2.3", OURS)
    assert not within("::ffff:11.1.2.3", OURS)
    assert not within("", OURS)
