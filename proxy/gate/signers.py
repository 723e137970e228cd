"""An administrator says whose signatures count, and where, on the record: in the text of the policy file, which stays
as it was written otherwise.

Every process that serves takes the new policy up by itself (`PolicyFile`).
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from config.errors import ConfigurationError
from config.patterns import RepositoryPattern
from config.policy import Policy, Signer
from config.policy_file import load_policy
from config.policy_signers import (
    SignerChangeError,
    UnknownSignerError,
    counting,
    counting_nobody,
    with_signer,
    without_signer,
)
from proxy.errors import ConflictError, NotFoundError
from proxy.gate.policy import WrittenPolicy, written_policy
from proxy.gate.policy_writing import change_policy
from proxy.identity.administrator import Administrator
from scanning.oci.digest import Digest
from scanning.signatures.keys import load_key
from storage.audit import Event
from storage.database import Database

_SHOWN = 16
_MOST_NAMED = 8


@dataclass(frozen=True, slots=True)
class WantedSigner:
    """Whose signatures are to count in the rules with these patterns; `signer` is None for one that is known there."""

    name: str
    signer: Signer | None
    repositories: tuple[RepositoryPattern, ...]


async def trust(
    database: Database, path: Path, wanted: WantedSigner, expected: Digest | None, by: Administrator, now: datetime
) -> WrittenPolicy:
    """Add a signer to the policy file, or to more of its rules, if its text has the digest `expected` (None: whatever
    it has).

    Gives the new policy. Raises `ConflictError` where that cannot be, and `PreconditionFailedError`.
    """

    def change(text: str) -> WrittenPolicy:
        with_it = with_signer(text, str(path), wanted.name, wanted.signer, wanted.repositories)
        return written_policy(with_it, str(path))

    where = ", ".join(map(str, wanted.repositories))

    def said(new: Policy) -> str:
        fingerprint = load_key(new.signers[wanted.name].key).fingerprint
        return f"signer {wanted.name} (key {fingerprint[:_SHOWN]}…) counts for {where}"

    return await change_policy(database, path, _one_family(change), expected, (Event.SIGNER_ADDED, said), by, now)


@dataclass(frozen=True, slots=True)
class Distrusted:
    """The policy without a signer, and what to tell whoever took it out."""

    written: WrittenPolicy
    warnings: tuple[str, ...]


async def distrust(
    database: Database, path: Path, name: str, expected: Digest | None, by: Administrator, now: datetime
) -> Distrusted:
    """Take a signer out of the policy file and out of all of its rules, as `trust` adds one.

    The last one of a rule goes as well: a key that has leaked must not wait for the next. Raises `NotFoundError` if
    there is none, `ConflictError` where some would be left but fewer than a rule asks for, and
    `PreconditionFailedError`.
    """

    concerned: tuple[RepositoryPattern, ...] = ()

    def change(text: str) -> WrittenPolicy:
        nonlocal concerned
        new = written_policy(without_signer(text, str(path), name), str(path))
        concerned = counting(load_policy(text, str(path)), name)
        return new

    said = f"signer {name}"
    new = await change_policy(
        database, path, _one_family(change), expected, (Event.SIGNER_REMOVED, lambda _: said), by, now
    )
    return Distrusted(new, _warnings(counting_nobody(new.policy, concerned, now)))


def as_document(policy: Policy, name: str, now: datetime) -> dict[str, Any]:
    """A signer of `policy` as JSON for programs: what /api/v1/signers and `imagegate signer list --json` give."""
    signer = policy.signers[name]
    return {
        "name": name,
        "key": signer.key,
        "fingerprint": load_key(signer.key).fingerprint,
        "not_after": signer.not_after.isoformat() if signer.not_after else None,
        "trusted": not signer.has_ended(now),
        "repositories": list(map(str, counting(policy, name))),
    }


def _warnings(patterns: Iterable[RepositoryPattern]) -> tuple[str, ...]:
    found = tuple(map(str, patterns))
    if not found:
        return ()
    where = ", ".join(found[:_MOST_NAMED]) + (f" and {len(found) - _MOST_NAMED} more" if found[_MOST_NAMED:] else "")
    said = (
        f"nobody's signatures count for {where} any more: what needs some there waits or is refused until another"
        " signer is added"
    )
    return (said,)


def _one_family(change: Callable[[str], WrittenPolicy]) -> Callable[[str], WrittenPolicy]:
    def changed(text: str) -> WrittenPolicy:
        try:
            return change(text)
        except UnknownSignerError as error:
            raise NotFoundError(str(error)) from error
        except SignerChangeError as error:
            raise ConflictError(str(error)) from error
        except ConfigurationError as error:
            raise ConflictError(f"the policy file is broken, so nothing is changed in it: {error}") from error

    return changed
