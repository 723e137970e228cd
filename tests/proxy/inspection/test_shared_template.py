"""Several gates whose workers come from one template."""

import asyncio
import errno
import os
import resource
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from itertools import count
from pathlib import Path

import pytest

from proxy.inspection import nursery
from proxy.inspection.errors import InspectionFailedError
from proxy.inspection.forking import ANSWER, FORK, READY, REAP, REQUEST
from proxy.inspection.framing import LENGTH
from proxy.inspection.framing import READY as SAYS_READY
from proxy.inspection.nursery import Template
from proxy.inspection.pool import InspectionPool
from proxy.inspection.shared_template import SharedEnd, SharedTemplate
from scanning.documents import encode
from scanning.layers.limits import InspectionLimits
from tests.proxy.inspection.working import works, works_again

pytestmark = pytest.mark.timeout(300)


@pytest.fixture
def shared() -> Iterator[SharedTemplate]:
    template = SharedTemplate.start()
    yield template
    template.close()


@asynccontextmanager
async def gate(end: SharedEnd | None) -> AsyncIterator[InspectionPool]:
    """What inspects in one of several serving processes."""
    pool = InspectionPool(1, InspectionLimits())
    pool.shared = end
    await pool.start()
    try:
        yield pool
    finally:
        await pool.close()


def parent(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


def is_there(process: int) -> bool:
    """Whether it runs, or was not reaped yet."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


class BareGate:
    """A gate as the template sees it, one question at a time."""

    def __init__(self, end: SharedEnd) -> None:
        self._end = end
        self._end.control.settimeout(120)
        assert self._answer() == READY

    def fork(self) -> tuple[int, int, int]:
        """A new worker, what it reads from, and what it speaks to."""
        (its_input, to_it), (output, its_output) = os.pipe(), os.pipe()
        its = [its_input, its_output, its_output]
        socket.send_fds(self._end.control, [REQUEST.pack(FORK, 0)], its)
        worker = self._answer()
        for each in {*its}:
            os.close(each)
        return worker, to_it, output

    def reap(self, worker: int) -> int:
        socket.send_fds(self._end.control, [REQUEST.pack(REAP, worker)], [])
        return self._answer()

    def says(self, request: bytes) -> None:
        """What no gate says."""
        self._end.control.sendall(request)

    @property
    def is_parted(self) -> bool:
        """Whether the template has closed its end."""
        try:
            return self._end.control.recv(1) == b""
        except ConnectionResetError:  # with something unread
            return True

    def leave(self) -> None:
        """As if its process had died."""
        self._end.close()

    def _answer(self) -> int:
        (number,) = ANSWER.unpack(self._end.control.recv(ANSWER.size, socket.MSG_WAITALL))
        return int(number)


@contextmanager
def bare_gate(shared: SharedTemplate) -> Iterator[BareGate]:
    made = BareGate(shared.join())
    try:
        yield made
    finally:
        made.leave()


async def test_workers_of_several_gates_are_forked_from_one_template(shared: SharedTemplate) -> None:
    async with gate(shared.join()) as one, gate(shared.join()) as other:
        assert await works(one)
        assert await works(other)
        assert {parent(worker) for pool in (one, other) for worker in pool.processes} == {shared.pid}


async def test_a_gate_that_stops_leaves_the_template_to_the_others(shared: SharedTemplate) -> None:
    async with gate(shared.join()) as staying:
        async with gate(shared.join()) as leaving:
            (worker,) = leaving.processes
        with pytest.raises(ProcessLookupError):
            os.kill(worker, 0)
        assert await works(staying)
        assert {parent(worker) for worker in staying.processes} == {shared.pid}


async def test_when_the_template_dies_each_gate_goes_on_with_one_of_its_own(shared: SharedTemplate) -> None:
    async with gate(shared.join()) as one, gate(shared.join()) as other:
        before = one.processes + other.processes
        os.kill(shared.pid, signal.SIGKILL)
        for pool in (one, other):
            while set(pool.processes) & set(before):  # noqa: ASYNC110  # nothing tells of it
                await asyncio.sleep(0.02)
            assert await works_again(pool)
        assert len({parent(worker) for pool in (one, other) for worker in pool.processes} - {shared.pid}) == 2


async def test_a_gate_that_comes_after_the_template_died_has_one_of_its_own(shared: SharedTemplate) -> None:
    end = shared.join()
    os.kill(shared.pid, signal.SIGKILL)
    async with gate(end) as pool:
        assert await works(pool)


async def test_a_template_that_does_not_come_up_is_done_without() -> None:
    broken = SharedTemplate.start((sys.executable, "-I", "-c", "raise SystemExit(1)"))
    try:
        try:
            end = broken.join()
        except OSError:  # it has ended already
            end = None
        async with gate(end) as pool:
            assert await works(pool)
    finally:
        broken.close()


def test_the_workers_of_a_gate_that_died_are_ended_and_reaped(shared: SharedTemplate) -> None:
    with bare_gate(shared) as staying:
        dying = BareGate(shared.join())
        worker, to_it, output = dying.fork()  # which would wait for a layer for ever, while `to_it` is open
        dying.leave()

        assert os.read(output, 1) == b""  # nobody holds the other end any more
        other, to_other, output_of_other = staying.fork()  # answered after that
        with pytest.raises(ProcessLookupError):
            os.kill(worker, 0)
        os.kill(other, signal.SIGKILL)
        assert staying.reap(other) == -signal.SIGKILL
    for each in (to_it, output, to_other, output_of_other):
        os.close(each)


def test_t80_a_worker_has_no_socket_of_any_gate(shared: SharedTemplate) -> None:
    with bare_gate(shared) as one, bare_gate(shared):
        worker, to_it, output = one.fork()
        limits = encode(InspectionLimits())
        os.write(to_it, LENGTH.pack(len(limits)) + limits)
        assert os.read(output, 1) == SAYS_READY  # it has set itself up
        files = Path(f"/proc/{worker}/fd")
        found = {int(each.name): str(each.readlink()) for each in files.iterdir()}
        assert found.keys() == {0, 1, 2}
        assert all(target.startswith("pipe:") for target in found.values())
    os.close(to_it)
    os.close(output)


def test_the_template_ends_with_the_last_of_its_gates() -> None:
    shared = SharedTemplate.start()
    last = BareGate(shared.join())
    shared.forget()  # as in a process that was forked; its parent is gone
    worker, to_it, output = last.fork()
    last.leave()

    assert os.waitpid(shared.pid, 0)[1] == 0
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)
    shared.close()
    os.close(to_it)
    os.close(output)


async def test_a_gate_that_loses_patience_leaves_the_template_to_the_others(
    shared: SharedTemplate, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient, other = await Template.join(shared.join()), await Template.join(shared.join())
    worker = await impatient.fork(0)
    os.kill(shared.pid, signal.SIGSTOP)
    try:
        with monkeypatch.context() as patch:
            patch.setattr(nursery, "_ANSWER_SECONDS", 0.1)
            with pytest.raises(InspectionFailedError, match="it gave no answer"):
                await impatient.fork(0)
        assert not impatient.is_alive
        assert await worker.output.read() == b""  # it was ended, though nobody could reap it yet
        assert await worker.end() == -signal.SIGKILL
        worker.disconnect()
    finally:
        os.kill(shared.pid, signal.SIGCONT)
    while is_there(worker.pid):  # noqa: ASYNC110  # nothing tells that it was reaped
        await asyncio.sleep(0.02)
    going_on = await other.fork(0)
    assert parent(going_on.pid) == shared.pid
    await going_on.end()
    going_on.disconnect()
    await impatient.close()
    await other.close()


@pytest.mark.parametrize(
    "request_",
    [b"F", REQUEST.pack(b"?", 0), REQUEST.pack(REAP, 1), REQUEST.pack(REAP, 0)],
    ids=["in part", "of no kind", "a stranger", "anybody"],
)
def test_a_gate_that_asks_what_no_gate_asks_is_parted_from_and_no_other(
    shared: SharedTemplate, request_: bytes
) -> None:
    with bare_gate(shared) as asking, bare_gate(shared) as other:
        asking.says(request_)
        assert asking.is_parted
        worker, to_it, output = other.fork()
        os.kill(worker, signal.SIGKILL)
        assert other.reap(worker) == -signal.SIGKILL
    os.close(to_it)
    os.close(output)


def test_a_template_without_free_descriptors_says_so_and_goes_on(shared: SharedTemplate) -> None:
    with bare_gate(shared) as one:
        open_ = {int(each.name) for each in Path(f"/proc/{shared.pid}/fd").iterdir()}
        held = next(number for number in count() if number not in open_)
        before = resource.prlimit(shared.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(shared.pid, resource.RLIMIT_NOFILE, (held + 1, before[1]))
        worker, to_it, output = one.fork()
        assert worker == -errno.EMFILE
        os.close(to_it)
        os.close(output)

        resource.prlimit(shared.pid, resource.RLIMIT_NOFILE, (held, before[1]))
        turned_away = shared.join()
        turned_away.control.settimeout(120)
        assert turned_away.control.recv(1) == b""
        turned_away.close()

        resource.prlimit(shared.pid, resource.RLIMIT_NOFILE, before)
        worker, to_it, output = one.fork()
        os.kill(worker, signal.SIGKILL)
        assert one.reap(worker) == -signal.SIGKILL
        os.close(to_it)
        os.close(output)


@pytest.mark.parametrize("missing", [True, False])
def test_nothing_is_started_where_processes_have_no_descriptors(
    monkeypatch: pytest.MonkeyPatch, *, missing: bool
) -> None:
    def no_such_call(_process: int) -> int:
        raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))

    def start(*_: object, **__: object) -> None:
        raise AssertionError("it was started")

    if missing:
        monkeypatch.delattr(os, "pidfd_open")
    else:
        monkeypatch.setattr(os, "pidfd_open", no_such_call)
    monkeypatch.setattr(subprocess, "Popen", start)
    with pytest.raises(OSError, match=os.strerror(errno.ENOSYS)):
        SharedTemplate.start()
