"""Opaque tokens: their form, their proof, and the record of who made and ended them."""

import pytest

from config.patterns import RepositoryPattern
from proxy.identity import tokens
from proxy.identity.principal import Role
from proxy.identity.tokens import NewGrant, OpaqueToken
from storage import audit, grants
from storage.audit import Event
from storage.database import Database
from tests.proxy.face import ADMINISTRATOR, START

NEW = NewGrant("ci", Role.DEVELOPER, (RepositoryPattern("team/**"),))


def test_a_token_reads_back_what_was_generated() -> None:
    token = OpaqueToken.generate()
    assert OpaqueToken.parse(token.text) == token
    assert token.text.startswith("igt_")


def test_secrets_have_256_bits_and_stay_out_of_representations() -> None:
    token = OpaqueToken.generate()
    assert len(token.secret) == 43  # 32 bytes in base64 without padding
    assert token.secret not in repr(token)


@pytest.mark.parametrize(
    "text", ["", "igt_", "igt_0123456789abcdef_short", "password", "igt_" + "0" * 16 + "-" + "x" * 43]
)
def test_what_has_another_form_is_no_token(text: str) -> None:
    assert OpaqueToken.parse(text) is None


async def test_creating_records_the_grant_and_the_act_together(database: Database) -> None:
    grant, token = await tokens.create(database, NEW, ADMINISTRATOR, START)
    async with database.snapshot() as tx:
        kept = await grants.get(tx, grant.id)
        ((_, record),) = await audit.newest(tx, limit=10)
    assert kept == grant
    assert token.opens(kept)
    assert token.secret not in repr(record)
    assert (record.event, record.actor, record.detail) == (
        Event.TOKEN_CREATED,
        "tester",
        f"token {grant.id} (ci): developer on team/**",
    )


async def test_revoking_ends_the_grant_once_and_is_recorded_once(database: Database) -> None:
    grant, _ = await tokens.create(database, NEW, ADMINISTRATOR, START)
    assert await tokens.revoke(database, grant.id, ADMINISTRATOR, START)
    assert not await tokens.revoke(database, grant.id, ADMINISTRATOR, START)
    assert not await tokens.revoke(database, "unknown", ADMINISTRATOR, START)
    async with database.snapshot() as tx:
        kept = await grants.get(tx, grant.id)
        records = await audit.newest(tx, event=Event.TOKEN_REVOKED, limit=10)
    assert kept is not None
    assert not kept.is_alive(START)
    assert len(records) == 1


async def test_t9_a_token_of_no_grant_opens_nothing_after_the_same_comparison(database: Database) -> None:
    grant, token = await tokens.create(database, NEW, ADMINISTRATOR, START)
    assert token.opens(grant)
    assert not OpaqueToken.generate().opens(grant)
    assert not token.opens(None)
