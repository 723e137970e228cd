"""Old verdicts, facts of layers that nothing has any more, and the documents that only these named, are forgotten; and
manifests of remote registries that nobody asks for; and packages that no image was judged with for as long.

    mark      in one snapshot: which verdicts are kept, and which documents these and the rows of tables name
    sweep     verdicts, then layers, then documents: some at a time, each time in a transaction of its own; then
              manifests one by one, and what these leave the next time, those that an index listed included;
              then packages

A verdict is kept while it is young; while it is in force, that is the last one on a manifest on record or under one of
its tags; while a bill of materials is to be made of it; and while a verdict that is kept lists it as one of its images.
The last one of a manifest that can be pulled is thus always there, with all that it was made of.

Whatever goes on meanwhile is right:

- Who records a verdict makes it anew, with those of its images, and never names one that was there before.
- Who names a document puts it in the same transaction (`storage.documents`). What was recorded since the mark is looked
  at before each removal, while nobody can put any.
- The facts of a layer are read from it again by whoever misses them, and a manifest that is not on record is judged
  anew by whoever asks for it, whatever verdict there was.
- Packages of an image on record that are forgotten were seen, for that image, when its manifest was.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import Self

import sqlalchemy as sa

from scanning.oci.digest import Digest
from scanning.oci.names import Repository
from storage import audit, documents, layers, manifests, sightings, verdicts
from storage.batches import batches
from storage.database import Database, Transaction
from storage.layers import Known
from storage.schema import documents as documents_table
from storage.schema import layers as layers_table
from storage.schema import sboms
from storage.schema import verdicts as verdicts_table
from storage.verdicts import Made

_AT_ONCE = 200
_READ_AT_ONCE = 1000
_BRIEF_DIGITS = 15


@dataclass(frozen=True, slots=True)
class Bounds:
    """Verdicts made before `verdicts` may go, and packages surely not seen since (None: none may); facts of layers
    found before `layers`; manifests of repositories that are `remote` if nobody has asked for them since `manifests`
    (None: none may).
    """

    verdicts: datetime | None
    layers: datetime
    manifests: datetime | None = None
    remote: Callable[[Repository], bool] = lambda _: False


@dataclass(frozen=True, slots=True)
class Forgotten:
    """How many of each are gone."""

    verdicts: int = 0
    layers: int = 0
    documents: int = 0
    manifests: int = 0
    packages: int = 0

    def __bool__(self) -> bool:
        """Whether anything is."""
        return any(astuple(self))


async def forget(database: Database, bounds: Bounds) -> Forgotten:
    """Forget what nobody needs. Several processes may do so at once, and everything else go on.

    Raises the `StorageError` family; what was done until then is right.
    """
    mark = await _mark(database, bounds)
    verdicts_gone = layers_gone = documents_gone = 0
    for numbers in batches(mark.verdicts, _AT_ONCE):
        async with database.transaction() as tx:
            verdicts_gone += await verdicts.forget(tx, numbers)
    for some in batches(mark.layers, _AT_ONCE):
        async with database.transaction() as tx:
            layers_gone += await layers.forget(tx, some, bounds.layers)
    seen = mark.seen
    for digests in batches(mark.documents, _AT_ONCE):
        async with database.transaction() as tx:
            await documents.wait_for_puts(tx)
            seen = await _named_since(tx, seen, mark.named)
            unnamed = [digest for digest in digests if digest not in mark.named]
            documents_gone += await documents.forget(tx, unnamed)
    manifests_gone = 0
    for repository, digest, before in await _unasked(database, bounds):
        async with database.transaction() as tx:  # of its own: who records several waits for none that waits for them
            manifests_gone += await manifests.forget_unasked(tx, repository, digest, before)
    packages_gone = await _forget_packages(database, bounds)
    return Forgotten(verdicts_gone, layers_gone, documents_gone, manifests_gone, packages_gone)


async def _forget_packages(database: Database, bounds: Bounds) -> int:
    gone, some = 0, _AT_ONCE
    while bounds.verdicts and some == _AT_ONCE:
        async with database.transaction() as tx:
            some = await sightings.forget_unseen(tx, bounds.verdicts, _AT_ONCE)
        gone += some
    return gone


async def preview(database: Database, bounds: Bounds) -> Forgotten:
    """What `forget` would forget now; nothing is changed."""
    mark = await _mark(database, bounds)
    manifests_unasked = await _unasked(database, bounds)
    async with database.snapshot() as tx:
        packages = await sightings.count_unseen(tx, bounds.verdicts) if bounds.verdicts else 0
    return Forgotten(len(mark.verdicts), len(mark.layers), len(mark.documents), len(manifests_unasked), packages)


async def _unasked(database: Database, bounds: Bounds) -> Sequence[tuple[Repository, Digest, datetime]]:
    before = bounds.manifests
    if before is None:
        return ()
    async with database.snapshot() as tx:
        found = await manifests.unasked(tx, before)
    return [(repository, digest, before) for repository, digest in found if bounds.remote(repository)]


class _Named:
    """The documents that something names, as numbers that take little room. Two documents in a number of billions have
    the same one: then one stays that could go.
    """

    def __init__(self) -> None:
        self._numbers: set[int] = set()

    def __contains__(self, digest: str) -> bool:
        return _number(digest) in self._numbers

    def add(self, *digests: str) -> None:
        self._numbers.update(map(_number, digests))

    def add_inputs(self, some: Iterable[Made]) -> None:
        for made in some:
            self.add(*map(str, made.inputs.documents))


@dataclass(frozen=True, slots=True)
class _Seen:
    """The newest verdict and the newest record of the audit at a moment at which nobody recorded one that names a
    document. Numbers are given before others see the row: at such a moment, all up to these can be seen.
    """

    verdict: int
    record: int

    @classmethod
    async def now(cls, tx: Transaction) -> Self:
        """Call it after `documents.wait_for_puts`, in the same transaction."""
        return cls(await verdicts.newest_number(tx), await audit.newest_number(tx))


@dataclass(frozen=True, slots=True)
class _Mark:
    """What may go, and what is named by what stays, up to what was `seen`."""

    verdicts: Sequence[int]
    layers: Sequence[Known]
    documents: Sequence[str]
    named: _Named
    seen: _Seen


async def _mark(database: Database, bounds: Bounds) -> _Mark:
    async with database.transaction() as tx:
        await documents.wait_for_puts(tx)
        seen = await _Seen.now(tx)
    named = _Named()
    async with database.snapshot() as tx:
        kept = await _kept_verdicts(tx, bounds.verdicts, named)
        old = await verdicts.older(tx, bounds.verdicts, seen.verdict) if bounds.verdicts else []
        unneeded: list[Known] = []
        async for known in layers.known(tx, bounds.layers):
            if not known.is_needed:
                unneeded.append(known)
            elif known.facts is not None:
                named.add(known.facts)
        for column in documents.REFERENCES:
            if column.table is not layers_table:
                rows = await tx.stream_scalars(sa.select(column).where(column.is_not(None)))
                async for some in rows.partitions(_READ_AT_ONCE):
                    named.add(*some)
        named.add(*await audit.policies(tx))
        rows = await tx.stream_scalars(sa.select(documents_table.c.digest))
        unnamed: list[str] = []
        async for some in rows.partitions(_READ_AT_ONCE):
            unnamed += [digest for digest in some if digest not in named]
    return _Mark([number for number, name in old if name not in kept], unneeded, unnamed, named, seen)


async def _named_since(tx: Transaction, seen: _Seen, named: _Named) -> _Seen:
    """Note what was named since `seen`; gives what is seen now. Call it after `documents.wait_for_puts`."""
    async for some in verdicts.made_of(tx, verdicts_table.c.number > seen.verdict):
        await asyncio.to_thread(named.add_inputs, some)
    named.add(*await audit.policies(tx, after=seen.record))
    return await _Seen.now(tx)


async def _kept_verdicts(tx: Transaction, before: datetime | None, named: _Named) -> set[str]:
    """The ids of verdicts that are kept; what they name is noted."""
    is_wanted = verdicts_table.c.id.in_(sa.select(sboms.c.verdict))
    is_young = verdicts_table.c.judged_at >= before if before else sa.true()
    kept: set[str] = set()
    listed: set[str] = set()
    async for some in verdicts.made_of(tx, sa.or_(is_young, verdicts.is_in_force(), is_wanted)):
        for made in some:
            kept.add(made.id)
            listed.update(made.inputs.children)
        await asyncio.to_thread(named.add_inputs, some)
    while listed := listed - kept:
        kept |= listed
        images = sorted(listed)
        listed = set()
        for ids in batches(images, _AT_ONCE):
            async for some in verdicts.made_of(tx, verdicts_table.c.id.in_(ids)):
                for made in some:
                    listed.update(made.inputs.children)
                await asyncio.to_thread(named.add_inputs, some)
    return kept


def _number(digest: str) -> int:
    return int(digest.partition(":")[2][:_BRIEF_DIGITS], 16)
