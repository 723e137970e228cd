"""Exceptions beside the policy file: they count until they expire or are ended, and stay on record."""

from dataclasses import replace
from datetime import timedelta

from config.policy import Waiver
from storage import waivers
from storage.database import Database
from storage.waivers import WaiverRecord
from tests.storage.values import LATER, NOW


def record(waiver_id: str, minutes: int = 0) -> WaiverRecord:
    """One that is made some minutes after the others."""
    values = {
        "repositories": ("team/**",),
        "findings": ("CVE-1",),
        "packages": ("pkg:deb/debian/openssl@>=3|<4",),
        "tools": ("ssh-client",),
        "reason": "reviewed",
        "author": "alice",
        "expires": LATER,
    }
    waiver = Waiver.model_validate({"id": waiver_id, **values})
    return WaiverRecord(waiver, NOW + timedelta(minutes=minutes), "alice")


async def test_an_exception_comes_back_as_it_was(database: Database) -> None:
    async with database.transaction() as tx:
        await waivers.add(tx, record("b"))
        await waivers.add(tx, record("a"))
        await waivers.add(tx, record("c", minutes=1))

    async with database.snapshot() as tx:
        assert await waivers.get(tx, "b") == record("b")
        assert await waivers.get(tx, "d") is None
        assert [one.waiver.id for one in await waivers.list_all(tx)] == ["c", "a", "b"]
        assert await waivers.in_force(tx, NOW) == tuple(record(name).waiver for name in "abc")


async def test_it_counts_until_it_expires_or_is_ended_once(database: Database) -> None:
    async with database.transaction() as tx:
        await waivers.add(tx, record("a"))
        await waivers.add(tx, record("b"))
        assert await waivers.end(tx, "a", "bob", NOW)
        assert not await waivers.end(tx, "a", "carol", LATER)
        assert not await waivers.end(tx, "c", "bob", NOW)

    async with database.snapshot() as tx:
        assert await waivers.get(tx, "a") == replace(record("a"), ended_at=NOW, ended_by="bob")
        assert [one.id for one in await waivers.in_force(tx, LATER - timedelta(seconds=1))] == ["b"]
        assert await waivers.in_force(tx, LATER) == ()
    assert record("b").holds(LATER - timedelta(seconds=1))
    assert not record("b").holds(LATER)
