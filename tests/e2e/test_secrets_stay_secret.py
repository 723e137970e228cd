"""What is told of a secret is its kind and its place: nothing the gate says or writes down holds the secret itself."""

import json
import string
import zlib
from collections.abc import Iterator
from pathlib import Path
from random import Random

import pytest

from scanning.oci import media_types
from scanning.oci.digest import Digest
from tests.e2e.running_gate import RunningGate
from tests.e2e.wire import Wire
from tests.images import TestImage, debian, image

_DIGITS = string.digits + string.ascii_uppercase + string.ascii_lowercase
_RANDOM = Random(7)  # noqa: S311 # made for tests, protects nothing
HARDENING = {"gravity": "info", "effect": "warn"}
POLICY = {
    "version": 1,
    "rules": [
        {"repositories": ["refused/**"], "deny": {"secrets": {}, "hardening": HARDENING}},
        {"repositories": ["watched/**"], "deny": {"secrets": {"effect": "warn"}, "hardening": HARDENING}},
    ],
}


def token() -> str:
    """A token as GitHub makes them, checksum included."""
    secret = "".join(_RANDOM.choices(_DIGITS, k=30))
    number, checksum = zlib.crc32(secret.encode()), ""
    for _ in range(6):
        number, digit = divmod(number, 62)
        checksum = _DIGITS[digit] + checksum
    return f"ghp_{secret}{checksum}"


PLACES = (
    "file", "deleted file", "environment", "environment name", "label", "label name", "history", "address",
    "annotation",
)  # fmt: skip
SECRETS = {place: token() for place in PLACES}


def leaking() -> TestImage:
    """An image with a secret in each of the places."""
    layers = (
        {"app/config": SECRETS["file"].encode(), "app/old": SECRETS["deleted file"].encode()},
        {"app/.wh.old": b""},
    )
    made = image(
        debian(),
        *layers,
        env=(f"GIT={SECRETS['environment']}", f"{SECRETS['environment name']}=1"),
        extra_config={"Labels": {"a": SECRETS["label"], SECRETS["label name"]: "b"}},
    )
    manifest = json.loads(made.manifest)
    config = next(content for digest, content in made.blobs.items() if str(digest) == manifest["config"]["digest"])
    told = json.loads(config)
    told["history"][1]["created_by"] = f"RUN curl -H 'Authorization: {SECRETS['history']}' https://host.test"
    told["history"].append({"created_by": f"ADD https://me:{SECRETS['address']}@host.test/a /a", "empty_layer": True})
    return _with(made, config, json.dumps(told).encode(), {"note": SECRETS["annotation"]})


def _with(made: TestImage, old: bytes, new: bytes, annotations: dict[str, str]) -> TestImage:
    manifest = json.loads(made.manifest)
    manifest["config"] |= {"digest": str(Digest.of(new)), "size": len(new)}
    manifest["annotations"] = annotations
    blobs = {digest: content for digest, content in made.blobs.items() if content != old} | {Digest.of(new): new}
    return TestImage(json.dumps(manifest).encode(), media_types.OCI_MANIFEST, blobs)


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[RunningGate]:
    """A gate that refuses secrets."""
    running = RunningGate(tmp_path / "state", extra={"IMAGEGATE_INSPECTION__WORKERS": "1"})
    running.state.mkdir()
    (running.state / "policy.yaml").write_text(json.dumps(POLICY))
    running.start()
    try:
        yield running
    finally:
        running.stop()


@pytest.mark.timeout(300)
def test_no_output_holds_the_secret(gate: RunningGate, tmp_path: Path) -> None:
    wire = Wire(gate.port, gate.token("me", "admin", "**"))
    leaky = leaking()
    refused, watched = (wire.push(f"{where}/app", "1", leaky) for where in ("refused", "watched"))
    assert (refused.status, watched.status) == (403, 201)
    outputs = {
        "refusal": refused.body.decode(),
        "verdicts": wire.send("GET", "/api/v1/verdicts?repository=refused/app").body.decode(),
        "audit": json.dumps(gate.audit()),
        "log": gate.log,
    }
    layout = str(leaky.write_layout(tmp_path / "layout"))
    for command in (
        ("image", "show", "watched/app:1"),
        ("image", "show", "watched/app:1", "--json"),
        ("image", "sbom", "watched/app:1"),
        ("verdict", "list"),
        ("check", layout, "--repository", "watched/app"),
        ("check", layout, "--repository", "watched/app", "--format", "json"),
    ):
        done = gate.command(*command)
        assert done.returncode == 0, done.stderr
        outputs[" ".join(command)] = done.stdout + done.stderr

    held = [(output, place) for output, text in outputs.items() for place, secret in SECRETS.items() if secret in text]

    assert held == []
    report = outputs[f"check {layout} --repository watched/app"]
    places = ("app/config", "app/old", "env GIT", "env 2", "label a", "label 2", "history 2", "annotation note")
    assert [place for place in places if place not in report] == []
