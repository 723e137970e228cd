"""Where requests may go: origins, the addresses behind them, and URLs built only from checked parts.

upstream origin     everything; credentials go here and nowhere else
redirect target     GET and HEAD of blobs only, without credentials (threat 84)
  same host, or configured      any address
  anything else                 public addresses only, checked again when the name is resolved
upload Location     the upstream's origin only
"""

import ipaddress
import re
import socket
from dataclasses import dataclass
from typing import Self
from urllib.parse import parse_qsl, unquote, urljoin, urlsplit

from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import DefaultResolver
from yarl import URL

from proxy.upstream.port import UpstreamRefusedError

_DEFAULT_PORTS = {"http": 80, "https": 443}
_URL_TEXT = re.compile(r"[!#$%&'()*+,\-./0-9:;=?@A-Z\[\]_a-z~]{1,4096}")
_HOST = re.compile(r"[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|[0-9a-f:.]*:[0-9a-f:.]*")
_OUR_PARAMETERS = frozenset({"digest", "mount", "from"})


@dataclass(frozen=True, slots=True)
class Origin:
    """Scheme, host and port of a server."""

    scheme: str
    host: str
    port: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `http[s]://host[:port]`. Raises `ValueError` if there is anything else in `text`."""
        if _URL_TEXT.fullmatch(text) is None:
            raise ValueError(f"{text[:200]!r} is not a URL")
        parts = urlsplit(text)
        if parts.path not in {"", "/"} or parts.query or parts.fragment or "@" in parts.netloc:
            raise ValueError(f"{text[:200]!r} must be http[s]://host[:port] and nothing more")
        return cls.of(text)

    @classmethod
    def of(cls, url: str) -> Self:
        """The origin of an absolute http or https URL. Raises `ValueError` on any other."""
        parts = urlsplit(url)
        host = parts.hostname or ""
        if parts.scheme not in _DEFAULT_PORTS or _HOST.fullmatch(host) is None or "@" in parts.netloc:
            raise ValueError(f"{url[:200]!r} is not an http or https URL of a host, without a user name")
        return cls(parts.scheme, host, parts.port or _DEFAULT_PORTS[parts.scheme])

    def is_among(self, hosts: frozenset[str]) -> bool:
        """Whether `hosts` has it, as `host` or as `host:port`."""
        return bool({self.host, f"{self.host}:{self.port}"} & hosts)

    def url(self, target: str) -> URL:
        """Address `target` (a path and query that are already checked and encoded) on this origin."""
        return URL(f"{self}{target}", encoded=True)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}"


def same_origin_target(origin: Origin, base: str, location: str) -> str:
    """The path and query that `location`, found in an answer to `base`, names on `origin`.

    Raises `UpstreamRefusedError` if it is on another origin, or its path or query could be read in two ways.
    """
    where = f"the upstream {origin} sent the address {location[:200]!r}, which is not used:"
    if _URL_TEXT.fullmatch(location) is None:
        raise UpstreamRefusedError(f"{where} it is too long or holds characters that no URL has")
    joined = urljoin(f"{origin}{base}", location)
    try:
        target_origin = Origin.of(joined)
    except ValueError as error:
        raise UpstreamRefusedError(f"{where} {error}") from error
    if target_origin != origin:
        raise UpstreamRefusedError(
            f"{where} it is on another origin; let the upstream answer with relative addresses"
            " (docker-registry: http.relativeurls), or set its url to the origin it uses"
        )
    parts = urlsplit(joined)
    raw_segments = urlsplit(location).path.split("/") + parts.path.split("/")[1:-1]
    if any(_is_ambiguous(segment) for segment in raw_segments) or "//" in parts.path:
        raise UpstreamRefusedError(f"{where} its path can be read in two ways")
    if _OUR_PARAMETERS & {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}:
        raise UpstreamRefusedError(f"{where} it sets digest, mount or from, which only the gate sets")
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


def _is_ambiguous(segment: str) -> bool:
    plain = unquote(segment)
    return plain in {".", ".."} or any(sign in plain for sign in "/\\%")


@dataclass(frozen=True, slots=True)
class Redirection:
    """Where a redirect leads. `guarded`: only public addresses will do. `is_home`: it is the upstream itself."""

    url: URL
    guarded: bool
    is_home: bool


def redirection(origin: Origin, allowed_hosts: frozenset[str], current: str, location: str) -> Redirection:
    """Judge the Location of a redirect, sent in answer to `current`.

    Raises `UpstreamRefusedError` unless it is http or https, keeps TLS, and leads to a public address, to the
    upstream's own host or to one of `allowed_hosts` (`host` or `host:port`).
    """
    where = f"the upstream {origin} redirects to {location[:200]!r}, which is not followed:"
    if _URL_TEXT.fullmatch(location) is None:
        raise UpstreamRefusedError(f"{where} it is too long or holds characters that no URL has")
    joined = urljoin(current, location).partition("#")[0]
    try:
        target = Origin.of(joined)
    except ValueError as error:
        raise UpstreamRefusedError(f"{where} {error}") from error
    if current.startswith("https:") and target.scheme != "https":
        raise UpstreamRefusedError(f"{where} it leads from https to http")
    trusted = target.host == origin.host or target.is_among(allowed_hosts)
    if not trusted and _is_inside(target.host):
        raise UpstreamRefusedError(
            f"{where} {target.host} is not a public address; if the upstream keeps its blobs there,"
            " add it to its redirect_hosts"
        )
    return Redirection(URL(joined, encoded=True), guarded=not trusted, is_home=target == origin)


def _is_inside(host: str) -> bool:
    """Whether a host is an address that is not public; names are judged when they are resolved."""
    if ":" not in host and not host.replace(".", "").isdigit():
        return False
    try:
        return not is_public_address(host)
    except ValueError:
        return True  # an address in a form that only some resolvers understand (threat 84)


def is_public_address(text: str) -> bool:
    """Whether an IP address is routed on the public Internet. An IPv6 address that wraps an IPv4 one counts as it."""
    address = ipaddress.ip_address(text.partition("%")[0])
    if isinstance(address, ipaddress.IPv6Address):
        wrapped = address.ipv4_mapped or address.sixtofour
        if wrapped is None and address in ipaddress.ip_network("64:ff9b::/96"):
            wrapped = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
        if wrapped is not None:
            address = wrapped
    return address.is_global and not address.is_multicast


class PublicResolver(AbstractResolver):
    """Resolves names to public addresses only, so that no name can lead inside (DNS rebinding included)."""

    def __init__(self) -> None:
        self._resolver = DefaultResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        """Resolve `host`. Raises `UpstreamRefusedError` if any of its addresses is not public."""
        found = await self._resolver.resolve(host, port, family)
        inside = sorted(result["host"] for result in found if not is_public_address(result["host"]))
        if inside:
            raise UpstreamRefusedError(
                f"the upstream redirects to {host!r}, which is not followed: its address {inside[0]} is not public;"
                " if the upstream keeps its blobs there, add it to its redirect_hosts"
            )
        return found

    async def close(self) -> None:
        """Let go of the resolver beneath."""
        await self._resolver.close()
