"""Uploads between requests: where each stands, and who looks at its bytes.

Where an upload stands is sealed into its own address, so it survives a restart and any replica can go on with it.
Only the observer, which has half a layer inspected, belongs to one process; without it the layer is read back later.
"""

import asyncio
import json
import secrets
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Any

from cryptography.fernet import InvalidToken, MultiFernet

from proxy.clock import Clock
from proxy.registry.gatekeeper import Observer
from proxy.upstream.port import Upload, UploadUnknownError
from scanning.oci.names import Repository

LIFETIME_SECONDS = 24 * 3600
_MOST_OBSERVERS = 256


@dataclass(frozen=True, slots=True)
class Session:
    """One upload: whose it is and where it stands. `started_at` is in seconds since 1970."""

    id: str
    repository: Repository
    grant: str
    started_at: int
    upload: Upload

    def at(self, upload: Upload) -> "Session":
        """The same upload, further on."""
        return replace(self, upload=upload)


class UploadDesk:
    """Opens, seals and unseals sessions."""

    def __init__(self, cipher: MultiFernet, clock: Clock) -> None:
        self._cipher = cipher
        self._clock = clock

    def begin(self, repository: Repository, grant: str, upload: Upload) -> Session:
        """A session for a fresh upload."""
        return Session(secrets.token_hex(16), repository, grant, int(self._clock().timestamp()), upload)

    def location(self, session: Session) -> str:
        """Where the upload goes on, relative to this host."""
        fields = {
            "id": session.id,
            "repository": session.repository.name,
            "grant": session.grant,
            "started_at": session.started_at,
            "state": session.upload.state,
            "offset": session.upload.offset,
        }
        sealed = self._cipher.encrypt(json.dumps(fields, separators=(",", ":")).encode())
        return f"/v2/{session.repository}/blobs/uploads/{sealed.decode().rstrip('=')}"

    def find(self, sealed: str, repository: Repository, grant: str) -> Session:
        """The session of an address that was given to this grant for this repository (threat 18).

        Raises `UploadUnknownError`, the same for a forged address, an old one and somebody else's.
        """
        try:
            fields: dict[str, Any] = json.loads(self._cipher.decrypt(sealed + "=" * (-len(sealed) % 4)))
        except (InvalidToken, ValueError) as error:
            raise _unknown() from error
        age = self._clock().timestamp() - fields["started_at"]
        if (fields["repository"], fields["grant"]) != (repository.name, grant) or age > LIFETIME_SECONDS:
            raise _unknown()
        upload = Upload(fields["state"], fields["offset"])
        return Session(fields["id"], repository, grant, fields["started_at"], upload)


def _unknown() -> UploadUnknownError:
    return UploadUnknownError("there is no such upload of yours here (any more); start a new one")


@dataclass(frozen=True, slots=True)
class _Waiting:
    observer: Observer
    offset: int
    timer: asyncio.TimerHandle


class Observers:
    """Keeps the observers of uploads between their requests: some, and not for long.

    `begin` starts one, None when all are busy; after `idle` seconds without a request one is let go.
    """

    def __init__(self, begin: Callable[[], Awaitable[Observer | None]], idle: float) -> None:
        self._begin = begin
        self._idle = idle
        self._waiting: OrderedDict[str, _Waiting] = OrderedDict()
        self._leaving: set[asyncio.Task[None]] = set()

    async def take(self, session: Session) -> Observer | None:
        """Who has seen everything up to where `session` stands; None if nobody has."""
        waiting = self._waiting.pop(session.id, None)
        if waiting is None:
            return await self._begin() if session.upload.offset == 0 else None
        waiting.timer.cancel()
        if waiting.offset == session.upload.offset:
            return waiting.observer
        self._let_go(waiting.observer)
        return None

    def keep(self, session: Session, observer: Observer | None) -> None:
        """Let `observer` wait for the next request of `session`."""
        if observer is None:
            return
        self._drop(session.id)
        timer = asyncio.get_running_loop().call_later(self._idle, self._drop, session.id)
        self._waiting[session.id] = _Waiting(observer, session.upload.offset, timer)
        while len(self._waiting) > _MOST_OBSERVERS:
            self._drop(next(iter(self._waiting)))

    def forget(self, session: Session) -> None:
        """The upload is over."""
        self._drop(session.id)

    async def close(self) -> None:
        """Let all go, and wait until they have gone."""
        for name in list(self._waiting):
            self._drop(name)
        await asyncio.gather(*self._leaving)

    def _drop(self, name: str) -> None:
        waiting = self._waiting.pop(name, None)
        if waiting is not None:
            waiting.timer.cancel()
            self._let_go(waiting.observer)

    def _let_go(self, observer: Observer) -> None:
        task = asyncio.ensure_future(observer.abandon())
        self._leaving.add(task)
        task.add_done_callback(self._leaving.discard)
