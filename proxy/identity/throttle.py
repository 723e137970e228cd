"""The brake on guessing (threat 10): failures are counted by account and client address, in bounded memory."""

import math
from collections import OrderedDict
from collections.abc import Callable
from ipaddress import IPv6Address, ip_address

from proxy.errors import TooManyRequestsError

_REMEMBERED = 20_000
_ADDRESS_FACTOR = 10
"""One address may stand for many people; it gets this many times what one account at one address gets."""
_IPV6_SITE = 64
"""Somebody with an IPv6 connection has this much of it: a /64 counts as one address."""


class Throttle:
    """Refuses after `failures` failures in a fixed window of `window` seconds. `monotonic` counts seconds."""

    def __init__(self, *, failures: int, window: float, monotonic: Callable[[], float]) -> None:
        self._failures = failures
        self._window = window
        self._monotonic = monotonic
        self._counts: OrderedDict[tuple[str, str], tuple[float, int]] = OrderedDict()

    def check(self, account: str, address: str) -> None:
        """Raise `TooManyRequestsError` while there were too many failures."""
        now = self._monotonic()
        for key, allowed in self._keys(account, address):
            since, count = self._counts.get(key, (now, 0))
            remaining = since + self._window - now
            if count >= allowed and remaining > 0:
                raise TooManyRequestsError(
                    "too many failed logins from this address; wait and try again with a valid token",
                    retry_after=math.ceil(remaining),
                )

    def failed(self, account: str, address: str) -> None:
        """Count one failure."""
        now = self._monotonic()
        for key, _ in self._keys(account, address):
            since, count = self._counts.get(key, (now, 0))
            if now - since >= self._window:
                since, count = now, 0
            self._counts[key] = (since, count + 1)
            self._counts.move_to_end(key)
        while len(self._counts) > _REMEMBERED:
            self._counts.popitem(last=False)

    def _keys(self, account: str, address: str) -> tuple[tuple[tuple[str, str], int], ...]:
        site = _site(address)
        of_account = (f"account {account[:128]}", site)
        return (of_account, self._failures), (("address", site), self._failures * _ADDRESS_FACTOR)


def _site(address: str) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, IPv6Address) and parsed.ipv4_mapped is None:
        return str(int(parsed) >> (128 - _IPV6_SITE))
    return str(parsed)
