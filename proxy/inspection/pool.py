"""Inspection workers, shared fairly, replaced when they die; while many upload, some more.

A worker that dies or hangs fails the inspection it was at and nothing else. Workers are started before they are
needed and used again and again, except for guests: those come when an upload needs one, and leave when they have had
nothing to do for a while. They give way to the others as these do to the gate, so many uploads take no more of the
processors from requests than a few.
"""

import asyncio
from collections import deque
from collections.abc import Coroutine
from contextlib import suppress
from time import monotonic

from config.errors import ImagegateError
from proxy.inspection.errors import InspectionFailedError
from proxy.inspection.nursery import Template
from proxy.inspection.places import Places
from proxy.inspection.process import WorkerProcess
from proxy.inspection.queue import FairQueue
from proxy.inspection.shared_template import COMMAND, SharedEnd
from scanning.facts import LayerFacts
from scanning.layers.limits import InspectionLimits

__all__ = ["InspectionFailedError", "InspectionPool", "RunningInspection"]

_RESTART_SECONDS = 1.0
_LONGEST_RESTART_SECONDS = 30.0
_ARRIVAL_SECONDS = 5.0
"""How long an upload waits for a guest. One is there in milliseconds, unless nothing is as it should be."""
_GUEST_SECONDS = 10.0
"""About how long a guest without work stays: it comes back sooner than a connection is made."""


class InspectionPool:
    """`size` workers, and up to `guests` more for uploads. Begin with `start`, end with `close`.

    Those who wait take turns by tenant, and of one tenant at most `waiting` wait.
    `progress_seconds` is how long a worker may take nothing before it is ended and its inspection fails;
    `idle_seconds` how long an inspection may be fed nothing before its worker is given to others. `reserved` workers
    are kept for `begin`: uploads come as slowly as a client likes, and must not keep others from being judged. Where
    other processes serve as well, an upload needs one of the `places` of all of them, too, and workers come from the
    template that they `shared`, while it lives.
    """

    places: Places | None = None
    shared: SharedEnd | None = None

    def __init__(
        self,
        size: int,
        limits: InspectionLimits,
        *,
        progress_seconds: float = 60.0,
        idle_seconds: float = 60.0,
        reserved: int = 0,
        waiting: int = 32,
        guests: int = 0,
        command: tuple[str, ...] = COMMAND,
    ) -> None:
        self._size = size
        self.limits = limits
        self._progress_seconds = progress_seconds
        self.idle_seconds = idle_seconds
        self._reserved = reserved
        self._guests = guests
        self._taken: dict[WorkerProcess, int] = {}  # places, by who inspects the upload
        self._arriving = 0  # guests that are being started
        self._leaving: asyncio.TimerHandle | None = None
        self._command = command
        self._template: Template | None = None
        self._making_template = asyncio.Lock()
        self._workers: set[WorkerProcess] = set()
        self._idle: deque[WorkerProcess] = deque()
        self._waiting: FairQueue[WorkerProcess] = FairQueue(waiting)
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    async def start(self, template: Template | None = None) -> None:
        """Start every worker, from a `template` that was started before, which is the pool's from then on, or from one
        of its own. Raises `InspectionFailedError` if they do not come up.
        """
        self._template = template
        started = await asyncio.gather(*(self._start_worker() for _ in range(self._size)), return_exceptions=True)
        problems = [problem for problem in started if isinstance(problem, BaseException)]
        if problems:
            await self.close()
            raise problems[0]

    async def shrink(self, size: int) -> None:
        """Go on with `size` workers where there are more: those with nothing to do are ended and seen gone. One that
        dies later is replaced only where it is missing then.
        """
        self._size = min(self._size, size)
        while self._idle and len(self._those(guests=False)) > self._size:
            await self._idle.popleft().close()

    async def close(self) -> None:
        """End every worker and see it gone. Inspections still running fail."""
        self._closed = True
        self._waiting.fail(InspectionFailedError("the gate stops"))
        if self._leaving is not None:
            self._leaving.cancel()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.gather(*(worker.close() for worker in tuple(self._workers)))
        if self._template is not None:
            await self._template.close()

    async def check(self) -> None:
        """Return if a worker lives. Raises `InspectionFailedError`: nothing new could be judged."""
        if not any(worker.is_alive for worker in self._workers):
            raise InspectionFailedError("no inspection worker is alive; they are started again by themselves")

    @property
    def size(self) -> int:
        """How many workers there are to be, guests left out."""
        return self._size

    @property
    def missing(self) -> int:
        """How many of these have died and are not replaced yet."""
        return self._size - len(self._those(guests=False))

    @property
    def processes(self) -> tuple[int, ...]:
        """The process ids of the living workers."""
        return tuple(sorted(worker.pid for worker in self._workers))

    @property
    def idle(self) -> int:
        """How many workers have nothing to do."""
        return len(self._idle)

    @property
    def spare(self) -> int:
        """How many inspections could begin now without taking a worker that is kept for those who wait. Guests are for
        uploads: they do not count.
        """
        busy = len(self._workers) - len(self._idle)
        return max(0, min(len(self._idle), self._size - busy) - self._reserved)

    async def try_begin(self) -> "RunningInspection | None":
        """Begin to inspect an upload now, or None while every worker that is not reserved is busy, and as many guests
        as there may be, or every place is taken. Waits for no other inspection.
        """
        if self.places is None:
            return await self._try_begin_upload()
        place = self.places.take()
        if place is None:
            return None
        running = None
        try:
            running = await self._try_begin_upload()
        finally:
            if running is None:
                self.places.give_back(place)
        if running is not None:
            self._taken[running.worker] = place
        return running

    async def _try_begin_upload(self) -> "RunningInspection | None":
        running = self._try_begin(self._reserved)
        if running is None and len(self._those(guests=True)) + self._arriving < self._guests and not self._closed:
            self._arriving += 1
            await asyncio.wait({self._run(self._invite())}, timeout=_ARRIVAL_SECONDS)
            running = self._try_begin(self._reserved)
        return running

    async def _invite(self) -> None:
        try:
            with suppress(InspectionFailedError):  # the upload is read back then, as if all were busy
                await self._start_worker(is_guest=True)
        finally:
            self._arriving -= 1

    def _those(self, *, guests: bool) -> list[WorkerProcess]:
        return [worker for worker in self._workers if worker.is_guest is guests]

    def _say_goodbye(self) -> None:
        """Let guests go that have nothing to do, and come back while there are others."""
        self._leaving = None
        for worker in [worker for worker in self._idle if worker.is_guest]:
            self._idle.remove(worker)
            self._run(worker.close())
        if any(worker.is_alive for worker in self._those(guests=True)):
            self._expect_goodbye()

    def _expect_goodbye(self) -> None:
        if self._leaving is None and not self._closed:
            self._leaving = asyncio.get_running_loop().call_later(
                min(self.idle_seconds, _GUEST_SECONDS), self._say_goodbye
            )

    def _try_begin(self, kept: int) -> "RunningInspection | None":
        while len(self._idle) > kept:
            worker = self._idle.popleft() if kept else self._idle.pop()  # the best for those who wait
            if worker.is_alive:
                return RunningInspection(self, worker)
        return None

    async def begin(self, tenant: str = "") -> "RunningInspection":
        """Begin an inspection for `tenant` ("": the gate itself) as soon as a worker is free and its turn has come.

        Raises `InspectionQueueFullError` if too many of the tenant's wait already, `InspectionFailedError` if the gate
        stops meanwhile, or no worker can be started at all.
        """
        running = self._try_begin(0)
        if running is not None:
            return running
        if self._closed:
            raise InspectionFailedError("no layer is inspected any more: the gate stops")
        turn = self._waiting.join(tenant)
        try:
            return RunningInspection(self, await turn)
        except asyncio.CancelledError:
            self._waiting.leave(tenant, turn)
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.release(turn.result())
            raise

    def release(self, worker: WorkerProcess) -> None:
        """Take back a worker whose layer has its outcome. A dead one is being replaced already."""
        self._leave_place(worker)
        if not worker.is_alive:
            return
        if self._waiting.serve(worker):
            return
        if worker.is_guest:
            self._idle.appendleft(worker)
            self._expect_goodbye()
        else:
            self._idle.append(worker)

    def _leave_place(self, worker: WorkerProcess) -> None:
        place = self._taken.pop(worker, None)
        if place is not None and self.places is not None:
            self.places.give_back(place)

    def settle(self, worker: WorkerProcess) -> None:
        """Take back a worker whose outcome nobody waits for, once it has one."""
        self._run(self._settle(worker))

    async def _settle(self, worker: WorkerProcess) -> None:
        await worker.wait()
        self.release(worker)

    async def _start_worker(self, *, is_guest: bool = False) -> None:
        template = await self._living_template()
        worker = await WorkerProcess.start(
            template, self.limits, self._progress_seconds, self._ended, is_guest=is_guest
        )
        self._workers.add(worker)
        self.release(worker)

    async def _living_template(self) -> Template:
        async with self._making_template:
            if self._template is not None and not self._template.is_alive:
                await self._template.close()
                self._template = None
            if self._template is None and self.shared is not None:
                shared, self.shared = self.shared, None
                with suppress(InspectionFailedError):  # else, and from then on, it has one of its own
                    self._template = await Template.join(shared)
            if self._template is None:
                self._template = await Template.start(self._command)
            return self._template

    def _ended(self, worker: WorkerProcess) -> None:
        self._workers.discard(worker)
        self._leave_place(worker)
        with suppress(ValueError):
            self._idle.remove(worker)
        if not self._closed and not worker.is_guest and self.missing > 0:
            self._run(self._replace())

    async def _replace(self) -> None:
        pause = _RESTART_SECONDS
        while not self._closed:
            try:
                await self._start_worker()
            except InspectionFailedError as error:
                if not self._workers:
                    self._waiting.fail(error)
            else:
                return
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_RESTART_SECONDS)

    def _run(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


class RunningInspection:
    """One layer on its way through `worker`. End it with `finish` or `abandon`."""

    def __init__(self, pool: InspectionPool, worker: WorkerProcess) -> None:
        self._pool = pool
        self.worker = worker
        self._open = True
        self._feeding = False
        self._last_fed = monotonic()
        worker.begin()
        self._watch()

    @property
    def process(self) -> int:
        """The id of the process at work."""
        return self.worker.pid

    async def feed(self, chunk: bytes) -> None:
        """Hand over the next bytes of the blob; waits while the worker is behind.

        Raises as `finish` does as soon as the outcome is a refusal or a failure.
        """
        self._refuse_closed()
        self._feeding = True
        try:
            await self.worker.feed(chunk)
        finally:
            self._feeding = False
            self._last_fed = monotonic()
        if self.worker.outcome.done():
            self._facts(self.worker.outcome.result())

    async def finish(self) -> LayerFacts:
        """Say that the blob is complete and wait for its facts.

        Raises `UnreadableLayerError` (and its kinds) where the layer is refused, `InspectionFailedError` if the worker
        died, hung, or was given to others because nothing was fed to it for too long.
        """
        self._refuse_closed()
        self._close()
        self.worker.end()
        try:
            outcome = await self.worker.wait()
        except asyncio.CancelledError:
            self._pool.settle(self.worker)
            raise
        self._pool.release(self.worker)
        return self._facts(outcome)

    async def abandon(self) -> None:
        """Stop looking; the worker is free as soon as it has noticed. Does nothing after `finish`."""
        self._abandon()

    def _abandon(self) -> None:
        if self._open:
            self._close()
            self.worker.abandon()
            self._pool.settle(self.worker)

    def _close(self) -> None:
        self._open = False
        self._watcher.cancel()

    def _watch(self) -> None:
        seconds = self._pool.idle_seconds
        if self._last_fed + seconds <= monotonic() and not self._feeding:
            self._abandon()
        else:
            self._watcher = asyncio.get_running_loop().call_later(seconds / 2, self._watch)

    def _refuse_closed(self) -> None:
        if not self._open:
            raise InspectionFailedError(
                f"the inspection has ended, or nothing was fed to it for {self._pool.idle_seconds:.0f} seconds"
            )

    @staticmethod
    def _facts(outcome: LayerFacts | ImagegateError) -> LayerFacts:
        if isinstance(outcome, ImagegateError):
            raise outcome
        return outcome
