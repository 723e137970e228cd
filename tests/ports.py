"""TCP ports for the servers that tests start."""

import secrets
import socket

_LOWEST, _HIGHEST = 16_384, 32_767
"""Below those that Linux gives to whoever asks for any port, so that no client takes one before its server does."""

_claims: list[socket.socket] = []


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on, and that no other test is given."""
    return free_ports(1)


def free_ports(count: int) -> int:
    """The first of several such ports in a row. They stay claimed until this process ends."""
    while True:
        first = _LOWEST + secrets.randbelow(_HIGHEST - _LOWEST - count + 2)
        claims = [claim for claim in map(_claim, range(first, first + count)) if claim is not None]
        if len(claims) == count:
            _claims.extend(claims)
            return first
        for claim in claims:
            claim.close()


def _claim(port: int) -> socket.socket | None:
    """Hold the UDP port of the same number, which nobody here needs: other processes of the tests look there, too."""
    claim = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        claim.bind(("127.0.0.1", port))
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
    except OSError:
        claim.close()
        return None
    return claim
