"""kill -9 at any moment loses nothing acknowledged and admits nothing unjudged (threat 65)."""

import random
import signal
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.e2e.conftest import policy_text
from tests.e2e.running_gate import RunningGate
from tests.e2e.wire import Answer, Wire
from tests.images import File, TestImage, debian, image
from tests.registries import RealRegistry, fresh_repository

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]
_ROUNDS = 3
KEY = """-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
"""


@dataclass
class Pusher:
    """Pushes good, unsigned and bad images by turns until the gate is gone, and remembers what it was told."""

    wire: Wire
    repository: str
    rounds: int = 0
    acknowledged: list[tuple[str, TestImage]] = field(default_factory=list)
    attempted_bad: list[TestImage] = field(default_factory=list)
    enough: threading.Event = field(default_factory=threading.Event)

    def run(self, wanted: int) -> None:
        """Push for ever; `enough` is set after `wanted` acknowledgements."""
        before = len(self.acknowledged)
        try:
            while True:
                self.rounds += 1
                self._push(self.repository, debian())
                self._push(f"signed/{self.repository}", debian())
                self._push(self.repository, debian(("openssh-client", "1:9.2p1-2")), bad=True)
                if len(self.acknowledged) - before >= wanted:
                    self.enough.set()
        except (OSError, AssertionError):
            self.enough.set()

    def _push(self, repository: str, files: dict[str, File | bytes], *, bad: bool = False) -> None:
        made = image(files, {"srv/round": f"{repository} {self.rounds} {bad}".encode()})
        if bad:
            self.attempted_bad.append(made)
        said: Answer = self.wire.push(repository, f"r{self.rounds}", made)
        assert said.status == (403 if bad else 201), said
        if not bad:
            self.acknowledged.append((repository, made))


@dataclass
class Puller:
    """Sends one request again and again, byte for byte, until the gate is gone, and counts what was answered whole."""

    port: int
    head: bytes
    length: int
    sent: int = 0
    answered: int = 0
    enough: threading.Event = field(default_factory=threading.Event)

    def run(self, wanted: int) -> None:
        """Ask for ever; `enough` is set after `wanted` answers."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=60) as connection:
                while True:
                    self.sent += 1
                    connection.sendall(self.head)
                    self._read(connection)
                    self.answered += 1
                    if self.answered >= wanted:
                        self.enough.set()
        except OSError:
            self.enough.set()

    def _read(self, connection: socket.socket) -> None:
        answer = b""
        while b"\r\n\r\n" not in answer or len(answer.partition(b"\r\n\r\n")[2]) < self.length:
            part = connection.recv(65536)
            if not part:
                raise ConnectionResetError("the gate is gone")
            answer += part
        assert answer.startswith(b"HTTP/1.1 200 "), answer


@pytest.fixture(params=["embedded", "remote"])
def gate(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[RunningGate]:
    """A gate that a test may kill."""
    upstream = ""
    if request.param == "remote":
        registry: RealRegistry = request.getfixturevalue("docker_registry")
        upstream = registry.url
    running = RunningGate(tmp_path / "state", upstream)
    running.state.mkdir()
    (running.state / "policy.yaml").write_text(policy_text(KEY))
    running.start()
    yield running
    if running.process is not None:
        running.stop()


def test_t65_kill_minus_nine_loses_nothing_acknowledged_and_admits_nothing_unjudged(gate: RunningGate) -> None:
    developer = Wire(gate.port, gate.token("dev", "developer", "**"))
    operator = Wire(gate.port, gate.token("ops", "operator", "**"))
    pusher = Pusher(developer, str(fresh_repository("crash")))
    chance = random.Random(65)  # noqa: S311 (a test that can be repeated)
    for _ in range(_ROUNDS):
        pusher.enough.clear()
        thread = threading.Thread(target=pusher.run, args=(chance.randint(1, 6),))
        thread.start()
        assert pusher.enough.wait(60)
        gate.stop(signal.SIGKILL)
        thread.join(60)
        gate.start()
    assert len(pusher.acknowledged) >= _ROUNDS
    for repository, made in pusher.acknowledged:
        kept = developer.send("GET", f"/v2/{repository}/manifests/{made.digest}")
        assert (kept.status, kept.body) == (200, made.manifest)
        for digest, content in made.blobs.items():
            assert developer.send("GET", f"/v2/{repository}/blobs/{digest}").body == content
        seen = operator.send("GET", f"/v2/{repository}/manifests/{made.digest}")
        assert seen.status == (403 if repository.startswith("signed/") else 200)
    for made in pusher.attempted_bad:
        assert operator.send("GET", f"/v2/{pusher.repository}/manifests/{made.digest}").status in (403, 404)


def test_t65_kill_minus_nine_loses_no_record_of_a_pull_that_was_answered_and_doubles_none(gate: RunningGate) -> None:
    developer = Wire(gate.port, gate.token("dev", "developer", "**"))
    operator = Wire(gate.port, gate.token("ops", "operator", "**"))
    repository, made = str(fresh_repository("crash")), image(debian())
    assert developer.push(repository, "1", made).status == 201
    scope = f"/auth/token?service=imagegate&scope=repository:{repository}:pull"
    bearer = operator.send("GET", scope).json["token"]
    first = f"GET /v2/{repository}/manifests/{made.digest} HTTP/1.1"
    head = f"{first}\r\nHost: gate\r\nAuthorization: Bearer {bearer}\r\n\r\n".encode()
    chance = random.Random(65)  # noqa: S311 (a test that can be repeated)
    pullers: list[Puller] = []
    recalled = 0.0
    for _ in range(_ROUNDS):
        running = [Puller(gate.port, head, len(made.manifest)) for _ in range(4)]
        wanted = chance.randint(20, 400)
        threads = [threading.Thread(target=puller.run, args=(wanted,)) for puller in running]
        for thread in threads:
            thread.start()
        assert all(puller.enough.wait(60) for puller in running)
        recalled += gate.metric("imagegate_requests_recalled_total")
        gate.stop(signal.SIGKILL)
        for thread in threads:
            thread.join(60)
        gate.start()
        pullers += running
    answered, sent = sum(puller.answered for puller in pullers), sum(puller.sent for puller in pullers)
    assert answered >= _ROUNDS * len(running) * 20
    assert recalled > answered / 2  # this is about those that are answered without being read
    deadline = time.monotonic() + 60
    while (recorded := _served(gate)) < answered and time.monotonic() < deadline:
        time.sleep(0.2)  # what a killed process left behind is taken over beside the requests
    assert answered <= recorded <= sent


def _served(gate: RunningGate) -> int:
    pulls = gate.audit("--event", "pull", "--limit", "10000")
    assert len(pulls) < 10000
    return sum(record["times"] for record in pulls if record["outcome"] == "served")
