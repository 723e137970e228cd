"""TCP ports for the servers that tests start."""

import socket


def free_port() -> int:
    """A TCP port of the loopback interface nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
