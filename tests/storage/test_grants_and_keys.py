"""Grants and the gate's own keys."""

from dataclasses import replace
from datetime import timedelta

import pytest

from storage import grants, signing_keys
from storage.database import Database
from storage.errors import StorageUnavailableError
from storage.grants import Grant
from storage.signing_keys import SigningKey
from tests.storage.values import LATER, NOW

SECOND = timedelta(seconds=1)
GRANT = Grant("g1", "ci", "developer", ("team/*", "lib/**"), "5e" * 32, NOW, "admin", expires_at=LATER)


async def test_a_grant_comes_back_as_it_was(database: Database) -> None:
    endless = replace(GRANT, id="g0", repositories=(), created_at=NOW - SECOND, expires_at=None)
    async with database.transaction() as tx:
        assert await grants.count(tx) == 0
        await grants.add(tx, GRANT)
        await grants.add(tx, endless)

    async with database.snapshot() as tx:
        assert await grants.get(tx, "g1") == GRANT
        assert await grants.get(tx, "g2") is None
        assert await grants.list_all(tx) == (endless, GRANT)
        assert await grants.count(tx) == 2


async def test_a_grant_is_revoked_once_and_for_ever(database: Database) -> None:
    async with database.transaction() as tx:
        await grants.add(tx, GRANT)

        assert await grants.revoke(tx, "g1", LATER) is True
        assert await grants.revoke(tx, "g1", LATER + SECOND) is False
        assert await grants.revoke(tx, "g2", LATER) is False
        assert await grants.get(tx, "g1") == replace(GRANT, revoked_at=LATER)


async def test_an_id_is_given_once(database: Database) -> None:
    async with database.transaction() as tx:
        await grants.add(tx, GRANT)

    with pytest.raises(StorageUnavailableError):
        async with database.transaction() as tx:
            await grants.add(tx, replace(GRANT, role="admin"))


def test_a_grant_lives_until_it_expires_or_is_revoked() -> None:
    assert GRANT.is_alive(LATER - SECOND)
    assert not GRANT.is_alive(LATER)
    assert replace(GRANT, expires_at=None).is_alive(LATER)
    assert not replace(GRANT, expires_at=None, revoked_at=NOW).is_alive(NOW)


def test_t81_no_secret_is_shown() -> None:
    assert "5e5e" not in repr(GRANT)
    assert "hunter2" not in repr(SigningKey("k", "tokens", b"hunter2", NOW))


async def test_keys_of_a_purpose_come_newest_first(database: Database) -> None:
    old, new = SigningKey("a", "tokens", b"\0\xff", NOW), SigningKey("b", "tokens", b"1", LATER)
    async with database.transaction() as tx:
        for key in (old, new, SigningKey("c", "uploads", b"2", LATER)):
            await signing_keys.add(tx, key)

    async with database.snapshot() as tx:
        assert await signing_keys.of(tx, "tokens") == (new, old)
        assert await signing_keys.of(tx, "webhooks") == ()


async def test_when_tokens_were_used_is_noted_and_makes_no_other_grant_of_one(database: Database) -> None:
    async with database.transaction() as tx:
        await grants.add(tx, GRANT)
        await grants.add(tx, replace(GRANT, id="g2"))
        await grants.note_used(tx, {"g1", "gone"}, LATER)

    async with database.snapshot() as tx:
        used, other = await grants.get(tx, "g1"), await grants.get(tx, "g2")
    assert used == GRANT
    assert used is not None
    assert other is not None
    assert (used.last_used_at, other.last_used_at) == (LATER, None)
