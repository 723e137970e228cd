"""What was decided lately, for whoever may read it: by outcome, and what waits in quarantine."""

from dataclasses import dataclass

from proxy.identity.principal import Principal
from scanning.oci.names import Repository
from scanning.verdict import Outcome, Verdict
from storage import held_tags, verdicts
from storage.database import Database
from storage.held_tags import Held

_AT_ONCE = 1000
_MOST_LOOKED_AT = 20_000
"""Verdicts of others that one request passes over: there may be millions, and who asks may read few repositories."""


@dataclass(frozen=True, slots=True)
class SomeVerdicts:
    """Verdicts, the newest first; `older` is the id to go on from, "" where there are no more."""

    verdicts: tuple[Verdict, ...]
    older: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """A tag that waits in quarantine, and the last verdict on what it waits for."""

    held: Held
    verdict: Verdict | None


async def newest(
    database: Database,
    principal: Principal,
    *,
    repository: Repository | None = None,
    outcome: Outcome | None = None,
    before: str = "",
    limit: int,
) -> SomeVerdicts:
    """The newest verdicts that `principal` may read, older than the one with the id `before`: fewer than `limit`, or
    none, though there are older ones, where too many of others lie between.
    """
    if repository is not None and not principal.reads(repository):
        return SomeVerdicts((), "")
    wanted: list[str] = []
    last, has_more, looked_at = before, True, 0
    async with database.snapshot() as tx:
        while has_more and len(wanted) < limit and looked_at < _MOST_LOOKED_AT:
            looked_at += _AT_ONCE
            some = await verdicts.list_newest_ids(
                tx, repository=repository, outcome=outcome, limit=_AT_ONCE, before=last or None
            )
            has_more = len(some) == _AT_ONCE
            for place, (verdict_id, of) in enumerate(some, start=1):
                last = verdict_id
                if principal.reads(of):
                    wanted.append(verdict_id)
                if len(wanted) == limit:
                    has_more = has_more or place < len(some)
                    break
        return SomeVerdicts(await verdicts.get_many(tx, wanted), last if has_more else "")


async def read(database: Database, principal: Principal, verdict_id: str) -> Verdict | None:
    """A verdict by its id; None where there is none, or its repository is not theirs to see."""
    async with database.snapshot() as tx:
        verdict = await verdicts.get(tx, verdict_id)
    return verdict if verdict is not None and principal.reads(Repository(verdict.repository)) else None


async def waiting(database: Database, principal: Principal, limit: int) -> tuple[tuple[Waiting, ...], int]:
    """The newest `limit` tags that wait in repositories that `principal` may read, and how many there are of all."""
    async with database.snapshot() as tx:
        held = [one for one in await held_tags.newest(tx) if principal.reads(one.repository)]
        wanted = {(one.repository, one.digest) for one in held[:limit]}
        last = await verdicts.latest_of_many(tx, wanted) if wanted else {}
    return tuple(Waiting(one, last.get((one.repository, one.digest))) for one in held[:limit]), len(held)
