"""Several processes behind one port are one gate."""

import http.client
import json
import os
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

import pytest

from scanning.oci.digest import Digest
from tests.databases import PostgresServer
from tests.e2e.running_gate import RunningGate
from tests.e2e.wire import Wire
from tests.images import debian, image

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]
_PATIENCE_SECONDS = 120
_SERVED = re.compile(r'^imagegate_requests_total\{method="GET",route="/healthz",status="200"\} (\S+)$', re.MULTILINE)


@contextmanager
def two_processes(folder: Path, **extra: str) -> Iterator[RunningGate]:
    """A gate that two processes serve."""
    running = RunningGate(folder / "state", extra={"IMAGEGATE_LISTEN__WORKERS": "2", **extra})
    running.state.mkdir()
    running.start()
    try:
        eventually(lambda: not missing(running), "both processes serve")
        yield running
    finally:
        status = running.stop() if running.process is not None else 0
    assert status == 0, running.log


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared_gate(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGate]:
    """One on each kind of database, for tests that leave it as it is."""
    extra = {}
    if request.param == "postgresql":
        postgres: PostgresServer = request.getfixturevalue("postgres_server")
        extra["IMAGEGATE_DATABASE_URL"] = postgres.create_database()
    with two_processes(tmp_path_factory.mktemp("workers"), **extra) as running:
        yield running


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[RunningGate]:
    """One that a test may end."""
    with two_processes(tmp_path) as running:
        yield running


def eventually(holds: Callable[[], bool], what: str) -> None:
    """Wait until `holds()`."""
    deadline = time.monotonic() + _PATIENCE_SECONDS
    while not holds():
        assert time.monotonic() < deadline, f"{what}: not within {_PATIENCE_SECONDS} seconds"
        time.sleep(0.05)


def missing(gate: RunningGate) -> bool:
    """Whether /readyz misses a process."""
    with gate.open("/readyz") as answer:
        return any("serving processes are starting" in said for said in json.load(answer)["warnings"])


def children(process: int) -> set[int]:
    """The ids of the processes that this one has started."""
    return {int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()}


def program(process: int) -> bytes:
    """What it runs; a fork runs what it is a fork of, and who has ended nothing."""
    with suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{process}/cmdline").read_bytes()
    return b""


def serving(gate: RunningGate) -> set[int]:
    """The ids of the processes that serve: those of its own kind that the first one has started."""
    assert gate.process is not None
    first = gate.process.pid
    return {child for child in children(first) if program(child) == program(first)}


def healthy(gate: RunningGate, times: int) -> None:
    for _ in range(times):
        with gate.open("/healthz") as answer:
            assert answer.status == 200


def counted(gate: RunningGate) -> float:
    """How many answers of /healthz all processes have counted."""
    with gate.open("/metrics") as answer:
        found = _SERVED.search(answer.read().decode())
    return float(found[1]) if found else 0.0


def processes_that_answered(gate: RunningGate) -> set[int]:
    """The ids of the processes that the log names."""
    lines = [json.loads(line) for line in gate.log.splitlines() if line.startswith("{")]
    return {line["process"] for line in lines if line["event"] == "request"}


def test_both_processes_serve_count_together_and_the_first_token_is_told_once(shared_gate: RunningGate) -> None:
    healthy(shared_gate, 20)

    def both_have_answered() -> bool:
        healthy(shared_gate, 1)
        return processes_that_answered(shared_gate) == serving(shared_gate)

    eventually(both_have_answered, "both processes answer")
    before = counted(shared_gate)
    healthy(shared_gate, 20)
    eventually(lambda: counted(shared_gate) >= before + 20, "the sum has all")
    assert shared_gate.log.count("Keep this admin token") == 1
    assert len(shared_gate.audit("--event", "token-created")) == 1


def test_what_is_loaded_is_in_memory_once(shared_gate: RunningGate) -> None:
    for process in serving(shared_gate):
        lines = [line.split() for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]]
        kib = {name: int(size) for name, size, *_ in lines}
        assert kib["Private_Clean:"] + kib["Private_Dirty:"] < kib["Rss:"] / 2, kib


def test_their_inspection_workers_are_forked_from_one_template(shared_gate: RunningGate) -> None:
    assert shared_gate.process is not None
    (template,) = children(shared_gate.process.pid) - serving(shared_gate)
    assert b"proxy.inspection.template" in program(template)
    assert len(children(template)) >= 2
    assert not any(children(process) for process in serving(shared_gate))


def test_each_process_may_have_every_place_for_uploads(shared_gate: RunningGate) -> None:
    taken = [_files_of(process, "/places/") for process in serving(shared_gate)]
    assert len(taken) == 2
    assert taken[0] == taken[1]
    assert len(taken[0]) == 4 * (os.cpu_count() or 1)


def _files_of(process: int, part: str) -> set[str]:
    """Those a process has open with this in their names."""
    found = set()
    for handle in Path(f"/proc/{process}/fd").iterdir():
        with suppress(FileNotFoundError):  # closed meanwhile
            found.add(str(handle.readlink()))
    return {name for name in found if part in name}


def test_a_push_goes_on_in_whichever_process_it_meets(shared_gate: RunningGate) -> None:
    developer = Wire(shared_gate.port, shared_gate.token("dev", "developer", "**"))
    operator = Wire(shared_gate.port, shared_gate.token("ops", "operator", "**"))
    for number in range(10):  # a connection for every request: any of them meets either process
        made = image(debian(), {"srv/number": str(number).encode()})
        assert developer.push(f"team/app-{number}", "1", made).status == 201
        assert operator.send("GET", f"/v2/team/app-{number}/manifests/1").body == made.manifest
    assert processes_that_answered(shared_gate) == serving(shared_gate)


def test_a_revoked_token_ends_in_every_process(shared_gate: RunningGate) -> None:
    wire = Wire(shared_gate.port, shared_gate.token("dev", "developer", "**"))
    assert all(wire.send("GET", "/v2/").status == 200 for _ in range(20))
    grant = wire.token.split("_")[1]
    assert shared_gate.command("token", "revoke", grant).returncode == 0

    def refused_by_all() -> bool:
        return all(wire.send("GET", "/v2/").status in (401, 429) for _ in range(20))

    eventually(refused_by_all, "both processes refuse it")


def test_a_process_that_is_killed_is_replaced_and_what_it_counted_stays(gate: RunningGate) -> None:
    healthy(gate, 20)
    asked = gate.log.count('"path": "/healthz"')
    # About a second of what a killed process counted is lost with it, so both must have told each other.
    eventually(lambda: all(counted(gate) == asked for _ in range(20)), "the sum has all, whichever process is asked")
    before = serving(gate)
    victim = min(before)  # the first: it leads
    os.kill(victim, signal.SIGKILL)
    eventually(lambda: victim not in serving(gate), "it is gone")
    healthy(gate, 5)  # the other one goes on, and nobody is reset
    eventually(lambda: len(serving(gate)) == 2 and not missing(gate), "both serve again")
    assert len(before & serving(gate)) == 1
    assert counted(gate) >= asked
    assert gate.log.count("a serving process has ended, and is replaced") == 1


def test_sigterm_lets_every_process_finish_what_is_under_way(gate: RunningGate) -> None:
    wire = Wire(gate.port, gate.token("dev", "developer", "**"))
    content = os.urandom(100_000)
    with ExitStack() as stack:
        uploads = []
        for _ in range(8):
            location = wire.target(wire.send("POST", "/v2/team/app/blobs/uploads/", body=b"").headers["location"])
            connection = http.client.HTTPConnection("127.0.0.1", gate.port, timeout=60)
            stack.enter_context(closing(connection))
            connection.putrequest("PUT", f"{location}?digest={Digest.of(content)}", skip_accept_encoding=True)
            for name, value in wire.authorization.items():
                connection.putheader(name, value)
            connection.putheader("Content-Type", "application/octet-stream")
            connection.putheader("Content-Length", str(len(content)))
            connection.endheaders(content[:50_000])
            uploads.append(connection)
        assert gate.process is not None
        gate.process.send_signal(signal.SIGTERM)
        eventually(lambda: _is_closed(gate.port), "nobody gets in any more")
        assert gate.process.poll() is None
        for connection in uploads:
            connection.send(content[50_000:])
            answer = connection.getresponse()
            assert (answer.status, answer.read()) == (201, b"")
    assert gate.process.wait(timeout=_PATIENCE_SECONDS) == 0
    gate.process = None


def test_without_its_supervisor_no_process_stays(gate: RunningGate) -> None:
    assert gate.process is not None
    left = children(gate.process.pid)
    left |= {worker for process in left for worker in children(process)}
    assert len(left) >= 5  # two that serve, the template, and their inspection workers
    gate.stop(signal.SIGKILL)
    eventually(lambda: not any(Path(f"/proc/{process}").exists() for process in left), "they are gone")
    assert _is_closed(gate.port)


@pytest.mark.parametrize(
    ("file", "content", "reason"),
    [
        ("policy.yaml", "version: 1\nrules: [{repositories: [A]}]\n", "policy.yaml:2:25: rules[0].repositories[0]: "),
        ("advisories", "no folder", "a serving process ended before it served, so the gate stops"),
    ],
)
def test_a_gate_whose_processes_cannot_serve_ends_and_says_why(
    tmp_path: Path, file: str, content: str, reason: str
) -> None:
    refused = RunningGate(tmp_path / "state", extra={"IMAGEGATE_LISTEN__WORKERS": "2"})
    refused.state.mkdir()
    (refused.state / file).write_text(content)
    said = refused.command("serve")
    assert said.returncode == 2
    assert reason in said.stderr
    assert "Traceback" not in said.stderr


def _is_closed(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_SECONDS).close()
    except ConnectionRefusedError:
        return True
    return False
