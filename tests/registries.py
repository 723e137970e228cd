"""Real registries for the tests: Debian's docker-registry, open, with a password, and with a token service; and
its third version, open.

Each runs once for a whole test session; a test keeps to fresh repositories (`fresh_repository`). Import the fixtures
into a `conftest.py` to use them.
"""

import base64
import json
import secrets
import shutil
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import jwt
import pytest
import yaml
from cryptography.hazmat.primitives.serialization import Encoding

from scanning.oci.names import Repository
from tests.certificates import Authority
from tests.ports import free_port

USERNAME = "gate"
PASSWORD = "registry-password"
_BCRYPT = "$2b$04$mEsGL4fzhnQDN4B25fd30uTf9Yu0D0HZMaFSSFD2n9.Q6cR65AUBe"
"""bcrypt of PASSWORD at its lowest cost, for htpasswd."""
_ECR_ACCOUNT = "AWS:$2b$04$VzNhIbAvHRHG4btykCf.JO70rBhA71pMmwwVpuzKaevfrCSHsxEWS"
"""The account and password that moto gives for ECR in AWS account 123456789012."""


@dataclass(frozen=True, slots=True)
class RealRegistry:
    """A running registry. `folder` holds its files; `token_origin` is its token service, "" where it has none."""

    url: str
    folder: Path
    token_origin: str = ""

    def token(self, scope: str) -> str:
        """A token of its token service for `scope`."""
        login = base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()
        address = f"{self.token_origin}/token?{urlencode({'service': 'test-registry', 'scope': scope})}"
        request = urllib.request.Request(address, headers={"Authorization": f"Basic {login}"})  # noqa: S310 - our own
        with urllib.request.urlopen(request, timeout=60) as answer:  # noqa: S310 - our own service
            return str(json.load(answer)["token"])


def fresh_repository(prefix: str = "test") -> Repository:
    """A repository name nobody has used."""
    return Repository(f"{prefix}/{secrets.token_hex(8)}")


@pytest.fixture(scope="session")
def docker_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    """docker-registry without authentication, with deleting switched on."""
    with _running(tmp_path_factory.mktemp("docker-registry"), {}) as registry:
        yield registry


@pytest.fixture(scope="session")
def distribution_registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    """Version 3 of docker-registry, which .ci/run builds: it deletes single tags."""
    with _running(tmp_path_factory.mktemp("distribution"), {}, "distribution-registry") as registry:
        yield registry


@pytest.fixture(scope="session")
def docker_registry_with_password(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    """docker-registry that asks for USERNAME and PASSWORD (Basic), or for what moto gives for ECR."""
    folder = tmp_path_factory.mktemp("docker-registry-basic")
    (folder / "htpasswd").write_text(f"{USERNAME}:{_BCRYPT}\n{_ECR_ACCOUNT}\n")
    with _running(folder, {"htpasswd": {"realm": "test", "path": str(folder / "htpasswd")}}) as registry:
        yield registry


@pytest.fixture(scope="session")
def docker_registry_with_tokens(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RealRegistry]:
    """docker-registry that asks for tokens of a service on another origin, which wants USERNAME and PASSWORD."""
    folder = tmp_path_factory.mktemp("docker-registry-tokens")
    with _token_service(folder / "root.pem") as origin:
        token = {
            "realm": f"{origin}/token",
            "service": "test-registry",
            "issuer": "test-issuer",
            "rootcertbundle": str(folder / "root.pem"),
        }
        with _running(folder, {"token": token}) as registry:
            yield RealRegistry(registry.url, registry.folder, origin)


@contextmanager
def registry_in_bucket(folder: Path, bucket: str, endpoint_url: str) -> Iterator[RealRegistry]:
    """docker-registry that keeps its blobs in a bucket of S3, and redirects there."""
    s3: dict[str, object] = {
        "accesskey": "test",
        "secretkey": "test",
        "region": "us-east-1",
        "regionendpoint": endpoint_url,
        "bucket": bucket,
        "secure": False,
        "forcepathstyle": True,
    }
    with _running(folder, {}, storage={"s3": s3}) as registry:
        yield registry


@contextmanager
def _running(
    folder: Path,
    auth: dict[str, dict[str, str]],
    program: str = "docker-registry",
    storage: dict[str, dict[str, object]] | None = None,
) -> Iterator[RealRegistry]:
    binary = shutil.which(program)
    if binary is None:
        pytest.skip(f"{program} is not installed (Debian has docker-registry; .ci/run installs both)")
    port = free_port()
    configuration = folder / "registry.yml"
    configuration.write_text(
        yaml.safe_dump(
            {
                "version": "0.1",
                "log": {"level": "error", "accesslog": {"disabled": True}},
                "storage": {
                    **(storage or {"filesystem": {"rootdirectory": str(folder / "data")}}),
                    "delete": {"enabled": True},
                },
                "http": {"addr": f"127.0.0.1:{port}", "secret": secrets.token_hex(16)},
                # Layers that lie elsewhere are the gate's to refuse (threat 44).
                "validation": {"manifests": {"urls": {"allow": ["^https?://"]}}},
                **({"auth": auth} if auth else {}),
            }
        )
    )
    with (
        (folder / "log").open("wb") as log,
        subprocess.Popen(
            [binary, "serve", str(configuration)], stdout=log, stderr=log, env={"PATH": "/usr/bin:/bin"}
        ) as process,
    ):
        try:
            _wait_until_up(f"http://127.0.0.1:{port}/v2/", process, folder / "log")
            yield RealRegistry(f"http://127.0.0.1:{port}", folder)
        finally:
            process.terminate()


def _wait_until_up(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - our own registry
                return
        except urllib.error.HTTPError as answer:
            answer.close()
            return
        except OSError:
            time.sleep(0.05)
    pytest.fail(f"docker-registry did not start: {log.read_text(errors='replace')[-2000:]}")


@contextmanager
def _token_service(certificate_file: Path) -> Iterator[str]:
    """A token service (distribution specification, "Token Authentication") that grants whatever the account asks."""
    authority = Authority.make()
    certificate_file.write_bytes(authority.pem)
    chain = [base64.b64encode(authority.certificate.public_bytes(Encoding.DER)).decode()]
    expected = "Basic " + base64.b64encode(f"{USERNAME}:{PASSWORD}".encode()).decode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            if self.headers.get("Authorization") != expected:
                self._answer(401, {"errors": [{"code": "UNAUTHORIZED", "message": "wrong password"}]})
                return
            asked = parse_qs(urlsplit(self.path).query)
            now = int(time.time())
            claims = {
                "iss": "test-issuer",
                "aud": asked["service"][0],
                "sub": USERNAME,
                "iat": now,
                "nbf": now - 5,
                "exp": now + 300,
                "jti": secrets.token_hex(8),
                "access": [_granted(scope) for scope in asked.get("scope", [])],
            }
            token = jwt.encode(claims, authority.key, algorithm="ES256", headers={"x5c": chain})
            self._answer(200, {"token": token, "expires_in": 300})

        def _answer(self, status: int, document: dict[str, object]) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name http.server gives it
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def _granted(scope: str) -> dict[str, object]:
    kind, _, rest = scope.partition(":")
    name, _, actions = rest.rpartition(":")
    return {"type": kind, "name": name, "actions": actions.split(",")}
