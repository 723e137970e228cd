"""An administrator writes the policy file through the gate: checked, never over what somebody else wrote meanwhile, and
audited. Every process that serves takes it up by itself (`PolicyFile`).
"""

import asyncio
from datetime import datetime
from pathlib import Path

from config.errors import ConfigurationError
from config.yaml_source import read_text_file
from proxy.errors import BadRequestError, ConflictError, PreconditionFailedError
from proxy.gate.policy import PolicyFile, PolicyFileError, WrittenPolicy, write_policy
from proxy.identity.administrator import Administrator
from scanning.oci.digest import Digest
from storage import audit
from storage.audit import Event
from storage.database import Database


async def replace_policy(
    database: Database, path: Path, new: WrittenPolicy, expected: Digest | None, by: Administrator, now: datetime
) -> None:
    """Write the text of `new` to the policy file, if the one there has the digest `expected` (None: whatever it has).

    Raises `PreconditionFailedError` where another text is there, and `ConflictError` where the file is not the gate's
    to write.
    """
    async with database.turn("policy file"):
        old = await asyncio.to_thread(_digest_of, path)
        if expected is not None and old != expected:
            raise PreconditionFailedError(
                f"the policy has changed since you read it: it is {old or 'gone'} now, and you have changed {expected};"
                " read it again, and make your change there"
            )
        digest = str(new.digest)
        detail = f"{path}: {old or 'nothing'} -> {digest}"
        async with database.transaction() as tx:
            await audit.append(tx, by.record(now, Event.POLICY_WRITTEN, digest=digest, detail=detail))
            try:
                await asyncio.to_thread(write_policy, path, new.text)
            except PolicyFileError as error:
                raise ConflictError(str(error)) from error


async def read_sent(desk: PolicyFile, text: str) -> WrittenPolicy:
    """A policy that somebody sent. Raises `BadRequestError` with every mistake in it, each with its line."""
    try:
        return await desk.read_sent(text)
    except ConfigurationError as error:
        raise BadRequestError(f"this is no policy: {'; '.join(map(str, error.problems))}") from error


def _digest_of(path: Path) -> Digest | None:
    """The digest of the text that is there, whether or not it is a policy."""
    try:
        return Digest.of(read_text_file(path).encode())
    except ConfigurationError:
        return None
