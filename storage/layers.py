"""What inspecting a layer gave, by layer digest: paid once for every image that has the layer."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from scanning.documents import decode, encode
from scanning.errors import InvalidContentError
from scanning.facts import FACTS_VERSION, LayerFacts
from scanning.oci.digest import Digest
from storage import documents
from storage.database import Transaction
from storage.errors import StorageError
from storage.printable import printable
from storage.schema import documents as documents_table
from storage.schema import layers
from storage.upsert import insert

_LONGEST_REASON = 4096


@dataclass(frozen=True, slots=True)
class LayerRefusal:
    """A layer that cannot be read, and why: a sentence for a person."""

    digest: Digest
    reason: str


async def record_facts(tx: Transaction, facts: LayerFacts, now: datetime) -> None:
    """Keep the facts of a layer, in place of what was known of it."""
    document = await documents.put(tx, await asyncio.to_thread(encode, facts))
    found = {"facts": str(document), "refusal": None, "inspected_at": now}
    await tx.execute(
        insert(tx, layers)
        .values(digest=str(facts.digest), version=facts.version, **found)
        .on_conflict_do_update(index_elements=list(layers.primary_key), set_=found)
    )


async def record_refusal(tx: Transaction, digest: Digest, reason: str, now: datetime) -> None:
    """Keep why a layer cannot be read, unless something is known of it: whoever could read it, was right."""
    await tx.execute(
        insert(tx, layers)
        .values(
            digest=str(digest),
            version=FACTS_VERSION,
            refusal=printable(reason, _LONGEST_REASON),
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


def _read(rows: Sequence[sa.Row[*tuple[Any, ...]]]) -> dict[Digest, LayerFacts | LayerRefusal]:
    known: dict[Digest, LayerFacts | LayerRefusal] = {}
    for name, refusal, document, packed in rows:
        digest = Digest.parse(name)
        if document is None:
            known[digest] = LayerRefusal(digest, refusal)
        else:
            known[digest] = _facts(digest, documents.unpack(Digest.parse(document), packed))
    return known


def _facts(digest: Digest, document: bytes) -> LayerFacts:
    try:
        return decode(LayerFacts, document)
    except InvalidContentError as error:
        raise StorageError(
            f"what is on record for layer {digest} was written by another version of imagegate; run the newest one"
        ) from error
