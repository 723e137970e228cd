"""The gate as a server: TLS and its renewal under real clients, and an end that cuts nobody off."""

import http.client
import json
import os
import signal
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.certificates import Authority
from tests.e2e.clients import Said, run
from tests.e2e.conftest import need
from tests.e2e.running_gate import RunningGate
from tests.e2e.wire import Wire
from tests.images import debian, image

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]
_PATIENCE_SECONDS = 60


def eventually(holds: Callable[[], bool], what: str) -> None:
    """Wait until `holds()`."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not within {_PATIENCE_SECONDS} seconds"
        time.sleep(0.05)


class Renewal:
    """Certificates for 127.0.0.1 by one authority, put in place of each other as an ACME client does."""

    def __init__(self, folder: Path) -> None:
        self._authority = Authority.make()
        self._folder = folder
        self.trusted = folder / "trusted" / "ca.crt"  # skopeo reads every .crt of a folder
        self.trusted.parent.mkdir()
        self.trusted.write_bytes(self._authority.pem)
        self.pair = self._authority.issue(folder, "127.0.0.1")

    def renew(self) -> None:
        """A new pair."""
        new = self._folder / "new"
        new.mkdir(exist_ok=True)
        for made, used in zip(self._authority.issue(new, "127.0.0.1"), self.pair, strict=True):
            made.replace(used)

    def spoil(self) -> None:
        """A certificate without its key."""
        new = self._folder / "spoilt"
        new.mkdir()
        certificate, _ = self._authority.issue(new, "127.0.0.1")
        certificate.replace(self.pair[0])


@pytest.fixture
def renewal(tmp_path: Path) -> Renewal:
    (tmp_path / "tls").mkdir()
    return Renewal(tmp_path / "tls")


@pytest.fixture
def gate(tmp_path: Path, renewal: Renewal) -> Iterator[RunningGate]:
    """A gate that serves TLS."""
    certificate, key = renewal.pair
    tls = {"IMAGEGATE_LISTEN__TLS_CERT_FILE": str(certificate), "IMAGEGATE_LISTEN__TLS_KEY_FILE": str(key)}
    running = RunningGate(tmp_path / "state", extra=tls, authority=renewal.trusted)
    running.state.mkdir()
    running.start()
    yield running
    if running.process is not None:
        assert running.stop() == 0, running.log


@contextmanager
def kept_alive(gate: RunningGate) -> Iterator["KeptAlive"]:
    """A connection that stays open."""
    assert gate.authority is not None
    trusted = ssl.create_default_context(cafile=gate.authority)
    connection = http.client.HTTPSConnection("127.0.0.1", gate.port, context=trusted, timeout=60)
    try:
        connection.connect()
        yield KeptAlive(connection)
    finally:
        connection.close()


@dataclass(frozen=True)
class KeptAlive:
    """One TLS connection."""

    connection: http.client.HTTPSConnection

    @property
    def certificate(self) -> bytes:
        """What it was shown."""
        assert isinstance(self.connection.sock, ssl.SSLSocket)
        return self.connection.sock.getpeercert(binary_form=True) or b""

    def ask(self, path: str = "/healthz") -> http.client.HTTPResponse:
        """One request on it."""
        self.connection.request("GET", path)
        answer = self.connection.getresponse()
        answer.read()
        return answer


def shown(gate: RunningGate) -> bytes:
    """The certificate that a new connection is shown."""
    with kept_alive(gate) as connection:
        return connection.certificate


def skopeo(gate: RunningGate, token: str, *arguments: str) -> Said:
    assert gate.authority is not None
    return run("skopeo", *arguments, f"--cert-dir={gate.authority.parent}", f"--creds=someone:{token}")


def test_real_clients_push_and_pull_over_tls_before_and_after_a_renewal(
    gate: RunningGate, renewal: Renewal, tmp_path: Path
) -> None:
    need("skopeo", "curl")
    token = gate.token("dev", "developer", "**")
    layout = image(debian()).write_layout(tmp_path / "layout", "image")
    reference = f"docker://{gate.host}/team/app"

    def push_and_look(tag: str) -> None:
        copied = run(
            "skopeo", "copy", f"--dest-cert-dir={renewal.trusted.parent}", f"--dest-creds=someone:{token}",
            f"oci:{layout}:image", f"{reference}:{tag}",
        )  # fmt: skip
        assert copied.ok, copied.text
        assert skopeo(gate, token, "inspect", f"{reference}:{tag}").ok

    with kept_alive(gate) as old:
        push_and_look("before")
        renewal.renew()
        eventually(lambda: shown(gate) != old.certificate, "the new certificate is shown")
        assert old.ask().status == 200
    push_and_look("after")
    curl = ("curl", "--silent", "--show-error", "--fail", f"{gate.url}/healthz")
    assert run(*curl, "--cacert", str(renewal.trusted)).ok
    assert not run(*curl).ok
    login = run(*curl[:-1], "--no-fail", "--include", f"{gate.url}/v2/", "--cacert", str(renewal.trusted))
    assert f'realm="https://{gate.host}/auth/token"' in login.text


def test_a_broken_pair_is_refused_and_sighup_takes_the_next_one_at_once(gate: RunningGate, renewal: Renewal) -> None:
    assert gate.process is not None
    before = shown(gate)
    renewal.spoil()

    def told() -> bool:
        with gate.open("/readyz") as answer:
            return any("TLS certificate read before stays in use" in said for said in json.load(answer)["warnings"])

    eventually(told, "/readyz warns")
    assert "certificate refused, the old one stays in use" in gate.log
    assert shown(gate) == before
    renewal.renew()
    gate.process.send_signal(signal.SIGHUP)
    eventually(lambda: shown(gate) != before, "the new certificate is shown")
    eventually(lambda: not told(), "/readyz warns no more")


def test_a_gate_without_its_certificate_does_not_start_and_says_why(gate: RunningGate, renewal: Renewal) -> None:
    gate.stop()
    os.truncate(renewal.pair[1], 0)
    refused = gate.command("serve")
    assert refused.returncode == 2
    assert "listen.tls_key_file: " in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_port_that_is_taken_is_a_sentence(gate: RunningGate, tmp_path: Path) -> None:
    refused = RunningGate(tmp_path / "second", port=gate.port).command("serve")
    assert refused.returncode == 2
    assert f"127.0.0.1:{gate.port} cannot be listened on: Address already in use" in refused.stderr
    assert refused.stdout == "", "no token is told of a gate that is none"


def _readyz(gate: RunningGate) -> int:
    with kept_alive(gate) as connection:
        return connection.ask("/readyz").status


def test_before_it_leaves_a_gate_serves_while_readyz_sends_balancers_away(gate: RunningGate) -> None:
    gate.stop()
    gate.extra["IMAGEGATE_LISTEN__DRAIN_DELAY_SECONDS"] = "300"
    gate.start()
    process = gate.process
    assert process is not None
    with kept_alive(gate) as old:
        assert old.ask().getheader("Connection") is None
        process.send_signal(signal.SIGTERM)
        eventually(lambda: _readyz(gate) == 503, "/readyz says 503")
        answer = old.ask()
    assert (answer.status, answer.getheader("Connection")) == (200, "close")
    assert process.poll() is None
    process.send_signal(signal.SIGTERM)  # told twice, it does not wait
    assert process.wait(timeout=_PATIENCE_SECONDS) == 0
    gate.process = None


def test_uploads_and_pulls_go_on_over_one_connection_and_the_loop_is_uvloop(tmp_path: Path) -> None:
    gate = RunningGate(tmp_path / "state").start()
    try:
        developer = Wire(gate.port, gate.token("dev", "developer", "**"))
        assert developer.push("team/app", "1", image(debian())).status == 201
        maps = Path(f"/proc/{gate.process.pid if gate.process else 0}/maps").read_text()
        assert "uvloop/loop" in maps
    finally:
        assert gate.stop() == 0, gate.log
