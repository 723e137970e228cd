"""Where inspection workers come from: the template as the gate sees it, and the processes that it forks."""

import asyncio
import os
import signal
import socket
from asyncio.subprocess import DEVNULL, PIPE, Process
from collections.abc import Coroutine, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Protocol, Self, TypeVar, cast

from proxy.inspection.ends import kill_session
from proxy.inspection.errors import InspectionFailedError
from proxy.inspection.forking import ANSWER, FORK, READY, REAP, REQUEST
from proxy.inspection.shared_template import COMMAND, SharedEnd

LAST_WORDS = 2000
_ANSWER_SECONDS = 60.0
_EXIT_SECONDS = 5.0

Given = TypeVar("Given")


class TemplateProcess(Protocol):
    """The process of a template, as one gate sees it."""

    async def ended(self) -> str:
        """Wait for its end, or until it was left; says why there is nothing more to expect of it."""
        ...

    def leave(self) -> None:
        """This gate is done with it, and has closed its socket."""
        ...

    def give_up(self, why: str) -> None:
        """Expect nothing more of it: end it now, if it has not ended, or leave it to the others who share it."""
        ...


class Template:
    """A process that forks workers. Made by `start`, or by `join`. When it ends, so do its workers."""

    def __init__(self, process: TemplateProcess, control: socket.socket) -> None:
        self._process = process
        self._control = control
        self._turn = asyncio.Lock()
        self._tasks: set[asyncio.Task[Any]] = set()
        self._forked: set[ForkedProcess] = set()
        self._why = ""  # why the gate ended it
        self._life = asyncio.create_task(self._live())

    @classmethod
    async def start(cls, command: Sequence[str] = COMMAND) -> Self:
        """Start the process and wait until it is ready. Raises `InspectionFailedError` if it does not come up."""
        ours, theirs = socket.socketpair()
        with theirs:
            try:
                process = await asyncio.create_subprocess_exec(
                    *command,
                    stdin=theirs.fileno(),
                    stdout=DEVNULL,
                    stderr=PIPE,
                    env={},
                    cwd="/",
                    start_new_session=True,
                )
            except BaseException as error:
                ours.close()
                if isinstance(error, OSError):
                    raise InspectionFailedError(f"no inspection worker can be started: {error}") from error
                raise
        return await cls._of(_OwnProcess(process), ours)

    @classmethod
    async def join(cls, shared: SharedEnd) -> Self:
        """Speak to the template that several gates share, once it is ready. Raises `InspectionFailedError` if it does
        not come up, or has ended.
        """
        return await cls._of(_SharedProcess(shared.process), shared.control)

    @classmethod
    async def _of(cls, process: TemplateProcess, control: socket.socket) -> Self:
        control.setblocking(False)
        template = cls(process, control)
        try:
            await template._check_ready()
        except BaseException:
            await template.close()
            raise
        return template

    @property
    def is_alive(self) -> bool:
        """Whether it can fork."""
        return not self._why and not self._life.done()

    async def fork(self, niceness: int) -> "ForkedProcess":
        """Make a process that serves as `worker` does, at this lower priority. Raises `InspectionFailedError`."""
        forking = self._own(self._fork(niceness))
        try:
            return await asyncio.shield(forking)
        except asyncio.CancelledError:
            forking.add_done_callback(self._disown)
            raise

    async def reap(self, forked: "ForkedProcess") -> int:
        """See a process gone that has ended or was killed; gives its exit status, minus the signal if one ended it."""
        self._forked.discard(forked)
        try:
            # To its end, also if nobody waits any longer: the next answer must be that to the next question.
            return await asyncio.shield(self._own(self._ask(REAP, forked.pid)))
        except InspectionFailedError:
            return -signal.SIGKILL

    async def close(self) -> None:
        """Let the process end, and see it gone; where others share it, leave it to them."""
        with suppress(OSError):
            self._control.shutdown(socket.SHUT_RDWR)
        self._process.leave()
        await asyncio.wait({self._life}, timeout=_EXIT_SECONDS)
        self._kill("the gate stops")
        await asyncio.wait({self._life, *self._tasks})  # those still ask at the socket
        self._control.close()

    async def _check_ready(self) -> None:
        if await self._answer() != READY:
            self._kill("it does not speak as the template of workers does")
            raise await self._failure()

    async def _fork(self, niceness: int) -> "ForkedProcess":
        pipes = [os.pipe() for _ in range(3)]
        (its_input, to_it), (output, its_output), (words, its_words) = pipes
        ours, its = [to_it, output, words], [its_input, its_output, its_words]
        try:
            pid = await self._ask(FORK, niceness, its)
        except BaseException:
            _close(ours)
            raise
        finally:
            _close(its)
        if pid < 0:
            _close(ours)
            raise InspectionFailedError(f"no inspection worker can be started: {os.strerror(-pid)}")
        forked = await ForkedProcess.connect(self, pid, *ours)
        self._forked.add(forked)
        if not self.is_alive:
            forked.lose()
        return forked

    def _disown(self, forking: "asyncio.Task[ForkedProcess]") -> None:
        if not forking.cancelled() and forking.exception() is None:
            self._own(_end(forking.result()))

    def _own(self, work: Coroutine[None, None, Given]) -> "asyncio.Task[Given]":
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _ask(self, kind: bytes, number: int, descriptors: Sequence[int] = ()) -> int:
        async with self._turn:
            try:
                socket.send_fds(self._control, [REQUEST.pack(kind, number)], descriptors)
            except OSError:
                raise await self._failure() from None
            return await self._answer()

    async def _answer(self) -> int:
        loop, answer = asyncio.get_running_loop(), b""
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                while len(answer) < ANSWER.size:
                    more = await loop.sock_recv(self._control, ANSWER.size - len(answer))
                    if not more:
                        raise await self._failure()
                    answer += more
        except TimeoutError:
            self._kill(f"it gave no answer for {_ANSWER_SECONDS:.0f} seconds")
            raise await self._failure() from None
        except OSError:
            raise await self._failure() from None
        (number,) = ANSWER.unpack(answer)
        return int(number)

    def _kill(self, why: str) -> None:
        if not self._life.done():
            self._why = self._why or why
            self._process.give_up(why)

    async def _failure(self) -> InspectionFailedError:
        """Why there is no answer, once the process is gone: it has closed its side, or was killed."""
        await asyncio.wait({self._life}, timeout=_EXIT_SECONDS)
        self._kill("it closed its socket")
        await asyncio.wait({self._life})
        return InspectionFailedError(f"no inspection worker can be started: {self._why}")

    async def _live(self) -> None:
        why = await self._process.ended()
        self._why = self._why or why
        for forked in tuple(self._forked):
            forked.lose()
        with suppress(OSError):  # a template that was left and lives reaps them, once it has noticed
            self._control.shutdown(socket.SHUT_RDWR)


class _OwnProcess:
    """A child of this process, for it alone."""

    def __init__(self, process: Process) -> None:
        self._process = process

    async def ended(self) -> str:
        words = b""
        stderr = self._process.stderr
        while stderr is not None and (more := await stderr.read(LAST_WORDS)):
            words = (words + more)[-LAST_WORDS:]
        status = await self._process.wait()
        said = words.decode("utf-8", "backslashreplace").strip()
        return f"it ended with status {status}{': ' if said else ''}{said}"

    def leave(self) -> None:
        """It ends by itself, since nobody is left at the other end."""

    def give_up(self, why: str) -> None:
        kill_session(self._process.pid)


class _SharedProcess:
    """A child of the supervisor, known by a descriptor (pidfd_open(2)), which can be read once it has ended."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._end: asyncio.Future[str] = self._loop.create_future()
        self._loop.add_reader(descriptor, self._conclude, "it has ended")

    async def ended(self) -> str:
        return await asyncio.shield(self._end)

    def leave(self) -> None:
        self._conclude("the gate stops")

    def give_up(self, why: str) -> None:
        self._conclude(why)

    def _conclude(self, why: str) -> None:
        if not self._end.done():
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
            self._end.set_result(why)


class ForkedProcess:
    """A process that the template has forked: what it takes, what it says, and its last words."""

    def __init__(self, template: Template, pid: int) -> None:
        self._template = template
        self._is_gone = False
        self.pid = pid
        self.input = Input()
        self.output = asyncio.StreamReader()
        self.words = asyncio.StreamReader()
        self._transports: list[asyncio.BaseTransport] = []

    @classmethod
    async def connect(cls, template: Template, pid: int, to_it: int, output: int, words: int) -> Self:
        """Take over these ends of its pipes."""
        forked, loop = cls(template, pid), asyncio.get_running_loop()
        transport, _ = await loop.connect_write_pipe(lambda: forked.input, os.fdopen(to_it, "wb", 0))
        forked._transports.append(transport)
        for reader, descriptor in ((forked.output, output), (forked.words, words)):
            source, _ = await loop.connect_read_pipe(
                partial(asyncio.StreamReaderProtocol, reader), os.fdopen(descriptor, "rb", 0)
            )
            forked._transports.append(source)
        return forked

    def kill(self) -> None:
        """End it now, and whatever it has started; nothing happens once it was reaped."""
        if not self._is_gone:
            kill_session(self.pid)

    def lose(self) -> None:
        """End it now, and signal it never again: from now on its id is kept by nobody."""
        self.kill()
        self._is_gone = True

    async def end(self) -> int:
        """See it gone: it is killed if it does not end by itself just now. Gives its exit status."""
        self.input.close()
        self.kill()
        self._is_gone = True  # its id is its own until it is reaped, and nobody signals it after that
        return await self._template.reap(self)

    def disconnect(self) -> None:
        """Read nothing more of what it has said."""
        for transport in self._transports:
            transport.close()


async def _end(forked: ForkedProcess) -> None:
    await forked.end()
    forked.disconnect()


class Input(asyncio.BaseProtocol):
    """What a process reads from: written to as it has room."""

    def __init__(self) -> None:
        self._transport: asyncio.WriteTransport | None = None
        self._room = asyncio.Event()
        self._room.set()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It can be written to."""
        self._transport = cast("asyncio.WriteTransport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        """It cannot be written to any more."""
        self._transport = None
        self._room.set()

    def pause_writing(self) -> None:
        """There is no room."""
        self._room.clear()

    def resume_writing(self) -> None:
        """There is room again."""
        self._room.set()

    def write(self, message: bytes | memoryview) -> None:
        """Write, as soon as there is room; what the process closed takes nothing any more."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(message)

    async def room(self) -> None:
        """Wait for room. Raises `BrokenPipeError` if nothing can be written any more."""
        await self._room.wait()
        if self._transport is None or self._transport.is_closing():
            raise BrokenPipeError

    def close(self) -> None:
        """Write what there is still to write, and then no more."""
        if self._transport is not None:
            self._transport.close()


def _close(descriptors: Sequence[int]) -> None:
    for each in descriptors:
        os.close(each)
