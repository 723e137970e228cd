"""Several gates whose workers come from one template."""

import asyncio
import gzip
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import pytest

from proxy.inspection.errors import InspectionFailedError
from proxy.inspection.forking import ANSWER, FORK, READY, REAP, REQUEST
from proxy.inspection.framing import LENGTH
from proxy.inspection.framing import READY as SAYS_READY
from proxy.inspection.pool import InspectionPool
from proxy.inspection.shared_template import SharedEnd, SharedTemplate
from scanning.documents import encode
from scanning.layers.limits import InspectionLimits
from tests.scanning.layers.archives import END, member

pytestmark = pytest.mark.timeout(300)

LAYER = gzip.compress(member(b"etc/os-release", b"ID=debian\n") + END)


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


async def works(pool: InspectionPool) -> bool:
    running = await pool.begin()
    try:
        await running.feed(LAYER)
        return (await running.finish()).size == len(LAYER)
    finally:
        await running.abandon()


async def works_again(pool: InspectionPool) -> bool:
    while True:
        try:
            return await works(pool)
        except InspectionFailedError:
            continue


def parent(process: int) -> int:
    return int(Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[1])


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
