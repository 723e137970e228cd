"""An upload goes on at another gate on the same database, or after a restart: its address says where it stands."""

import secrets
import signal
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from scanning.oci.digest import Digest
from tests.databases import PostgresServer
from tests.e2e.conftest import policy_text
from tests.e2e.running_gate import RunningGate
from tests.e2e.test_crash import KEY
from tests.e2e.wire import Answer, Wire
from tests.registries import RealRegistry, fresh_repository

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]
OCTETS = "application/octet-stream"
PARTS = [secrets.token_bytes(size) for size in (300_000, 200_000, 100_000)]
CONTENT = b"".join(PARTS)
DIGEST = Digest.of(CONTENT)


@dataclass(frozen=True)
class Replicas:
    """Two gates on one database in front of one registry, and a developer's token."""

    one: RunningGate
    two: RunningGate
    token: str

    def wire(self, gate: RunningGate) -> Wire:
        """To one of them."""
        return Wire(gate.port, self.token)


@pytest.fixture(params=["embedded", "remote"])
def replicas(request: pytest.FixtureRequest, tmp_path: Path, postgres_server: PostgresServer) -> Iterator[Replicas]:
    """Two gates that a test may kill."""
    upstream = ""
    if request.param == "remote":
        registry: RealRegistry = request.getfixturevalue("docker_registry")
        upstream = registry.url
    database = {"IMAGEGATE_DATABASE_URL": postgres_server.create_database()}
    one, two = [RunningGate(tmp_path / "state", upstream, extra=database) for _ in range(2)]
    one.state.mkdir()
    (one.state / "policy.yaml").write_text(policy_text(KEY))
    try:
        one.start()
        two.start()
        yield Replicas(one, two, one.token("dev", "developer", "**"))
    finally:
        for gate in (one, two):
            if gate.process is not None:
                gate.stop(signal.SIGKILL)


def begin(wire: Wire, repository: str) -> str:
    """Open an upload; gives its address."""
    begun = wire.send("POST", f"/v2/{repository}/blobs/uploads/", body=b"")
    assert begun.status == 202, begun
    return wire.target(begun.headers["location"])


def send(wire: Wire, target: str, start: int, part: bytes) -> str:
    """Send one chunk; gives the upload's next address."""
    span = {"Content-Type": OCTETS, "Content-Range": f"{start}-{start + len(part) - 1}"}
    sent = wire.send("PATCH", target, span, part)
    assert (sent.status, sent.headers.get("range")) == (202, f"0-{start + len(part) - 1}"), sent
    return wire.target(sent.headers["location"])


def stands(wire: Wire, target: str) -> Answer:
    """Ask where an upload stands."""
    return wire.send("GET", target)


def test_an_upload_goes_on_at_another_gate_and_after_a_restart(replicas: Replicas) -> None:
    repository = str(fresh_repository())
    first = replicas.wire(replicas.one)
    target = send(first, begin(first, repository), 0, PARTS[0])
    replicas.one.stop(signal.SIGKILL)

    second = replicas.wire(replicas.two)
    asked = stands(second, target)
    assert (asked.status, asked.headers["range"]) == (204, f"0-{len(PARTS[0]) - 1}")
    target = send(second, target, len(PARTS[0]), PARTS[1])
    replicas.two.stop(signal.SIGKILL)

    replicas.one.start()
    target = send(first, target, len(PARTS[0] + PARTS[1]), PARTS[2])
    done = first.send("PUT", f"{target}?digest={DIGEST}", {"Content-Type": OCTETS}, b"")
    assert done.status == 201, done
    assert first.send("GET", f"/v2/{repository}/blobs/{DIGEST}").body == CONTENT


def test_a_chunk_that_broke_off_goes_on_at_another_gate(replicas: Replicas) -> None:
    repository = str(fresh_repository())
    first, second = replicas.wire(replicas.one), replicas.wire(replicas.two)
    target = send(first, begin(first, repository), 0, PARTS[0])
    break_off(first, target, PARTS[1][:-1], len(PARTS[1]))
    await_end_of_chunks(replicas.one, 2)
    replicas.one.stop(signal.SIGKILL)

    asked = stands(second, target)
    assert asked.status == 204, asked
    arrived = int(asked.headers["range"].removeprefix("0-")) + 1
    assert len(PARTS[0]) <= arrived < len(PARTS[0] + PARTS[1])
    target = send(second, second.target(asked.headers["location"]), arrived, CONTENT[arrived:])
    done = second.send("PUT", f"{target}?digest={DIGEST}", {"Content-Type": OCTETS}, b"")
    assert done.status == 201, done
    assert second.send("GET", f"/v2/{repository}/blobs/{DIGEST}").body == CONTENT


def break_off(wire: Wire, target: str, sent: bytes, announced: int) -> None:
    """Announce a chunk, send some of it and hang up: how much of that arrives is chance."""
    head = [f"PATCH {target} HTTP/1.1", f"Host: 127.0.0.1:{wire.port}", f"Content-Type: {OCTETS}"]
    head += [f"Content-Length: {announced}", *(f"{name}: {value}" for name, value in wire.authorization.items())]
    with socket.create_connection(("127.0.0.1", wire.port), timeout=60) as connection:
        connection.sendall("\r\n".join([*head, "", ""]).encode() + sent)


def await_end_of_chunks(gate: RunningGate, count: int) -> None:
    """Wait until the log says that so many chunks were dealt with."""
    deadline = time.monotonic() + 60
    while gate.log.count('"method": "PATCH"') < count:
        assert time.monotonic() < deadline, gate.log
        time.sleep(0.1)
