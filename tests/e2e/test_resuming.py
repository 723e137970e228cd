"""An upload goes on at another gate on the same database, or after a restart: its address says where it stands."""

import secrets
import signal
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
