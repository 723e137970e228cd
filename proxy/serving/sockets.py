"""The listening sockets of an address."""

import errno
import os
import socket

from config.errors import ImagegateError
from config.settings import Listen

_BACKLOG = 1024
_NOT_HERE = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}


class ListenError(ImagegateError):
    """Nothing can be listened on at the address of the settings."""


def open_sockets(listen: Listen) -> tuple[socket.socket, ...]:
    """A listening socket for each address of `listen.host`. Looks names up, so it may take a while.

    Raises `ListenError`.
    """
    opened: list[socket.socket] = []
    problem: OSError | None = None
    try:
        found = socket.getaddrinfo(listen.host, listen.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, _, _, _, address in dict.fromkeys(found):
            try:
                opened.append(_open(family, address))
            except OSError as error:
                if error.errno not in _NOT_HERE:
                    raise
                problem = error  # a machine without IPv6 may have names with IPv6 addresses
        if not opened:
            raise problem or OSError(errno.EADDRNOTAVAIL, os.strerror(errno.EADDRNOTAVAIL))
    except OSError as error:
        for each in opened:
            each.close()
        raise ListenError(
            f"{listen.host}:{listen.port} cannot be listened on: {error.strerror or error}; see what else listens"
            " there, or set listen.host and listen.port"
        ) from error
    return tuple(opened)


def _open(family: int, address: tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]) -> socket.socket:
    opened = socket.socket(family, socket.SOCK_STREAM)
    try:
        opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            opened.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        opened.bind(address)
        opened.listen(_BACKLOG)
        opened.setblocking(False)
    except BaseException:
        opened.close()
        raise
    return opened
