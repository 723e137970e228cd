"""What a worker can still do once somebody has broken into it."""

import asyncio
import ctypes
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from proxy.inspection.errors import InspectionFailedError
from proxy.inspection.pool import InspectionPool
from scanning.layers.limits import InspectionLimits

_VERSION = ctypes.CDLL(None).syscall(444, None, 0, 1)
"""The kernel's version of Landlock."""

_BROKEN_INTO = """
import os, socket, sys
from proxy.inspection import template, worker

GATE, SECRET, PORT = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])

def tries():
    yield "secret", lambda: open(SECRET).read()
    yield "folder", lambda: os.listdir(os.path.dirname(SECRET))
    yield "accounts", lambda: open("/etc/passwd").read()
    yield "memory of the gate", lambda: open(f"/proc/{GATE}/mem", "rb").close()
    yield "environment of the gate", lambda: open(f"/proc/{GATE}/environ", "rb").close()
    yield "memory of the template", lambda: open(f"/proc/{os.getppid()}/mem", "rb").close()
    yield "file", lambda: os.close(os.open(SECRET + ".new", os.O_CREAT | os.O_WRONLY))
    yield "removal", lambda: os.unlink(SECRET)
    yield "signal to the gate", lambda: os.kill(GATE, 0)
    yield "signal to the template", lambda: os.kill(os.getppid(), 0)
    yield "connection", lambda: socket.create_connection(("127.0.0.1", PORT), 5).close()
    yield "late import", lambda: __import__("encodings.cp437")

def serve(self):
    done = []
    for what, act in tries():
        try:
            act()
        except OSError:
            continue
        done.append(what)
    raise RuntimeError("it could: " + ", ".join(done))

worker.Worker.serve = serve
sys.exit(template.main())
"""


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


@pytest.mark.skipif(_VERSION < 1, reason="this kernel has no Landlock, or the container forbids it")
async def test_t80_a_worker_that_was_broken_into_reaches_nothing_outside(tmp_path: Path, port: int) -> None:
    secret = tmp_path / "token"
    secret.write_text("a credential of the gate")
    arguments = (str(os.getpid()), str(secret), str(port))
    pool = InspectionPool(1, InspectionLimits(), command=(sys.executable, "-I", "-c", _BROKEN_INTO, *arguments))
    async with asyncio.timeout(240):
        with pytest.raises(InspectionFailedError, match="it could: ") as failed:
            await pool.start()
    able = set(str(failed.value).partition("it could: ")[2].split(", "))
    expected = {"late import"}
    if _VERSION < 6:
        expected |= {"signal to the gate", "signal to the template"}
    assert able == expected
    assert secret.read_text() == "a credential of the gate"
