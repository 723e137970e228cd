"""Bills of materials to attach to images, recorded with the admission, so that none is lost; and which are attached."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from config.vocabulary import SbomFormat
from scanning.oci.digest import Digest
from scanning.oci.names import Repository
from storage.database import Transaction
from storage.schema import sboms
from storage.upsert import insert


@dataclass(frozen=True, slots=True)
class WantedSbom:
    """One to attach to the image `subject`, made of the facts that its `verdict` names. `replaces` is an older one.

    `attempts` have failed already; the next one is due at `retry_at`, or at once.
    """

    repository: Repository
    subject: Digest
    form: SbomFormat
    verdict: str
    facts: Digest
    replaces: Digest | None
    attempts: int = 0
    retry_at: datetime | None = None


async def want(
    tx: Transaction, repository: Repository, subject: Digest, form: SbomFormat, *, verdict: str, facts: Digest
) -> None:
    """An image that `storage.manifests` has on record was admitted. Nothing is wanted where one of these facts is
    attached already.
    """
    new = insert(tx, sboms).values(
        repository=str(repository), subject=str(subject), form=form, verdict=verdict, facts=str(facts)
    )
    is_attached = sa.and_(sboms.c.artifact.is_not(None), sboms.c.told == new.excluded.facts)
    await tx.execute(
        new.on_conflict_do_update(
            index_elements=list(sboms.primary_key),
            set_={
                "verdict": new.excluded.verdict,
                "facts": new.excluded.facts,
                "told": sa.null(),
                "attempts": 0,
                "retry_at": None,
            },
            where=sa.not_(is_attached),
        )
    )


async def waiting(tx: Transaction) -> tuple[WantedSbom, ...]:
    """All that are to be attached."""
    rows = await tx.execute(
        sa.select(sboms).where(sboms.c.told.is_(None)).order_by(sboms.c.repository, sboms.c.subject, sboms.c.form)
    )
    return tuple(
        WantedSbom(
            Repository(row.repository),
            Digest.parse(row.subject),
            SbomFormat(row.form),
            row.verdict,
            Digest.parse(row.facts),
            Digest.parse(row.artifact) if row.artifact else None,
            row.attempts,
            row.retry_at,
        )
        for row in rows
    )


async def settle(tx: Transaction, wanted: WantedSbom, artifact: Digest | None) -> bool:
    """`artifact` is attached, or (None) the policy refuses it; False where the image was deleted meanwhile."""
    done = await tx.execute(
        sa.update(sboms)
        .where(*_is(wanted))
        .values(told=str(wanted.facts), artifact=str(artifact) if artifact else None, attempts=0, retry_at=None)
    )
    return done.rowcount > 0


async def failed(tx: Transaction, wanted: WantedSbom, retry_at: datetime) -> None:
    """Attaching it failed once more, and is to be tried again."""
    await tx.execute(sa.update(sboms).where(*_is(wanted)).values(attempts=wanted.attempts + 1, retry_at=retry_at))


async def failing(tx: Transaction, attempts: int) -> int:
    """How many could not be attached in `attempts` attempts, and still are to be."""
    count = await tx.scalar(
        sa.select(sa.func.count()).select_from(sboms).where(sboms.c.told.is_(None), sboms.c.attempts >= attempts)
    )
    return count or 0


async def give_up(tx: Transaction, wanted: WantedSbom) -> None:
    """The policy wants it no more."""
    await tx.execute(sa.delete(sboms).where(*_is(wanted)))


async def attached_to(tx: Transaction, repository: Repository, subject: Digest) -> tuple[Digest, ...]:
    """The manifests that the gate has attached to an image."""
    found = await tx.scalars(
        sa.select(sboms.c.artifact)
        .where(sboms.c.repository == str(repository), sboms.c.subject == str(subject), sboms.c.artifact.is_not(None))
        .order_by(sboms.c.form)
    )
    return tuple(Digest.parse(one) for one in found)


def _is(wanted: WantedSbom) -> tuple[sa.ColumnElement[bool], ...]:
    return (
        sboms.c.repository == str(wanted.repository),
        sboms.c.subject == str(wanted.subject),
        sboms.c.form == wanted.form,
    )
