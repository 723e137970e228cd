"""What inspecting a layer gave, by layer digest: paid once for every image that has the layer."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

import sqlalchemy as sa

from scanning.documents import decode, encode
from scanning.errors import InvalidContentError
from scanning.facts import FACTS_VERSION, LayerFacts, LayerRefusal
from scanning.oci.digest import Digest
from storage import documents
from storage.database import Transaction
from storage.errors import StorageError
from storage.printable import printable
from storage.schema import documents as documents_table
from storage.schema import layers, manifest_blobs, registry_blobs
from storage.upsert import insert

_LONGEST_REASON = 4096

Found = TypeVar("Found", LayerFacts, LayerRefusal)


async def record_facts(tx: Transaction, facts: LayerFacts, now: datetime) -> None:
    """Keep the facts of a layer, in place of what was known of it."""
    document = await documents.put(tx, await asyncio.to_thread(encode, facts))
    found = {"facts": str(document), "refusal": None, "inspected_at": now}
    await tx.execute(
        insert(tx, layers)
        .values(digest=str(facts.digest), version=facts.version, **found)
        .on_conflict_do_update(index_elements=list(layers.primary_key), set_=found)
    )


async def record_refusal(tx: Transaction, refusal: LayerRefusal, now: datetime) -> None:
    """Keep why a layer cannot be read, unless something is known of it: whoever could read it, was right."""
    shown = replace(
        refusal,
        reason=printable(refusal.reason, _LONGEST_REASON),
        entry=printable(refusal.entry, _LONGEST_REASON),
    )
    await tx.execute(
        insert(tx, layers)
        .values(
            digest=str(refusal.digest),
            version=FACTS_VERSION,
            refusal=encode(shown).decode(),
            inspected_at=now,
        )
        .on_conflict_do_nothing()
    )


async def find(tx: Transaction, digests: Iterable[Digest]) -> dict[Digest, LayerFacts | LayerRefusal]:
    """What is known of each of these layers, as today's inspection (`FACTS_VERSION`) sees it; no more."""
    rows = await tx.execute(
        sa.select(layers.c.digest, layers.c.refusal, layers.c.facts, documents_table.c.body)
        .outerjoin(documents_table)
        .where(layers.c.version == FACTS_VERSION, layers.c.digest.in_([str(digest) for digest in digests]))
    )
    return await asyncio.to_thread(_read, rows.all())


@dataclass(frozen=True, slots=True)
class Known:
    """One inspection of a layer that is on record, and the document of its facts, where it has any."""

    digest: str
    version: int
    facts: str | None
    is_needed: bool


async def known(tx: Transaction, before: datetime) -> AsyncIterator[Known]:
    """Every inspection. One is needed that was made since `before`, or that is of today's version and of a layer that a
    manifest refers to or the embedded registry holds.
    """
    old = sa.select(layers.c.digest).where(layers.c.inspected_at < before)
    used = sa.select(manifest_blobs.c.blob), sa.select(registry_blobs.c.digest)
    unused = frozenset(await tx.scalars(sa.except_(old, *used)))
    rows = await tx.stream(sa.select(layers.c.digest, layers.c.version, layers.c.facts, layers.c.inspected_at))
    async for row in rows:
        is_used = row.digest not in unused and row.version >= FACTS_VERSION
        yield Known(row.digest, row.version, row.facts, is_used or row.inspected_at >= before)


async def forget(tx: Transaction, some: Iterable[Known], before: datetime) -> int:
    """Remove what an inspection found, unless it was made anew since `before`; gives how many there were."""
    gone = 0
    for one in some:
        found = await tx.execute(
            sa.delete(layers).where(
                layers.c.digest == one.digest, layers.c.version == one.version, layers.c.inspected_at < before
            )
        )
        gone += found.rowcount
    return gone


def _read(rows: Sequence[sa.Row[*tuple[Any, ...]]]) -> dict[Digest, LayerFacts | LayerRefusal]:
    known: dict[Digest, LayerFacts | LayerRefusal] = {}
    for name, refusal, document, packed in rows:
        digest = Digest.parse(name)
        if document is None:
            known[digest] = _decoded(LayerRefusal, digest, refusal.encode())
        else:
            known[digest] = _decoded(LayerFacts, digest, documents.unpack(Digest.parse(document), packed))
    return known


def _decoded(kind: type[Found], digest: Digest, document: bytes) -> Found:
    try:
        return decode(kind, document)
    except InvalidContentError as error:
        raise StorageError(
            f"what is on record for layer {digest} was written by another version of imagegate; run the newest one"
        ) from error
