"""An administrator writes the policy file through the gate: checked, never over what somebody else wrote meanwhile, and
audited. Every process that serves takes it up by itself (`PolicyFile`).
"""

import asyncio
import socket
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

from config.errors import ConfigurationError
from config.policy import Policy
from config.settings import Settings
from config.yaml_source import read_text_file
from proxy.errors import BadRequestError, ConflictError, PreconditionFailedError
from proxy.gate.policy import PolicyFile, PolicyFileError, WrittenPolicy, digest_on_disk, write_policy
from proxy.identity.administrator import Administrator
from scanning.oci.digest import Digest
from storage import audit
from storage.audit import AuditRecord, Event
from storage.database import Database

Act: TypeAlias = tuple[Event, Callable[[Policy], str]]
"""What somebody does to the policy, and how the audit says it of the new one."""
_NOTHING = Digest.of(b"")


async def replace_policy(
    database: Database, path: Path, new: WrittenPolicy, expected: Digest | None, by: Administrator, now: datetime
) -> None:
    """Write the text of `new` to the policy file, if what is there, be it broken, has the digest `expected` (None:
    whatever it has).

    Raises `PreconditionFailedError` where another text is there, and `ConflictError` where the file is not the gate's
    to write.
    """
    async with database.turn("policy file"):
        old = await asyncio.to_thread(digest_on_disk, path)
        _check(old, expected)
        detail = f"{path}: {'nothing' if old == _NOTHING else old} -> {new.digest}"
        await _write(database, path, new, by.record(now, Event.POLICY_WRITTEN, digest=str(new.digest), detail=detail))


def left_elsewhere(path: Path, settings: Settings) -> tuple[str, ...]:
    """What to tell whoever wrote the policy file at `path` here, where other machines may have files of their own."""
    if not settings.may_have_replicas:
        return ()
    said = (
        f"it is written to {path} on {socket.gethostname()}; other gates on this database go by their own files, so"
        " give each of them that has another the same text"
    )
    return (said,)


async def change_policy(
    database: Database,
    path: Path,
    change: Callable[[str], WrittenPolicy],
    expected: Digest | None,
    act: Act,
    by: Administrator,
    now: datetime,
) -> WrittenPolicy:
    """Write what `change` makes of the text of the policy file, if that has the digest `expected` (None: whatever it
    has). Nothing is written or recorded where it changes nothing.

    Gives the new policy. Raises as `change` and `replace_policy` do.
    """
    async with database.turn("policy file"):
        try:
            text = await asyncio.to_thread(read_text_file, path)
        except ConfigurationError as error:
            raise ConflictError(f"there is no policy to change: {error}") from error
        old = Digest.of(text.encode())
        _check(old, expected)
        new = await asyncio.to_thread(change, text)
        if new.text != text:
            event, said = act
            detail = f"{said(new.policy)}; {path}: {old} -> {new.digest}"
            await _write(database, path, new, by.record(now, event, digest=str(new.digest), detail=detail))
        return new


async def read_sent(desk: PolicyFile, text: str) -> WrittenPolicy:
    """A policy that somebody sent. Raises `BadRequestError` with every mistake in it, each with its line."""
    try:
        return await desk.read_sent(text)
    except ConfigurationError as error:
        raise BadRequestError(f"this is no policy: {'; '.join(map(str, error.problems))}") from error


async def _write(database: Database, path: Path, new: WrittenPolicy, record: AuditRecord) -> None:
    async with database.transaction() as tx:
        await audit.append(tx, record)
        try:
            await asyncio.to_thread(write_policy, path, new.text)
        except PolicyFileError as error:
            raise ConflictError(str(error)) from error


def _check(old: Digest, expected: Digest | None) -> None:
    if expected is not None and old != expected:
        raise PreconditionFailedError(
            f"the policy has changed since you read it: it is {'gone' if old == _NOTHING else old} now, and you have"
            f" changed {expected}; read it again, and make your change there"
        )
