"""Who the client is, where proxies stand between it and the gate (threat 26).

A header is believed only as far as proxies of ours wrote it: read from the right, the first address that is not one
of them is the client. Only the header that the settings name is read, for a proxy that writes one of them passes the
other on as the client sent it.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Literal

Networks = Sequence[IPv4Network | IPv6Network]
_WITH_PORT = re.compile(r"(?:\[(?P<six>[0-9A-Fa-f:.]+)\]|(?P<four>[0-9.]+))(?::\d{1,5})?")
_TOKEN = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # noqa: S105  # RFC 9110's word for it
_PAIR = re.compile(rf'\s*(?P<name>{_TOKEN})=(?:(?P<plain>{_TOKEN})|"(?P<quoted>(?:[^"\\]|\\.)*)")\s*(?P<end>[;,]|$)')


@dataclass(frozen=True, slots=True)
class Proxies:
    """Which proxies are believed, and in which header they say for whom they ask."""

    networks: Networks = ()
    header: Literal["x-forwarded-for", "forwarded"] = "x-forwarded-for"

    def client(self, peer: str, lines: Sequence[str]) -> str:
        """The client's address; `lines` are the values of `header`, `peer` is who connected."""
        if not self.networks or not within(peer, self.networks):
            return peer
        hops = _forwarded(lines) if self.header == "forwarded" else _forwarded_for(lines)
        address = peer
        for hop in reversed(hops):
            found = _address(hop)
            if found is None:  # beyond something unreadable nothing can be known
                return address
            address = str(found)
            if not within(address, self.networks):
                return address
        return address


def within(address: str, networks: Iterable[IPv4Network | IPv6Network]) -> bool:
    """Whether `address` is in one of the networks; an IPv4 address that came by way of IPv6 counts as what it is."""
    try:
        parsed = _unmapped(ip_address(address))
    except ValueError:
        return False
    return any(parsed in network for network in networks)


def _unmapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    return (address.ipv4_mapped or address) if isinstance(address, IPv6Address) else address


def _address(hop: str) -> IPv4Address | IPv6Address | None:
    """An address, with or without a port; None for anything else, as `unknown` and made-up names are.

    No zone (RFC 4007): `ip_address` takes any text for one, and it means nothing to anybody but the host it names.
    """
    if "%" in hop:
        return None
    found = _WITH_PORT.fullmatch(hop)
    try:
        return _unmapped(ip_address((found["six"] or found["four"]) if found else hop))
    except ValueError:
        return None


def _forwarded_for(lines: Iterable[str]) -> list[str]:
    return [hop.strip() for line in lines for hop in line.split(",")]


def _forwarded(lines: Iterable[str]) -> list[str]:
    """The `for` of each element of Forwarded (RFC 7239), "" where it has none."""
    return [hop for line in lines for hop in _elements(line)]


def _elements(line: str) -> list[str]:
    """Of a line that breaks the grammar anywhere nothing is believed: where its elements end cannot be known."""
    hops, names, hop, place = list[str](), set[str](), "", 0
    while True:
        pair = _PAIR.match(line, place)
        if pair is None or pair["name"].lower() in names:
            return [""]
        names.add(pair["name"].lower())
        if pair["name"].lower() == "for":
            hop = pair["plain"] or re.sub(r"\\(.)", r"\1", pair["quoted"] or "")
        if pair["end"] != ";":
            hops.append(hop)
            names, hop = set[str](), ""
        if not pair["end"]:
            return hops
        place = pair.end()
