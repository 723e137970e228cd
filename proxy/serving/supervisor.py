"""Several serving processes behind one port: forked, replaced when they die, and ended together.

    supervisor: loads everything, opens the listening sockets, and waits for signals; no thread, no event loop
      +- template of the inspection workers of all seats
      +- seat 0   a whole gate on these sockets, which leads
      +- seat 1   another
         ...

So what is loaded is in memory once, a process that replaces another is a copy of the same clean one, and a connection
that waits to be accepted belongs to no process, and is lost with none.
"""

import gc
import os
import signal
import socket
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import structlog

from config.errors import ImagegateError
from config.settings import Settings
from proxy.inspection.shared_template import SharedEnd, SharedTemplate
from proxy.serving.board import Board
from proxy.serving.forks import fork
from proxy.serving.seats import Seat
from proxy.serving.worker import Inherited, work

_RESTART_SECONDS = 1.0
_LONGEST_RESTART_SECONDS = 30.0
_STEADY_SECONDS = 60.0
"""A process that lived so long is replaced at once however often others died before it."""
_KILL_AFTER_SECONDS = 10.0
_LOOK_SECONDS = 3600.0
"""How long to wait for a signal where nothing is to be done at any time."""
_HEARD = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
_log = structlog.get_logger(__name__)


class ServingError(ImagegateError):
    """No process serves."""


def supervise(settings: Settings, sockets: Sequence[socket.socket]) -> None:
    """Serve `sockets`, which are closed then, with as many processes as the settings say, until SIGTERM or SIGINT.

    SIGHUP goes to all of them. Call it where `fork` may be called. Raises `ServingError` if one cannot even start.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _HEARD)  # each is taken when it is waited for
    try:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)  # who was started with it ignored would never hear of an end
        gc.collect()
        gc.freeze()  # looking for garbage would make each process a copy of its own of what they share
        with tempfile.TemporaryDirectory(prefix="imagegate-") as folder:
            _Supervisor(settings, sockets, Path(folder)).run()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@dataclass(slots=True)
class _Post:
    """A seat, and the process in it: `process` is None until the next one is started, which is at `due`."""

    seat: Seat
    process: int | None = None
    due: float = 0.0
    started_at: float = 0.0
    pause: float = field(default=_RESTART_SECONDS)
    has_served: bool = False


class _Supervisor:
    def __init__(self, settings: Settings, sockets: Sequence[socket.socket], folder: Path) -> None:
        self._settings = settings
        self._sockets = sockets
        self._folder = folder
        self._board = Board(folder)
        self._posts = [_Post(Seat(number, settings.listen.workers)) for number in range(settings.listen.workers)]
        self._template: SharedTemplate | None = None
        self._lifeline, self._held = os.pipe()  # what this process holds is closed when it dies, and read as an end
        self._kill_at: float | None = None  # None: until it is told to stop
        self._failed = False

    def run(self) -> None:
        _log.info("supervising", processes=len(self._posts))
        try:
            while self._is_needed():
                self._start_due()
                told = signal.sigtimedwait(_HEARD, self._patience())
                if told is None:
                    self._kill_due()
                elif told.si_signo == signal.SIGHUP:
                    self._send(signal.SIGHUP)
                elif told.si_signo != signal.SIGCHLD:
                    self._stop()
                self._reap()
        finally:
            os.close(self._held)
            os.close(self._lifeline)
            if self._template is not None:
                self._template.close()
        if self._failed:
            raise ServingError("a serving process ended before it served, so the gate stops; its log says why")

    @property
    def _is_stopping(self) -> bool:
        return self._kill_at is not None

    def _is_needed(self) -> bool:
        return not self._is_stopping or any(post.process for post in self._posts)

    def _patience(self) -> float:
        """How long nothing has to be done."""
        dues = [post.due for post in self._posts if post.process is None] if self._kill_at is None else [self._kill_at]
        return max(0.0, min(dues, default=time.monotonic() + _LOOK_SECONDS) - time.monotonic())

    def _start_due(self) -> None:
        for post in self._posts:
            if post.process is None and not self._is_stopping and post.due <= time.monotonic():
                post.started_at = time.monotonic()
                template = self._end_of_template()
                try:
                    post.process = fork(partial(self._serve, post.seat, template))
                except OSError as error:
                    _log.error("a serving process cannot be started", seat=post.seat.number, problem=str(error))
                    self._vacate(post)
                finally:
                    if template is not None:
                        template.close()

    def _end_of_template(self) -> SharedEnd | None:
        """What a process needs of the template of inspection workers; None where there is none to be had, and it starts
        one of its own.
        """
        try:
            if self._template is None:
                self._template = SharedTemplate.start()
            return self._template.join()
        except OSError as error:
            _log.warning("a serving process shares no template of inspection workers", problem=str(error))
            return None

    def _serve(self, seat: Seat, template: SharedEnd | None) -> int:
        """What a process does that was forked."""
        os.close(self._held)
        if self._template is not None:
            self._template.forget()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to all; the supervisor passes it on
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # until it is listened to: it would end what only begins
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HEARD)
        return work(seat, self._settings, Inherited(self._sockets, self._folder, self._lifeline, template))

    def _reap(self) -> None:
        """See those gone that have ended. There may be strangers among them, left to the first process of a container
        by a process that was killed.
        """
        while True:
            try:
                process, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not process:
                return
            if self._template is not None and self._template.pid == process:
                _log.error(
                    "the template of inspection workers has ended, and each process starts one of its own",
                    status=os.waitstatus_to_exitcode(status),
                )
                self._template.close()
                self._template = None
            for post in self._posts:
                if post.process == process:
                    self._succeed(post, os.waitstatus_to_exitcode(status))

    def _succeed(self, post: _Post, status: int) -> None:
        """The process of `post` has ended: another one follows, unless the gate stops, or never worked."""
        post.process = None
        post.has_served = post.has_served or self._board.has(post.seat)
        try:
            self._board.clear(post.seat)
        except OSError as error:  # a full disk, say: no reason to stop serving
            _log.error("what a process had counted that has ended is lost", seat=post.seat.number, problem=str(error))
        if self._is_stopping:
            return
        if post.has_served:
            _log.error("a serving process has ended, and is replaced", seat=post.seat.number, status=status)
        self._vacate(post)

    def _vacate(self, post: _Post) -> None:
        """Have the next process start after a pause; where none has ever served, give up."""
        if not post.has_served:
            self._failed = True
            self._stop()
            return
        now = time.monotonic()
        if now - post.started_at >= _STEADY_SECONDS:
            post.pause = _RESTART_SECONDS
        post.due = now + post.pause
        post.pause = min(2 * post.pause, _LONGEST_RESTART_SECONDS)

    def _stop(self) -> None:
        """End all; told again, without waiting for what still runs."""
        if not self._is_stopping:
            for each in self._sockets:  # else a connection would be taken by the kernel, and by nobody after it
                each.close()
            listen = self._settings.listen
            patience = listen.drain_delay_seconds + listen.drain_seconds + _KILL_AFTER_SECONDS
            self._kill_at = time.monotonic() + patience
        self._send(signal.SIGTERM)

    def _kill_due(self) -> None:
        if self._kill_at is not None and self._kill_at <= time.monotonic():
            self._kill_at = time.monotonic() + _LOOK_SECONDS
            self._send(signal.SIGKILL)

    def _send(self, number: signal.Signals) -> None:
        for post in self._posts:
            if post.process is not None:  # it has not been waited for, so the number is still its own
                os.kill(post.process, number)
