"""What inspecting a layer gave, by layer digest: paid once for every image that has the layer."""

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import replace
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
from storage.schema import layers
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
