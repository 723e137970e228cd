"""One inspection worker as the gate sees it: a process with three pipes that may die at any moment."""

import asyncio
from asyncio import FIRST_COMPLETED
from collections.abc import Callable
from dataclasses import replace
from typing import Self, TypeAlias

from config.errors import ImagegateError
from proxy.inspection.confinement import NICENESS
from proxy.inspection.errors import InspectionFailedError
from proxy.inspection.framing import (
    ABANDON,
    ABANDONED,
    END,
    FACTS,
    FAILED,
    LENGTH,
    PART,
    READY,
    REFUSED,
    REPLY_BYTES,
    REPLY_HEAD,
    SPENT,
    Part,
    Refusal,
    frames,
)
from proxy.inspection.nursery import LAST_WORDS, ForkedProcess, Template
from scanning.documents import decode, encode
from scanning.errors import InvalidContentError
from scanning.facts import FileEntry, FileFinds, LayerFacts
from scanning.layers.limits import InspectionLimits

_START_SECONDS = 60.0
_EXIT_SECONDS = 5.0
_GUEST_NICENESS = 10
"""A tenth of the share of a request: nine at a time take as much as three other workers."""

Outcome: TypeAlias = LayerFacts | ImagegateError
"""How one inspection ended: facts, an `UnreadableLayerError` or an `InspectionFailedError`."""


class WorkerProcess:
    """Speaks `framing` with one worker, for one layer at a time. Made by `start`.

    `outcome` is the current layer's, done as soon as the worker has told it or is dead.
    """

    def __init__(self, process: ForkedProcess, progress_seconds: float, *, is_guest: bool) -> None:
        self._process = process
        self._progress_seconds = progress_seconds
        self.is_guest = is_guest
        self._ready = asyncio.get_running_loop().create_future()
        self._why = ""  # why the gate itself ended the process
        self._entries: list[FileEntry] = []
        self._finds: list[FileFinds] = []
        self._received = 0
        self.outcome: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._life = asyncio.create_task(self._live())

    @classmethod
    async def start(
        cls,
        template: Template,
        limits: InspectionLimits,
        progress_seconds: float,
        on_end: Callable[[Self], None],
        *,
        is_guest: bool = False,
    ) -> Self:
        """Have a process forked and wait until it is ready; `on_end` is called when it ends, for whatever reason.

        `progress_seconds` is how long a worker may take nothing, or keep its answer, before it is ended. A guest has a
        lower priority than other workers. Raises `InspectionFailedError` if the process does not come up.
        """
        process = await template.fork(_GUEST_NICENESS if is_guest else NICENESS)
        worker = cls(process, progress_seconds, is_guest=is_guest)
        document = encode(limits)
        worker._process.input.write(LENGTH.pack(len(document)) + document)
        try:
            await asyncio.wait({worker._ready, worker._life}, timeout=_START_SECONDS, return_when=FIRST_COMPLETED)
        finally:
            if not worker._ready.done():
                worker.kill(f"it was not ready after {_START_SECONDS:.0f} seconds")
                await worker._see_gone()
        if not worker._ready.done():
            raise InspectionFailedError(f"no inspection worker can be started: {worker._why}")
        worker._life.add_done_callback(lambda _: on_end(worker))
        return worker

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    @property
    def is_alive(self) -> bool:
        """Whether it can take a layer."""
        return not self._life.done() and not self._why

    def begin(self) -> None:
        """Begin a layer. The one before must have its outcome."""
        self.outcome = asyncio.get_running_loop().create_future()
        self._entries, self._finds, self._received = [], [], 0
        if not self.is_alive:
            self._conclude(self._failure())

    async def feed(self, chunk: bytes) -> None:
        """Hand over a chunk; returns when the pipe has room for more, or the outcome is known."""
        for length, piece in frames(chunk):
            if self.outcome.done():
                return
            self._process.input.write(length)
            self._process.input.write(piece)
            await self._drain()

    def end(self) -> None:
        """Say that the layer is complete."""
        self._process.input.write(END)

    def abandon(self) -> None:
        """Say that the layer is of no interest any more. An outcome still comes."""
        self._process.input.write(ABANDON)

    async def wait(self) -> Outcome:
        """Wait for the outcome. The process is ended if it does not come in time."""
        try:
            async with asyncio.timeout(self._progress_seconds):
                return await asyncio.shield(self.outcome)
        except TimeoutError:
            self.kill(f"it gave no answer for {self._progress_seconds:.0f} seconds")
            return self.outcome.result()

    def kill(self, why: str) -> None:
        """End the process now. `why` is for whoever waits for an outcome."""
        self._why = self._why or why
        self._process.kill()
        self._conclude(self._failure())

    async def close(self) -> None:
        """Let the process end, and see it gone."""
        self._why = self._why or "the gate stops"
        self._process.input.close()
        await asyncio.wait({self._life}, timeout=_EXIT_SECONDS)
        self.kill(self._why)
        await self._see_gone()

    async def _see_gone(self) -> None:
        await asyncio.wait({self._life}, timeout=_EXIT_SECONDS)
        self._life.cancel()  # only still there if something the worker left behind holds its pipes
        await asyncio.wait({self._life})

    async def _drain(self) -> None:
        try:
            async with asyncio.timeout(self._progress_seconds):
                await self._process.input.room()
        except TimeoutError:
            self.kill(f"it took nothing for {self._progress_seconds:.0f} seconds")
        except BrokenPipeError:
            await self.wait()  # the process is gone, and `_live` will say how

    async def _live(self) -> None:
        """Read what the worker says until it ends; then say so to whoever waits."""
        last_words = asyncio.create_task(self._read_errors())
        try:
            while True:
                await self._read_reply()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        except InvalidContentError as error:
            self.kill(f"it does not speak as a worker does: {error}")
        finally:
            try:
                status = await self._process.end()
                words = (await last_words).decode("utf-8", "backslashreplace").strip()
            finally:
                last_words.cancel()
                self._process.disconnect()
            self._why = self._why or f"it ended with status {status}{': ' if words else ''}{words}"
            self._conclude(self._failure())

    async def _read_errors(self) -> bytes:
        words = b""
        while more := await self._process.words.read(LAST_WORDS):
            words = (words + more)[-LAST_WORDS:]
        return words

    async def _read_reply(self) -> None:
        stdout = self._process.output
        kind, length = REPLY_HEAD.unpack(await stdout.readexactly(REPLY_HEAD.size))
        self._received += length
        if self._received > REPLY_BYTES:
            raise InvalidContentError(f"its reply is larger than {REPLY_BYTES} bytes")
        document = await stdout.readexactly(length)
        if kind == READY and not self._ready.done():
            self._ready.set_result(None)
        elif kind == PART:
            part = decode(Part, document)
            self._entries += part.entries
            self._finds += part.finds
        elif kind == FACTS:
            facts = decode(LayerFacts, document)
            self._conclude(replace(facts, entries=tuple(self._entries), finds=tuple(self._finds)))
        elif kind in {REFUSED, SPENT}:
            if kind == SPENT:
                self._why = "it has used up its processor time or memory"
            self._conclude(decode(Refusal, document).to_error())
        elif kind == ABANDONED:
            self._conclude(InspectionFailedError("the inspection was abandoned"))
        elif kind == FAILED:
            self._why = document.decode("utf-8", "backslashreplace")
        else:
            raise InvalidContentError(f"it says {kind!r}")

    def _conclude(self, outcome: Outcome) -> None:
        if not self.outcome.done():
            self.outcome.set_result(outcome)

    def _failure(self) -> InspectionFailedError:
        return InspectionFailedError(
            f"the inspection worker {self.pid} failed: {self._why}; the layer can be tried again"
        )
