"""Documents, and what is known of layers."""

import zlib
from dataclasses import replace

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from scanning.facts import FACTS_VERSION, LayerRefusal
from scanning.oci.digest import Digest
from storage import documents, layers, schema
from storage.database import Database
from storage.errors import StorageError
from storage.printable import printable
from tests.storage.values import LATER, NOW, digest, layer_facts


async def test_a_document_is_found_by_its_digest(database: Database) -> None:
    body = b"\0 any bytes \xff" * 1000
    async with database.transaction() as tx:
        kept = await documents.put(tx, body)
        assert await documents.put(tx, body) == kept

    async with database.snapshot() as tx:
        assert kept.matches(body)
        assert await documents.get(tx, kept) == body
        assert await documents.get(tx, digest("another")) is None


@pytest.mark.parametrize("body", [b"", b"{}", bytes(range(256)) * 5000])
async def test_a_document_is_kept_in_the_format_of_zlib_and_any_writer_of_it_is_read(
    database: Database, body: bytes
) -> None:
    other = body + b"\n"
    async with database.transaction() as tx:
        kept = await documents.put(tx, body)
        await tx.execute(sa.insert(schema.documents).values(digest=str(Digest.of(other)), body=zlib.compress(other, 9)))

    async with database.snapshot() as tx:
        stored = await tx.scalar(sa.select(schema.documents.c.body).where(schema.documents.c.digest == str(kept)))
        assert stored is not None
        assert zlib.decompress(stored) == body
        assert await documents.get(tx, Digest.of(other)) == other


@pytest.mark.parametrize("stored", [b"not compressed", zlib.compress(b"something else")])
async def test_a_document_that_was_changed_is_not_given_out(database: Database, stored: bytes) -> None:
    async with database.transaction() as tx:
        await tx.execute(sa.insert(schema.documents).values(digest=str(digest("policy")), body=stored))

    with pytest.raises(StorageError, match="is damaged"):
        async with database.snapshot() as tx:
            await documents.get(tx, digest("policy"))


async def test_facts_and_refusals_are_found_by_layer(database: Database) -> None:
    facts = layer_facts("readable", files=5000)
    async with database.transaction() as tx:
        await layers.record_facts(tx, facts, NOW)
        await layers.record_refusal(tx, LayerRefusal(digest("unreadable"), "bad header\x1b[2J", "a\nb", 512), NOW)

    async with database.snapshot() as tx:
        wanted = [digest("readable"), digest("unreadable"), digest("never seen")]
        assert await layers.find(tx, wanted) == {
            digest("readable"): facts,
            digest("unreadable"): LayerRefusal(digest("unreadable"), r"bad header\x1b[2J", r"a\nb", 512),
        }
        assert await layers.find(tx, []) == {}


async def test_whoever_could_read_a_layer_was_right(database: Database) -> None:
    facts = layer_facts("layer")
    async with database.transaction() as tx:
        await layers.record_refusal(tx, LayerRefusal(facts.digest, "cut short"), NOW)
        await layers.record_facts(tx, facts, LATER)
        await layers.record_refusal(tx, LayerRefusal(facts.digest, "cut short"), LATER)

    async with database.snapshot() as tx:
        assert await layers.find(tx, [facts.digest]) == {facts.digest: facts}


async def test_what_an_older_inspection_found_does_not_count(database: Database) -> None:
    async with database.transaction() as tx:
        await layers.record_facts(tx, replace(layer_facts("layer"), version=FACTS_VERSION - 1), NOW)

    async with database.snapshot() as tx:
        assert await layers.find(tx, [digest("layer")]) == {}


async def test_facts_that_cannot_be_read_are_an_error_and_not_missing(database: Database) -> None:
    async with database.transaction() as tx:
        kept = await documents.put(tx, b'{"unknown": "fields"}')
        row = {"digest": str(digest("layer")), "version": FACTS_VERSION, "facts": str(kept), "inspected_at": NOW}
        await tx.execute(sa.insert(schema.layers).values(row))

    with pytest.raises(StorageError, match="another version"):
        async with database.snapshot() as tx:
            await layers.find(tx, [digest("layer")])


@given(st.text(st.characters(exclude_categories=()), max_size=40), st.integers(2, 30))
def test_t82_what_is_kept_of_foreign_text_is_printable_and_bounded(text: str, limit: int) -> None:
    kept = printable(text, limit)

    assert kept.isprintable()
    assert len(kept) <= limit
    kept.encode()  # a lone surrogate would raise here, and in a driver
    assert printable(kept, limit) == kept


@given(st.text(st.characters(categories=("L", "N", "P")), max_size=20))
def test_printable_text_stays_as_it_is(text: str) -> None:
    assert printable(text, 20) == text
