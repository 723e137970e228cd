"""Room in the embedded registry: quotas, deleting, and garbage collection, by command beside a running gate."""

import json
import os
import secrets
import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest

from scanning.oci.digest import Digest
from tests.e2e.running_gate import RunningGate
from tests.e2e.wire import Wire
from tests.images import debian, image

QUOTA = 100_000
SETTINGS = {
    "IMAGEGATE_CONTENT__QUOTAS": json.dumps([{"repositories": ["small/**"], "bytes": QUOTA}]),
    "IMAGEGATE_CONTENT__GRACE_HOURS": "1",
    "IMAGEGATE_REGISTRY__DELETE_ENABLED": "true",
}
OCTETS = {"Content-Type": "application/octet-stream"}


@pytest.fixture(scope="module")
def gate(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGate]:
    """It has a quota, a short grace period, and deletes."""
    running = RunningGate(tmp_path_factory.mktemp("gate") / "state", extra=dict(SETTINGS)).start()
    yield running
    assert running.stop() == 0, running.log


@pytest.fixture(scope="module")
def admin(gate: RunningGate) -> Wire:
    """The gate, as an administrator."""
    return Wire(gate.port, gate.token("root", "admin", "**"))


def test_a_layer_over_the_quota_is_refused_with_what_to_do(gate: RunningGate, admin: Wire) -> None:
    begun = admin.send("POST", "/v2/small/app/blobs/uploads/", body=b"")
    said = admin.send("PATCH", admin.target(begun.headers["location"]), OCTETS, bytes(QUOTA + 1))
    assert (said.status, said.code) == (403, "DENIED")
    assert f"the quota of small/** is {QUOTA} bytes, 0 of them are used" in said.error["message"]
    digest = Digest.of(b"x" * QUOTA)
    assert admin.send("POST", f"/v2/small/app/blobs/uploads/?digest={digest}", OCTETS, b"x" * QUOTA).status == 201
    assert admin.send("POST", "/v2/small/app/blobs/uploads/", body=b"").status == 403
    assert admin.send("POST", "/v2/large/app/blobs/uploads/", body=b"").status == 202
    usage = gate.command("registry", "usage").stdout
    assert "small/app" in usage
    assert "100,000 of 100,000" in usage


def test_a_deleted_image_goes_with_all_its_bytes_and_nothing_else_does(gate: RunningGate, admin: Wire) -> None:
    others = len(files(gate))  # pushed by the other test, and named by no manifest
    base = {"srv/base": secrets.token_bytes(1000)}
    gone, kept = (image(debian(), base, {"srv/name": name}) for name in (b"gone", b"kept"))
    for tag, pushed in (("gone", gone), ("kept", kept)):
        assert admin.push("team/app", tag, pushed).status == 201
    abandoned = admin.push_blob("team/app", b"no manifest ever came for this")
    assert admin.send("DELETE", f"/v2/team/app/manifests/{gone.digest}").status == 202
    assert admin.send("GET", "/v2/team/app/manifests/gone").status == 404

    young = gate.command("registry", "gc")
    assert "Removed: 0 blobs" in young.stdout, young
    let_hours_pass(gate)
    foreseen, removed = gate.command("registry", "gc", "--dry-run"), gate.command("registry", "gc")
    expected = {*gone.blobs, abandoned} - set(kept.blobs)
    assert f"Would remove: {len(expected) + others} blobs" in foreseen.stdout, foreseen
    assert f"Removed: {len(expected) + others} blobs" in removed.stdout, removed
    assert {digest for digest in (*gone.blobs, *kept.blobs, abandoned) if digest.hex in files(gate)} == {*kept.blobs}
    assert [record["detail"] for record in gate.audit("--event", "blobs-collected")] == [
        removed.stdout.splitlines()[0].removeprefix("Removed: ").removesuffix(".")
    ]
    puller = Wire(gate.port, gate.token("ops", "operator", "**"))
    assert puller.send("GET", "/v2/team/app/manifests/kept").status == 200
    for digest, content in kept.blobs.items():
        assert puller.send("GET", f"/v2/team/app/blobs/{digest}").body == content


def files(gate: RunningGate) -> set[str]:
    """The blobs whose bytes are on the disk."""
    return {path.name for path in (gate.state / "content" / "blobs").rglob("*") if path.is_file()}


def let_hours_pass(gate: RunningGate) -> None:
    """Make everything in the registry two hours older than it is."""
    with closing(sqlite3.connect(gate.state / "imagegate.sqlite3", timeout=60)) as database, database:
        database.execute("UPDATE registry_blobs SET used_at = datetime(used_at, '-2 hours')")
    for path in (gate.state / "content" / "blobs").rglob("*"):
        if path.is_file():
            then = path.stat().st_mtime - 2 * 3600
            os.utime(path, times=(then, then))
