"""A gate with a cache in front of a real registry."""

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from scanning.oci.digest import Digest
from tests.e2e.running_gate import RunningGate
from tests.e2e.wire import Answer, Wire
from tests.images import debian, image
from tests.registries import RealRegistry, docker_registry, fresh_repository

__all__ = ["docker_registry"]

pytestmark = pytest.mark.real
IMAGE = image(debian(), {"srv/name": b"read-through cache"})
ADMIT, REFUSE = (
    json.dumps({"version": 1, "rules": [{"repositories": ["**"], "deny": deny}]})
    for deny in ({}, {"packages": {"purls": ["pkg:deb/**"]}})
)


@pytest.fixture
def gate(docker_registry: RealRegistry, tmp_path: Path) -> Iterator[RunningGate]:
    """It admits everything at first."""
    state = tmp_path / "state"
    state.mkdir()
    (state / "policy.yaml").write_text(ADMIT)
    running = RunningGate(state, docker_registry.url, extra={"IMAGEGATE_CACHE__SIZE_BYTES": str(64 << 20)}).start()
    yield running
    assert running.stop() == 0, running.log


def test_t67_a_copy_serves_the_pulls_that_a_verdict_admits_and_no_other(
    gate: RunningGate, docker_registry: RealRegistry
) -> None:
    repository = fresh_repository().name
    pusher, puller = (Wire(gate.port, gate.token(role, role, "**")) for role in ("developer", "operator"))
    assert pusher.push(repository, "1", IMAGE).status == 201

    def pulled() -> dict[Digest, Answer]:
        return {digest: puller.send("GET", f"/v2/{repository}/blobs/{digest}") for digest in IMAGE.blobs}

    assert {digest: said.body for digest, said in pulled().items()} == IMAGE.blobs
    wait_for(lambda: copies(gate) == {digest.hex for digest in IMAGE.blobs})
    for digest in IMAGE.blobs:  # as long as before, so that only who reads it can tell
        (data,) = docker_registry.folder.rglob(f"{digest.hex}/data")
        data.write_bytes(bytes(data.stat().st_size))
    assert {digest: said.body for digest, said in pulled().items()} == IMAGE.blobs
    (gate.state / "policy.yaml").write_text(REFUSE)
    wait_for(lambda: {said.status for said in pulled().values()} == {403})


def copies(gate: RunningGate) -> set[str]:
    """The blobs that are kept."""
    return {path.name for path in (gate.state / "cache" / "blobs").rglob("*") if path.is_file()}


def wait_for(condition: Callable[[], bool]) -> None:
    """What the gate does beside its answers takes it a moment."""
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)
