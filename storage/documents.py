"""Documents by digest: what verdicts were made of. Never changed, so that a verdict can be made again.

Whoever needs a document puts it in the transaction in which something comes to name it, also where it is there already:
then none is forgotten (`storage.forgetting`) that somebody is about to name.
"""

import asyncio
import zlib
from collections.abc import Collection

import sqlalchemy as sa
from isal import isal_zlib

from scanning.oci.digest import Digest
from storage.database import Transaction
from storage.errors import StorageError
from storage.locks import serialise, share
from storage.schema import approvals, documents, layers, manifests, tag_packages
from storage.upsert import insert

_LEVEL = 1
"""Facts shrink to a sixth already; more effort gains little. It is zlib's format, in a fifth of zlib's time."""
_LOCK = "documents"
REFERENCES: tuple[sa.Column[str], ...] = (
    layers.c.facts,
    manifests.c.facts,
    tag_packages.c.packages,
    approvals.c.content,
)
"""The columns that name documents, besides what verdicts name."""


async def put(tx: Transaction, body: bytes, algorithm: str = "sha256") -> Digest:
    """Keep a document; gives its digest. One that is there already stays as it is."""
    digest, packed = await asyncio.to_thread(_pack, body, algorithm)
    await share(tx, _LOCK)
    await tx.execute(insert(tx, documents).values(digest=str(digest), body=packed).on_conflict_do_nothing())
    return digest


async def get(tx: Transaction, digest: Digest) -> bytes | None:
    """A document's bytes, None if it is not there. Raises `StorageError` if they are damaged."""
    packed = await tx.scalar(sa.select(documents.c.body).where(documents.c.digest == str(digest)))
    return None if packed is None else await asyncio.to_thread(unpack, digest, packed)


async def wait_for_puts(tx: Transaction) -> None:
    """Wait for all who put documents, and let nobody put one until this transaction ends."""
    await serialise(tx, _LOCK)


async def forget(tx: Transaction, digests: Collection[str]) -> int:
    """Remove those of `digests` that no row refers to; gives how many. Call it after `wait_for_puts`, in the same
    transaction, with what no verdict names.
    """
    needed = sa.union_all(*(sa.select(column).where(column.in_(digests)) for column in REFERENCES))
    gone = await tx.execute(
        sa.delete(documents).where(documents.c.digest.in_(digests), documents.c.digest.not_in(needed))
    )
    return gone.rowcount


def unpack(digest: Digest, packed: bytes) -> bytes:
    """The document in a row of the table. Raises `StorageError` if it is not the one its digest names."""
    try:
        body = zlib.decompress(packed)
    except zlib.error as error:
        raise _damaged(digest) from error
    if not digest.matches(body):
        raise _damaged(digest)
    return body


def _pack(body: bytes, algorithm: str) -> tuple[Digest, bytes]:
    return Digest.of(body, algorithm), isal_zlib.compress(body, _LEVEL)


def _damaged(digest: Digest) -> StorageError:
    return StorageError(f"the document {digest} is damaged in the database; restore the database from a backup")
