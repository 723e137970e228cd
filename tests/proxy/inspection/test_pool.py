"""The inspection pool: real worker processes, killed, stopped, starved and abandoned."""

import asyncio
import gzip
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import uvloop

from proxy.inspection.nursery import ForkedProcess, Template
from proxy.inspection.places import Places
from proxy.inspection.pool import InspectionFailedError, InspectionPool, RunningInspection
from proxy.inspection.shared_template import COMMAND
from scanning.errors import LimitExceededError, NotALayerError, UnreadableLayerError
from scanning.files.examine import Examiner
from scanning.layers.inspect import inspect_layer
from scanning.layers.limits import MIB, InspectionLimits
from tests.proxy.inspection.working import LAYER, works, works_again
from tests.scanning.layers.archives import END, GNU, chunked, header, long_name, member

LIMITS = InspectionLimits()
HEAD = member(b"a", bytes(3000))
SESSIONS_SHARE = Path("/proc/self/autogroup").exists()
"""Whether the kernel shares processors among sessions, of which each worker is one (sched(7))."""


@asynccontextmanager
async def workers(
    size: int,
    limits: InspectionLimits = LIMITS,
    *,
    progress_seconds: float = 60.0,
    idle_seconds: float = 60.0,
    reserved: int = 0,
    guests: int = 0,
) -> AsyncIterator[InspectionPool]:
    pool = InspectionPool(
        size,
        limits,
        progress_seconds=progress_seconds,
        idle_seconds=idle_seconds,
        reserved=reserved,
        guests=guests,
    )
    await pool.start()
    try:
        yield pool
    finally:
        await pool.close()


@pytest.fixture
async def pool() -> AsyncIterator[InspectionPool]:
    async with workers(2) as pool:
        yield pool


async def hold(pool: InspectionPool) -> RunningInspection:
    running = await pool.try_begin()
    assert running is not None
    return running


async def until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110  # nothing tells of it
        await asyncio.sleep(0.02)


async def feed_for_ever(running: RunningInspection, chunk: bytes) -> None:
    while True:
        await running.feed(chunk)


async def feed_and_finish(running: RunningInspection, chunk: bytes) -> None:
    await running.feed(chunk)
    await running.finish()


class TestOutcomes:
    async def test_the_facts_are_those_of_the_layer(self, pool: InspectionPool) -> None:
        for size in (1, 700, len(LAYER)):
            running = await pool.begin()
            for chunk in chunked(LAYER, size):
                await running.feed(chunk)
            assert await running.finish() == inspect_layer([LAYER], LIMITS, Examiner())

    async def test_facts_that_take_many_messages(self, pool: InspectionPool) -> None:
        layer = b"".join(header(b"file%d" % number) for number in range(2345)) + END
        running = await pool.begin()
        await running.feed(layer)
        facts = await running.finish()
        assert [entry.path for entry in facts.entries] == [f"file{number}" for number in range(2345)]

    async def test_a_refusal_arrives_whole(self, pool: InspectionPool) -> None:
        running = await pool.begin()
        await running.feed(member(b"a"))
        await running.feed(member(b"../b") + END)
        with pytest.raises(UnreadableLayerError) as refused:
            await running.finish()
        assert (refused.value.entry, refused.value.offset) == ("../b", 512)
        assert await works(pool)

    async def test_a_passed_limit_is_named(self, pool: InspectionPool) -> None:
        running = await pool.begin()
        await running.feed(long_name(b"a/" * 200 + b"b") + member(b"cut", magic=GNU) + END)
        with pytest.raises(LimitExceededError, match="path_depth of 128") as refused:
            await running.finish()
        assert refused.value.limit == "path_depth"

    async def test_what_is_no_layer_is_told_before_its_end(self, pool: InspectionPool) -> None:
        running = await pool.begin()
        with pytest.raises(NotALayerError):
            await feed_for_ever(running, b'{"config":' * 100_000)
        await running.abandon()
        assert await works(pool)

    async def test_an_empty_blob(self, pool: InspectionPool) -> None:
        running = await pool.begin()
        with pytest.raises(NotALayerError):
            await running.finish()


class TestSharing:
    async def test_beginning_without_waiting_fails_while_all_are_busy(self, pool: InspectionPool) -> None:
        first, second = await hold(pool), await hold(pool)
        assert await pool.try_begin() is None
        await first.abandon()
        await second.abandon()

    async def test_t75_those_who_wait_are_served_in_turn(self, pool: InspectionPool) -> None:
        first, second = await hold(pool), await hold(pool)
        order: list[int] = []

        async def wait(number: int) -> None:
            running = await pool.begin()
            order.append(number)
            await running.abandon()

        waiting = [asyncio.create_task(wait(number)) for number in range(5)]
        await asyncio.sleep(0)
        waiting[1].cancel()
        await first.abandon()
        await second.abandon()
        await asyncio.wait(waiting)
        assert order == [0, 2, 3, 4]

    async def test_t75_one_tenant_that_asks_for_much_does_not_keep_another_waiting(self, pool: InspectionPool) -> None:
        first, second = await hold(pool), await hold(pool)
        order: list[str] = []

        async def wait(tenant: str) -> None:
            running = await pool.begin(tenant)
            order.append(tenant)
            await running.abandon()

        waiting = [asyncio.create_task(wait(tenant)) for tenant in ("greedy",) * 6 + ("modest",)]
        await asyncio.sleep(0)
        await first.abandon()
        await second.abandon()
        await asyncio.wait(waiting)
        assert order.index("modest") == 1

    async def test_a_worker_is_used_again(self, pool: InspectionPool) -> None:
        before = pool.processes
        for _ in range(4):
            assert await works(pool)
        assert pool.processes == before

    async def test_abandoning_gives_the_same_worker_back(self, pool: InspectionPool) -> None:
        before = pool.processes
        running = await pool.begin()
        await running.feed(HEAD)
        await running.abandon()
        await running.abandon()
        with pytest.raises(InspectionFailedError, match="has ended"):
            await running.feed(HEAD)
        both = [await pool.begin(), await pool.begin()]
        assert tuple(sorted(running.process for running in both)) == before
        for running in both:
            await running.abandon()

    async def test_a_caller_that_is_cancelled_gives_its_worker_back(self, pool: InspectionPool) -> None:
        for _ in range(3):
            running = await pool.begin()
            await running.feed(LAYER)
            finishing = asyncio.create_task(running.finish())
            await asyncio.sleep(0)
            finishing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await finishing
        assert await works(pool)

    async def test_t75_a_silent_client_loses_its_worker(self) -> None:
        async with workers(1, LIMITS, idle_seconds=0.05) as pool:
            silent = await hold(pool)
            await silent.feed(HEAD)
            assert await works(pool)
            with pytest.raises(InspectionFailedError, match="nothing was fed"):
                await silent.finish()


class TestFaults:
    async def test_a_killed_worker_fails_its_inspection_and_nothing_else(self, pool: InspectionPool) -> None:
        running, other = await hold(pool), await hold(pool)
        await running.feed(HEAD)
        await other.feed(LAYER)
        os.kill(running.process, signal.SIGKILL)
        with pytest.raises(InspectionFailedError, match=f"worker {running.process} failed: it ended with status -9"):
            await running.finish()
        assert (await other.finish()).size == len(LAYER)
        both = [await pool.begin(), await pool.begin()]  # the second waits for the replacement
        assert running.process not in pool.processes
        for inspection in both:
            await inspection.abandon()

    async def test_feeding_a_killed_worker_fails(self, pool: InspectionPool) -> None:
        running = await hold(pool)
        os.kill(running.process, signal.SIGKILL)
        with pytest.raises(InspectionFailedError, match="status -9"):
            await feed_for_ever(running, bytes(MIB))
        await running.abandon()
        assert await works(pool)

    async def test_an_idle_worker_that_dies_is_replaced(self, pool: InspectionPool) -> None:
        before = pool.processes
        for process in before:
            os.kill(process, signal.SIGKILL)
        assert await works_again(pool)
        assert not set(before) & set(pool.processes)

    async def test_when_the_template_dies_its_workers_do_and_all_are_replaced(self) -> None:
        async with workers(2) as pool, asyncio.timeout(100):
            before = pool.processes
            running = await hold(pool)
            os.kill(_parent(running.process), signal.SIGKILL)
            with pytest.raises(InspectionFailedError, match=f"worker {running.process} failed"):
                await feed_for_ever(running, bytes(MIB))  # the gate has to hear of it first
            await running.abandon()
            assert await works_again(pool)
            assert not set(before) & set(pool.processes)

    async def test_a_worker_that_ended_leaves_no_zombie(self) -> None:
        async with workers(1) as pool, asyncio.timeout(100):
            for _ in range(3):
                running = await pool.begin()
                os.kill(running.process, signal.SIGKILL)
                with pytest.raises(InspectionFailedError, match="status -9"):
                    await running.finish()
                with pytest.raises(ProcessLookupError):
                    os.kill(running.process, 0)

    async def test_t56_a_worker_that_takes_nothing_is_ended(self) -> None:
        async with workers(1, LIMITS, progress_seconds=2.0) as pool:
            running = await hold(pool)
            os.kill(running.process, signal.SIGSTOP)
            with pytest.raises(InspectionFailedError, match="it took nothing for"):
                await feed_for_ever(running, bytes(MIB))
            assert await works_again(pool)

    async def test_t56_a_worker_that_gives_no_answer_is_ended(self) -> None:
        async with workers(1, LIMITS, progress_seconds=2.0) as pool:
            running = await hold(pool)
            os.kill(running.process, signal.SIGSTOP)
            with pytest.raises(InspectionFailedError, match="it gave no answer for"):
                await running.finish()
            assert await works_again(pool)

    async def test_closing_fails_what_runs_and_what_waits_and_leaves_no_process(self) -> None:
        pool = InspectionPool(1, LIMITS)
        await pool.start()
        (process,) = pool.processes
        template = _parent(process)
        running = await hold(pool)
        waiting = asyncio.create_task(pool.begin())
        await asyncio.sleep(0)
        await pool.close()
        with pytest.raises(InspectionFailedError, match="the gate stops"):
            await running.finish()
        with pytest.raises(InspectionFailedError, match="the gate stops"):
            await waiting
        with pytest.raises(InspectionFailedError, match="the gate stops"):
            await pool.begin()
        for ended in (process, template):
            with pytest.raises(ProcessLookupError):
                os.kill(ended, 0)

    async def test_a_pool_that_shrinks_ends_who_has_nothing_to_do_and_nobody_else(self) -> None:
        async with workers(3) as pool:
            running = await hold(pool)
            left: list[tuple[int, ...]] = []
            for size in (2, 0):
                await pool.shrink(size)
                left.append(pool.processes)
            assert [len(processes) for processes in left] == [2, 1]
            assert left[-1] == (running.process,)
            await running.feed(LAYER)
            assert (await running.finish()).entries
            await pool.shrink(0)
            assert not pool.processes
            assert pool.missing == 0

    async def test_after_it_shrank_a_worker_that_dies_is_replaced_while_it_is_missing(self) -> None:
        async with workers(2) as pool, asyncio.timeout(100):
            kept, surplus = await hold(pool), await hold(pool)
            await pool.shrink(1)
            os.kill(surplus.process, signal.SIGKILL)
            with pytest.raises(InspectionFailedError, match="status -9"):
                await surplus.finish()
            await until(lambda: pool.processes == (kept.process,))
            os.kill(kept.process, signal.SIGKILL)
            with pytest.raises(InspectionFailedError, match="status -9"):
                await kept.finish()
            await until(lambda: len(pool.processes) == 1)
            assert await works_again(pool)
            assert len(pool.processes) == 1

    async def test_a_template_that_is_there_already_has_the_workers_and_goes_with_the_pool(self) -> None:
        template = await Template.start()
        pool = InspectionPool(1, LIMITS)
        await pool.start(template)
        forked = await template.fork(0)
        assert {_parent(process) for process in (*pool.processes, forked.pid)} == {_parent(forked.pid)}
        await forked.end()
        forked.disconnect()
        await pool.close()
        assert not template.is_alive

    async def test_where_the_ends_of_children_are_ignored_workers_are_reaped_all_the_same(self) -> None:
        ignoring = ("/bin/sh", "-c", "trap '' CHLD; exec \"$@\"", "sh", *COMMAND)
        template = await Template.start(ignoring)
        for _ in range(2):
            forked = await template.fork(0)
            await forked.end()
            forked.disconnect()
        assert template.is_alive
        await template.close()

    async def test_a_template_that_has_died_before_is_replaced(self) -> None:
        template = await Template.start()
        await template.close()
        pool = InspectionPool(1, LIMITS)
        try:
            await pool.start(template)
            assert await works_again(pool)
        finally:
            await pool.close()

    @pytest.mark.parametrize(
        ("command", "why"),
        [
            (("/nonexistent/python",), "No such file"),
            ((sys.executable, "-I", "-c", "raise SystemExit('no module')"), "status 1: no module"),
            ((sys.executable, "-I", "-c", "import os; os.write(0, bytes(100))"), "does not speak"),
        ],
    )
    async def test_a_worker_that_does_not_come_up(self, command: tuple[str, ...], why: str) -> None:
        pool = InspectionPool(2, LIMITS, command=command)
        with pytest.raises(InspectionFailedError, match=why):
            await pool.start()
        assert pool.processes == ()


class TestConfinement:
    async def test_t80_no_environment_and_no_files_but_its_pipes(self, pool: InspectionPool) -> None:
        assert _proc(pool, "environ") == ""
        assert _open_files(pool) == ["0", "1", "2"]

    async def test_t75_layers_give_way_to_requests(self, pool: InspectionPool) -> None:
        given = min(os.getpriority(os.PRIO_PROCESS, 0) + 5, 19)
        assert {os.getpriority(os.PRIO_PROCESS, process) for process in pool.processes} == {given}
        if SESSIONS_SHARE:
            assert "nice 5" in _proc(pool, "autogroup")

    async def test_t80_no_new_privileges(self, pool: InspectionPool) -> None:
        assert "NoNewPrivs:\t1" in _proc(pool, "status")

    async def test_t80_no_network(self, pool: InspectionPool) -> None:
        if _network(pool.processes[0]) == _network(os.getpid()):
            pytest.skip("this kernel or container does not let a process leave the network")
        devices = _proc(pool, "net/dev").splitlines()[2:]
        assert [line.split(":")[0].strip() for line in devices] == ["lo"]

    async def test_t56_processor_time_is_bounded(self) -> None:
        async with workers(1, InspectionLimits(cpu_seconds=1, uncompressed_bytes=1 << 50, ratio=1 << 30)) as pool:
            (before,) = pool.processes
            running = await hold(pool)
            await running.feed(gzip.compress(header(b"zeros", size=8**11 - 1)))
            zeros = gzip.compress(bytes(64 * MIB), 1)
            with pytest.raises(LimitExceededError, match="cpu_seconds"):
                await feed_for_ever(running, zeros)
            await running.abandon()
            next_one = await pool.begin()
            assert next_one.process != before
            await next_one.abandon()

    async def test_t56_memory_is_bounded(self) -> None:
        async with workers(1, InspectionLimits(memory_bytes=192 * MIB, file_bytes=1 << 40)) as pool:
            running = await hold(pool)
            await running.feed(header(b"var/lib/dpkg/status", size=8**11 - 1))
            with pytest.raises(LimitExceededError, match="memory_bytes"):
                await feed_for_ever(running, bytes(MIB))
            await running.abandon()
            assert await works(pool)

    async def test_t74_memory_stays_flat_on_a_long_stream(self, pool: InspectionPool) -> None:
        running = await pool.begin()
        block = os.urandom(MIB)
        for number in range(300):
            await running.feed(member(b"file%d" % number, block))
        await running.feed(END)
        memory = _peak_memory(running.process)
        facts = await running.finish()
        assert facts.uncompressed_size == 300 * (MIB + 512) + len(END)
        assert memory < 100 * MIB

    async def test_t74_memory_stays_flat_on_a_bomb(self, pool: InspectionPool) -> None:
        bomb = gzip.compress(header(b"zeros", size=8**11 - 1) + bytes(256 * MIB))
        running = await pool.begin()
        with pytest.raises(LimitExceededError, match="ratio"):
            await feed_and_finish(running, bomb)
        assert _peak_memory(running.process) < 100 * MIB


def _proc(pool: InspectionPool, name: str) -> str:
    return Path(f"/proc/{pool.processes[0]}/{name}").read_text()


def _parent(process: int) -> int:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    (parent,) = [line.split()[1] for line in lines if line.startswith("PPid:")]
    return int(parent)


def _open_files(pool: InspectionPool) -> list[str]:
    return sorted(file.name for file in Path(f"/proc/{pool.processes[0]}/fd").iterdir())


def _network(process: int) -> Path:
    return Path(f"/proc/{process}/ns/net").readlink()


def _peak_memory(process: int) -> int:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    (peak,) = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(peak) * 1024


def test_the_pool_works_under_uvloop() -> None:
    async def use() -> bool:
        async with workers(1) as pool:
            running = await hold(pool)
            os.kill(running.process, signal.SIGKILL)
            with pytest.raises(InspectionFailedError):
                await running.finish()
            return await works(pool)

    assert uvloop.run(use())


async def test_t75_uploads_that_never_end_leave_a_worker_to_those_who_wait() -> None:
    async with workers(2, reserved=1, idle_seconds=3600) as pool, asyncio.timeout(100):
        dripping = await hold(pool)
        await dripping.feed(LAYER[:1])
        assert await pool.try_begin() is None
        running = await pool.begin()
        await running.feed(LAYER)
        assert (await running.finish()).entries
        await dripping.abandon()


async def test_a_pool_without_a_living_worker_is_not_ready() -> None:
    async with workers(1) as pool:
        await pool.check()
    with pytest.raises(InspectionFailedError, match="no inspection worker is alive"):
        await pool.check()


async def test_a_blob_refused_only_at_its_end_leaves_its_worker_in_step() -> None:
    async with workers(1) as pool:
        for _ in range(3):
            with pytest.raises(NotALayerError):
                await feed_and_finish(await hold(pool), b"{}")
            running = await hold(pool)
            await running.feed(LAYER)
            assert (await running.finish()).entries


@pytest.mark.parametrize("moment", range(4))
async def test_a_start_that_is_cancelled_leaves_the_template_in_step(moment: int) -> None:
    async with workers(1) as pool, asyncio.timeout(100):
        (process,) = pool.processes
        template = _parent(process)
        starting = asyncio.create_task(pool._start_worker())
        for _ in range(moment):
            await asyncio.sleep(0)
        starting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await starting
        assert await works(pool)
        await pool._start_worker()
        assert {_parent(each) for each in pool.processes} == {template}


class TestGuests:
    """Workers that come for uploads, and leave."""

    async def test_each_upload_has_a_worker_up_to_the_bound(self) -> None:
        async with workers(2, reserved=1, guests=3) as pool, asyncio.timeout(100):
            uploads = [await hold(pool) for _ in range(4)]
            assert await pool.try_begin() is None
            assert len({upload.process for upload in uploads}) == 4
            for upload in uploads:
                await upload.feed(LAYER)
            for upload in uploads:
                assert (await upload.finish()).size == len(LAYER)

    async def test_uploads_that_come_at_once_have_one_each(self) -> None:
        async with workers(1, reserved=1, guests=8) as pool, asyncio.timeout(100):
            begun = await asyncio.gather(*(pool.try_begin() for _ in range(12)))
            uploads = [running for running in begun if running is not None]
            assert len({upload.process for upload in uploads}) == len(uploads) == 8
            for upload in uploads:
                await upload.abandon()

    async def test_uploads_of_several_pools_have_their_places_together(self, tmp_path: Path) -> None:
        both = workers(1, reserved=1, guests=2), workers(1, reserved=1, guests=2)
        async with both[0] as one, both[1] as other, asyncio.timeout(100):
            for each in (one, other):
                each.places = Places(tmp_path, 2)
            uploads = [await hold(one), await hold(one)]  # one may have all
            assert await other.try_begin() is None
            await uploads[0].feed(LAYER)
            await uploads[0].finish()
            uploads[0] = await hold(other)
            assert await one.try_begin() is None
            os.kill(uploads[0].process, signal.SIGKILL)  # a dead worker holds no place
            with pytest.raises(InspectionFailedError):
                await uploads[0].finish()
            await uploads[1].abandon()
            await until(lambda: one.idle == 3)
            for upload in [await hold(other), await hold(one)]:
                await upload.abandon()

    async def test_an_upload_that_gets_no_worker_leaves_its_place(self, tmp_path: Path) -> None:
        async with workers(1, reserved=1) as pool, asyncio.timeout(100):
            pool.places = Places(tmp_path, 1)
            assert await pool.try_begin() is None
            assert Places(tmp_path, 1).take() is not None

    async def test_a_guest_leaves_when_it_has_had_nothing_to_do_for_a_while(self) -> None:
        async with workers(1, reserved=1, guests=2, idle_seconds=0.2) as pool, asyncio.timeout(100):
            (stays,) = pool.processes
            uploads = [await hold(pool), await hold(pool)]
            for upload in uploads:
                await upload.abandon()
            await until(lambda: pool.processes == (stays,))
            for upload in uploads:
                with pytest.raises(ProcessLookupError):
                    os.kill(upload.process, 0)
            assert (await hold(pool)).process not in {stays, *(upload.process for upload in uploads)}

    async def test_t75_guests_give_way_to_the_workers_that_stay(self) -> None:
        async with workers(1, reserved=1, guests=1) as pool:
            (stays,) = pool.processes
            guest = await hold(pool)
            own = os.getpriority(os.PRIO_PROCESS, 0)
            assert [os.getpriority(os.PRIO_PROCESS, process) for process in (stays, guest.process)] == [
                min(own + 5, 19),
                min(own + 10, 19),
            ]

    async def test_t75_uploads_that_never_end_hold_no_more_than_the_guests(self) -> None:
        async with workers(1, reserved=1, guests=2, idle_seconds=3600) as pool, asyncio.timeout(100):
            for dripping in [await hold(pool), await hold(pool)]:
                await dripping.feed(LAYER[:1])
            assert await pool.try_begin() is None
            assert len(pool.processes) == 3
            assert await works(pool)

    async def test_t75_silent_uploads_lose_their_guests(self) -> None:
        async with workers(1, reserved=1, guests=2, idle_seconds=0.2) as pool, asyncio.timeout(100):
            for _ in range(2):
                silent = await hold(pool)
                await silent.feed(LAYER[:1])  # at once: it may be taken for silent before the next one begins
            await until(lambda: pool.idle == 3 or len(pool.processes) < 3)
            await (await hold(pool)).abandon()

    async def test_t75_guests_do_not_make_reading_back_wider(self) -> None:
        async with workers(2, reserved=1, guests=3) as pool, asyncio.timeout(100):
            assert pool.spare == 1
            uploads = [await hold(pool) for _ in range(4)]
            for upload in uploads:
                await upload.feed(LAYER)
                await upload.finish()
            assert pool.idle == 5
            assert pool.spare == 1

    async def test_t56_a_guest_that_dies_takes_down_no_other_and_its_place_is_free_again(self) -> None:
        async with workers(1, reserved=1, guests=3) as pool, asyncio.timeout(100):
            killed, *others = [await hold(pool) for _ in range(3)]
            for upload in (killed, *others):
                await upload.feed(LAYER[: len(LAYER) // 2])
            os.kill(killed.process, signal.SIGKILL)
            with pytest.raises(InspectionFailedError, match="status -9"):
                await killed.finish()
            for upload in others:
                await upload.feed(LAYER[len(LAYER) // 2 :])
                assert (await upload.finish()).size == len(LAYER)
            uploads = [await hold(pool) for _ in range(3)]
            assert killed.process not in {upload.process for upload in uploads}
            for upload in uploads:
                await upload.abandon()

    async def test_guests_do_not_hide_that_a_worker_is_missing(self) -> None:
        pool = InspectionPool(1, LIMITS, guests=1)  # as if its worker could not be started
        try:
            await hold(pool)
            assert len(pool.processes) == pool.size == pool.missing == 1
        finally:
            await pool.close()

    async def test_t74_a_bomb_among_honest_layers_is_refused_alone(self) -> None:
        limits = InspectionLimits(memory_bytes=192 * MIB, file_bytes=1 << 40)
        async with workers(1, limits, reserved=1, guests=4) as pool, asyncio.timeout(100):
            bomb, *honest = [await hold(pool) for _ in range(4)]
            for upload in honest:
                await upload.feed(LAYER[:10])
            await bomb.feed(header(b"var/lib/dpkg/status", size=8**11 - 1))
            with pytest.raises(LimitExceededError, match="memory_bytes"):
                await feed_for_ever(bomb, bytes(MIB))
            await bomb.abandon()
            for upload in honest:
                await upload.feed(LAYER[10:])
                assert (await upload.finish()).size == len(LAYER)

    async def test_an_upload_is_not_kept_waiting_where_no_guest_can_come(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async def no_more(_template: Template, _niceness: int) -> ForkedProcess:
            raise InspectionFailedError("no inspection worker can be started: Resource temporarily unavailable")

        async with workers(1, reserved=1, guests=3) as pool, asyncio.timeout(100):
            monkeypatch.setattr(Template, "fork", no_more)
            assert await pool.try_begin() is None
            monkeypatch.undo()
            assert (await hold(pool)).process in pool.processes

    async def test_closing_ends_guests_and_those_on_their_way(self) -> None:
        pool = InspectionPool(1, LIMITS, reserved=1, guests=4)
        await pool.start()
        uploads = [await hold(pool), await hold(pool)]
        arriving = asyncio.create_task(pool.try_begin())
        await asyncio.sleep(0)
        processes = pool.processes
        await pool.close()
        await arriving
        for upload in uploads:
            with pytest.raises(InspectionFailedError):
                await upload.finish()
        for process in processes:
            with pytest.raises(ProcessLookupError):
                os.kill(process, 0)
