"""One gate before three registries: the embedded one, a real one that is only pulled from, and one that is down."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.clients import Said, Skopeo, run
from tests.e2e.conftest import need
from tests.e2e.running_gate import RunningGate
from tests.e2e.wire import Wire
from tests.images import TestImage, debian, image
from tests.ports import free_port
from tests.registries import PASSWORD, USERNAME, RealRegistry, docker_registry_with_tokens, fresh_repository

__all__ = ["docker_registry_with_tokens"]

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]

CLEAN = image(debian(), {"srv/several": b"pulled through"})
WITH_SSH = image(debian(("openssh-client", "1:9.2p1-2")), {"usr/bin/ssh": b"\x7fELF usage: ssh ["})


@dataclass(frozen=True)
class Gate:
    """The gate, and clients of it with one token each."""

    running: RunningGate
    registry: RealRegistry
    home: Path
    developer: str
    operator: str

    def client(self, token: str) -> Skopeo:
        client = Skopeo(self.home)
        assert client.login(self.running.host, token).ok
        return client

    def wire(self, token: str) -> Wire:
        return Wire(self.running.port, token)

    def reference(self, repository: str) -> str:
        return f"{self.running.host}/{repository}:1"

    def beside(self, found: TestImage, repository: str) -> None:
        """Push an image to the registry itself, past the gate."""
        layout = found.write_layout(self.home / "beside" / found.digest.hex[:16], "image")
        target = f"docker://{self.registry.url.partition('://')[2]}/{repository}:1"
        options = ("--dest-tls-verify=false", "--dest-creds", f"{USERNAME}:{PASSWORD}")
        pushed = run("skopeo", "copy", *options, f"oci:{layout}:image", target)
        assert pushed.ok, pushed.text


@pytest.fixture(scope="module")
def gate(docker_registry_with_tokens: RealRegistry, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gate]:
    need("skopeo")
    folder = tmp_path_factory.mktemp("several")
    (folder / "password").write_text(PASSWORD)
    hub = {
        "prefix": "hub",
        "kind": "remote",
        "url": docker_registry_with_tokens.url,
        "token_origins": [docker_registry_with_tokens.token_origin],
        "username": USERNAME,
        "password_file": str(folder / "password"),
        "namespace": "mirror",
        "access": "read-only",
    }
    gone = {"prefix": "gone", "kind": "remote", "url": f"http://127.0.0.1:{free_port()}", "breaker_failures": 2}
    running = RunningGate(folder / "state", extra={"IMAGEGATE_UPSTREAMS": json.dumps([hub, gone])})
    running.start()
    try:
        yield Gate(
            running,
            docker_registry_with_tokens,
            folder,
            running.token("dev", "developer", "**"),
            running.token("ops", "operator", "**"),
        )
    finally:
        status = running.stop()
    assert status == 0, running.log


def test_what_is_elsewhere_is_inspected_when_it_is_first_pulled(gate: Gate) -> None:
    clean, refused = fresh_repository("library"), fresh_repository("library")
    gate.beside(CLEAN, f"mirror/{clean}")
    gate.beside(WITH_SSH, f"mirror/{refused}")
    puller = gate.client(gate.operator)
    pulled = puller.pull(gate.reference(f"hub/{clean}"))
    assert pulled.ok, pulled.text
    denied = puller.pull(gate.reference(f"hub/{refused}"))
    assert not denied.ok
    assert f"hub/{refused}:1 is refused" in denied.text
    assert "openssh-client" in denied.text
    listed = json.loads(gate.wire(gate.operator).send("GET", "/v2/_catalog").body)["repositories"]
    assert {f"hub/{clean}", f"hub/{refused}"} <= set(listed)
    assert not [name for name in listed if name.startswith(("mirror/", "gone/"))]


def test_nothing_is_pushed_where_the_gate_may_only_pull(gate: Gate) -> None:
    repository = fresh_repository("library")
    said = gate.client(gate.developer).push(CLEAN, gate.reference(f"hub/{repository}"))
    assert not said.ok
    assert f"hub/{repository} can only be pulled: the upstream hub is read-only" in said.text
    assert not (gate.registry.folder / "data/docker/registry/v2/repositories/mirror" / str(repository)).exists()
    audited = [record for record in gate.running.audit() if record["repository"] == f"hub/{repository}"]
    assert {record["outcome"] for record in audited} == {"denied"}


def test_an_image_is_copied_from_one_registry_to_another(gate: Gate) -> None:
    source, target = fresh_repository("library"), fresh_repository("team")
    gate.beside(CLEAN, f"mirror/{source}")
    client = gate.client(gate.developer)
    copied = copy(gate, f"hub/{source}", str(target))
    assert copied.ok, copied.text
    assert client.pull(gate.reference(str(target))).ok
    digest = next(iter(CLEAN.blobs))
    mounted = gate.wire(gate.developer).send(
        "POST", f"/v2/{fresh_repository('team')}/blobs/uploads/?mount={digest}&from=hub/{source}", body=b""
    )
    assert mounted.status == 202


def copy(gate: Gate, source: str, target: str) -> Said:
    return run(
        "skopeo", "copy", "--authfile", str(gate.home / "auth.json"), "--src-tls-verify=false",
        "--dest-tls-verify=false", f"docker://{gate.reference(source)}", f"docker://{gate.reference(target)}",
    )  # fmt: skip


def test_one_that_is_down_is_named_and_stops_nothing_else(gate: Gate) -> None:
    wire = gate.wire(gate.operator)
    statuses = {wire.send("GET", "/v2/gone/app/manifests/1").status for _ in range(3)}
    assert statuses <= {502, 503}
    suspended = wire.send("GET", "/v2/gone/app/manifests/1")
    assert (suspended.status, suspended.code) == (503, "UNAVAILABLE")
    assert int(suspended.headers["retry-after"]) >= 1
    assert suspended.error["message"].startswith("gone: the upstream ")
    ready = Wire(gate.running.port).send("GET", "/readyz")
    report = json.loads(ready.body)
    assert ready.status == 200
    assert (report["parts"]["upstream"], report["parts"]["upstream hub"]) == ("ok", "ok")
    assert report["parts"]["upstream gone"] == "does not answer"
    assert any("upstream gone does not answer" in warning for warning in report["warnings"])
