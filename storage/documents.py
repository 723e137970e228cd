"""Documents by digest: what verdicts were made of. Never changed, so that a verdict can be made again."""

import asyncio
import zlib

import sqlalchemy as sa

from scanning.oci.digest import Digest
from storage.database import Transaction
from storage.errors import StorageError
from storage.schema import documents
from storage.upsert import insert

_LEVEL = 3
"""Facts shrink to a tenth already; more effort gains little."""


async def put(tx: Transaction, body: bytes, algorithm: str = "sha256") -> Digest:
    """Keep a document; gives its digest. One that is there already stays as it is."""
    digest, packed = await asyncio.to_thread(_pack, body, algorithm)
    await tx.execute(insert(tx, documents).values(digest=str(digest), body=packed).on_conflict_do_nothing())
    return digest


async def get(tx: Transaction, digest: Digest) -> bytes | None:
    """A document's bytes, None if it is not there. Raises `StorageError` if they are damaged."""
    packed = await tx.scalar(sa.select(documents.c.body).where(documents.c.digest == str(digest)))
    return None if packed is None else await asyncio.to_thread(unpack, digest, packed)


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
    return Digest.of(body, algorithm), zlib.compress(body, _LEVEL)


def _damaged(digest: Digest) -> StorageError:
    return StorageError(f"the document {digest} is damaged in the database; restore the database from a backup")
