"""Gates in front of both upstreams, real clients, real images, and a key to sign with."""

import json
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.conftest import TESTDATA
from tests.databases import PostgresServer
from tests.e2e.clients import (
    Buildah,
    Client,
    Containerd,
    ContainerdStore,
    Crane,
    Ctr,
    Curator,
    Daemon,
    Docker,
    GraphDrivers,
    Oras,
    Podman,
    Regctl,
    Said,
    Skopeo,
    run,
)
from tests.e2e.running_gate import RunningGate
from tests.images import TestImage
from tests.real_images import KINDS, real_image
from tests.registries import RealRegistry, docker_registry

__all__ = ["docker_registry"]

READ_TIMEOUT_SECONDS = 2
"""Of a `hasty_gate`. Other gates keep the defaults: a busy disk makes a real registry slow."""
_DENIED_TOOLS = ["ssh-client", "ssh-server", "netcat", "telnet"]


_Daemon = TypeVar("_Daemon", bound=Daemon)


def need(*tools: str) -> None:
    """Skip where a real tool is missing, and say which."""
    for tool in tools:
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed")


@dataclass(frozen=True)
class Gate:
    """A running gate with a token for each role."""

    running: RunningGate
    admin: str
    developer: str
    operator: str

    @property
    def host(self) -> str:
        """What stands before the repository in a reference."""
        return self.running.host


@dataclass(frozen=True)
class SigningKey:
    """A cosign key pair; its password is empty."""

    folder: Path

    @property
    def public(self) -> str:
        """The public key, PEM."""
        return (self.folder / "cosign.pub").read_text()

    def sign(self, gate: Gate, reference: str, token: str, *options: str) -> Said:
        """Sign an image where it lies, as its pusher would."""
        need("cosign")
        login = ("cosign", "login", gate.host, "-u", "someone", "-p", token)
        environment = {"COSIGN_PASSWORD": "", "DOCKER_CONFIG": str(self.folder), "HOME": str(self.folder)}
        logged_in = run(*login, environment=environment)
        assert logged_in.ok, logged_in.text
        return run(
            "cosign", "sign", "--yes", "--key", str(self.folder / "cosign.key"), "--tlog-upload=false",
            "--allow-insecure-registry", *options, reference, environment=environment,
        )  # fmt: skip


@pytest.fixture(scope="session")
def signing_key(tmp_path_factory: pytest.TempPathFactory) -> SigningKey:
    """A key pair that cosign has made; without cosign a public key alone, which nothing can be signed for."""
    folder = tmp_path_factory.mktemp("cosign")
    if shutil.which("cosign"):
        made = run("cosign", "generate-key-pair", environment={"COSIGN_PASSWORD": ""}, cwd=folder)
        assert made.ok, made.text
    else:
        public = ec.generate_private_key(ec.SECP256R1()).public_key()
        (folder / "cosign.pub").write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return SigningKey(folder)


def policy_text(public_key: str) -> str:
    """The policy the end-to-end tests run under."""
    deny = {"tools": {"kinds": _DENIED_TOOLS}, "secrets": {}, "findings": {"severity": "high"}}
    return json.dumps(  # JSON is YAML, and has no anchors
        {
            "version": 1,
            "name": "end-to-end",
            "signers": {"release": {"key": public_key}},
            "rules": [
                {"repositories": ["**"], "deny": deny, "require": {"advisories": {"effect": "warn"}}},
                {"repositories": ["signed/**"], "deny": deny, "require": {"signatures": {"of": ["release"]}}},
                {
                    "repositories": ["vetted/**"],
                    "deny": deny,
                    "require": {"vetted_packages": {"purls": ["pkg:deb/debian/**"]}},
                },
                {"repositories": ["images-only/**"], "deny": deny, "artifacts": False},
                {"repositories": ["audited/**"], "mode": "audit", "deny": deny},
                {"repositories": ["charts/**"], "deny": deny, "artifacts": ["helm-chart"]},
                {"repositories": ["listed/**"], "deny": deny, "sbom": {"attach": ["cyclonedx", "spdx"]}},
                {"repositories": ["rolling/**"], "deny": deny, "tags": {"downgrade": {}}},
                {"repositories": ["releases/**"], "deny": deny, "tags": {"immutable": ["v*"]}},
                {"repositories": ["squats/**"], "deny": deny | {"typosquats": {"effect": "reject"}}},
                {
                    "repositories": ["young/**"],
                    "deny": deny,
                    "require": {"minimum_age": {"age": "7d", "purls": ["pkg:pypi/**"], "effect": "reject"}},
                },
                {
                    "repositories": ["based/**"],
                    "deny": deny | {"hardening": {"allow_unowned": ["usr/bin/tool"], "effect": "reject"}},
                },
            ],
        }
    )


@pytest.fixture(scope="session", params=["embedded", "remote"])
def gate(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    signing_key: SigningKey,
) -> Iterator[Gate]:
    """A gate before the embedded registry with SQLite, then before docker-registry with PostgreSQL."""
    upstream, extra = "", {"IMAGEGATE_REGISTRY__DELETE_ENABLED": "true"}
    if request.param == "remote":
        registry: RealRegistry = request.getfixturevalue("docker_registry")
        postgres: PostgresServer = request.getfixturevalue("postgres_server")
        upstream = registry.url
        extra["IMAGEGATE_DATABASE_URL"] = postgres.create_database()
    folder = tmp_path_factory.mktemp(f"gate-{request.param}")
    running = RunningGate(folder / "state", upstream, extra=extra)
    running.state.mkdir()
    (running.state / "policy.yaml").write_text(policy_text(signing_key.public))
    if TESTDATA.is_dir():
        imported = running.command("feeds", "import", str(TESTDATA / "osv"), "--ecosystem", "Debian")
        assert imported.returncode == 0, imported.stderr
    running.start()
    try:
        yield Gate(
            running,
            running.token("root", "admin", "**"),
            running.token("dev", "developer", "**"),
            running.token("ops", "operator", "**"),
        )
    finally:
        status = running.stop()
    assert status == 0, running.log


@pytest.fixture
def hasty_gate(gate: Gate) -> Iterator[Gate]:
    """A second gate on the state and the upstream of `gate` that waits for nobody."""
    hasty = {
        "IMAGEGATE_NETWORK__HEADER_TIMEOUT_SECONDS": str(READ_TIMEOUT_SECONDS),
        "IMAGEGATE_NETWORK__READ_TIMEOUT_SECONDS": str(READ_TIMEOUT_SECONDS),
        "IMAGEGATE_UPSTREAM__READ_TIMEOUT_SECONDS": str(READ_TIMEOUT_SECONDS),
    }
    first = gate.running
    running = RunningGate(first.state, first.upstream, extra=first.extra | hasty).start()
    try:
        yield replace(gate, running=running)
    finally:
        status = running.stop()
    assert status == 0, running.log


@pytest.fixture(scope="session")
def docker_daemon() -> Iterator[GraphDrivers]:
    """dockerd with its classic store, once for the session."""
    need("docker", "dockerd", "skopeo")
    with _started(GraphDrivers) as daemon:
        yield daemon


@pytest.fixture(scope="session")
def containerd_store() -> Iterator[ContainerdStore]:
    """dockerd with its images in containerd, once for the session."""
    need("docker", "containerd", ContainerdStore.program)
    with _started(ContainerdStore) as daemon:
        yield daemon


@pytest.fixture(scope="session")
def containerd() -> Iterator[Containerd]:
    """containerd by itself, once for the session."""
    need("containerd", "ctr")
    with _started(Containerd) as daemon:
        yield daemon


@contextmanager
def _started(kind: type[_Daemon]) -> Iterator[_Daemon]:
    with short_folder() as folder:
        daemon = kind(folder)
        daemon.start()
        try:
            yield daemon
        finally:
            daemon.stop()


@pytest.fixture(params=["skopeo", "podman", "docker"])
def client(request: pytest.FixtureRequest) -> Iterator[Client]:
    """The clients most people use, never used before."""
    with short_folder() as home:
        yield _client(request, home)


@pytest.fixture(params=["docker", "docker-containerd", "ctr", "podman", "buildah", "skopeo", "crane", "regctl", "oras"])
def every_client(request: pytest.FixtureRequest) -> Iterator[Client]:
    """Each real client in turn, never used before."""
    with short_folder() as home:
        yield _client(request, home)


@pytest.fixture(params=["skopeo", "crane", "regctl", "oras"])
def curator(request: pytest.FixtureRequest) -> Iterator[Curator]:
    """The clients that list and delete, never used before."""
    with short_folder() as home:
        made = _client(request, home)
        assert isinstance(made, Curator)
        yield made


def _client(request: pytest.FixtureRequest, home: Path) -> Client:
    match request.param:
        case "docker":
            return Docker(home, request.getfixturevalue("docker_daemon"))
        case "docker-containerd":
            return Docker(home, request.getfixturevalue("containerd_store"))
        case "ctr":
            return Ctr(home, request.getfixturevalue("containerd"))
    need(request.param)
    tools = (Podman, Buildah, Skopeo, Crane, Regctl, Oras)
    return next(tool for tool in tools if tool.name == request.param)(home)


@contextmanager
def short_folder() -> Iterator[Path]:
    """A folder with a short name, since podman and sockets take no long one, and one that podman can read as part of
    a repository's name: what `tempfile` draws may end in an underscore, which no repository may.
    """
    folder = Path(tempfile.gettempdir()) / f"ig-{secrets.token_hex(4)}"
    folder.mkdir(mode=0o700)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def debian_images() -> dict[str, TestImage]:
    """Real Debian 12 images: unpatched, patched, and patched with openssh-client."""
    return {kind: real_image(kind) for kind in KINDS}
