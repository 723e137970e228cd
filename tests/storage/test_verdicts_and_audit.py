"""The two append-only histories."""

from dataclasses import replace

import pytest
import sqlalchemy as sa

from scanning.verdict import Outcome, Verdict
from storage import audit, manifests, schema, verdicts
from storage.audit import AuditRecord, Event
from storage.database import Database
from storage.errors import StorageError
from tests.storage.values import APP, NOW, OTHER, digest, image, verdict

PUSH = AuditRecord(
    at=NOW,
    event=Event.PUSH,
    actor="ci",
    address="192.0.2.7",
    outcome="reject",
    repository=APP.name,
    reference="1.0",
    digest=str(digest("image")),
    verdict="v1",
    request_id="r1",
    detail="",
)


async def test_a_verdict_comes_back_as_it_was(database: Database) -> None:
    made = verdict("v1", why="holds a \0, a \u202e and a \U0001f512")
    async with database.transaction() as tx:
        await verdicts.append(tx, made)

    async with database.snapshot() as tx:
        assert await verdicts.get(tx, "v1") == made
        assert await verdicts.get(tx, "v2") is None


async def test_a_verdict_is_there_once_and_never_changes(database: Database) -> None:
    async with database.transaction() as tx:
        await verdicts.append(tx, verdict("v1"))
        await verdicts.append(tx, verdict("v1", outcome=Outcome.ADMIT))

        assert await verdicts.list_newest(tx, limit=10) == (verdict("v1"),)


async def test_the_latest_verdict_is_the_one_appended_last(database: Database) -> None:
    async with database.transaction() as tx:
        for made in (verdict("v1"), verdict("v2"), verdict("v3", OTHER), verdict("v4", manifest="another")):
            await verdicts.append(tx, made)

        assert await verdicts.latest(tx, APP, digest("image")) == verdict("v2")
        assert await verdicts.latest(tx, OTHER, digest("image")) == verdict("v3", OTHER)
        assert await verdicts.latest(tx, OTHER, digest("another")) is None


async def test_what_is_said_of_an_image_under_one_tag_is_not_said_of_the_image(database: Database) -> None:
    admitted, refused = verdict("v1", outcome=Outcome.ADMIT), replace(verdict("v2"), tag="latest")
    async with database.transaction() as tx:
        for made in (admitted, refused):
            await verdicts.append(tx, made)

        assert await verdicts.latest(tx, APP, digest("image")) == admitted
        key = APP, digest("image")
        assert await verdicts.latest_of_many(tx, [key]) == {key: admitted}
        assert await verdicts.get(tx, "v2") == refused


async def test_verdicts_are_listed_newest_first_by_repository_and_outcome(database: Database) -> None:
    first, second = verdict("v1"), verdict("v2", outcome=Outcome.ADMIT)
    third = verdict("v3", OTHER, outcome=Outcome.ADMIT)
    async with database.transaction() as tx:
        for made in (first, second, third):
            await verdicts.append(tx, made)

        assert await verdicts.list_newest(tx, limit=2) == (third, second)
        assert await verdicts.list_newest(tx, repository=APP, limit=9) == (second, first)
        assert await verdicts.list_newest(tx, outcome=Outcome.ADMIT, limit=9) == (third, second)
        assert await verdicts.list_newest(tx, repository=OTHER, outcome=Outcome.REJECT, limit=9) == ()


async def test_a_verdict_that_cannot_be_read_is_an_error_and_not_missing(database: Database) -> None:
    async with database.transaction() as tx:
        await verdicts.append(tx, verdict("v1"))
        await tx.execute(sa.update(schema.verdicts).values(body="{}"))

    with pytest.raises(StorageError, match="another version"):
        async with database.snapshot() as tx:
            await verdicts.latest(tx, APP, digest("image"))


async def test_the_audit_is_numbered_and_listed_newest_first(database: Database) -> None:
    login = AuditRecord(NOW, Event.LOGIN_FAILED, "", "192.0.2.8", "denied")
    async with database.transaction() as tx:
        for record in (PUSH, login, replace(PUSH, repository=OTHER.name)):
            await audit.append(tx, record)

        found = await audit.newest(tx, limit=9)
        assert [record for _, record in found] == [replace(PUSH, repository=OTHER.name), login, PUSH]
        assert [number for number, _ in found] == sorted((number for number, _ in found), reverse=True)
        assert await audit.newest(tx, limit=1) == found[:1]
        assert await audit.newest(tx, event=Event.LOGIN_FAILED, limit=9) == found[1:2]
        assert await audit.newest(tx, event=Event.PUSH, repository=APP, limit=9) == found[2:]


async def test_t82_what_strangers_send_cannot_forge_or_hide_a_line(database: Database) -> None:
    hostile = replace(
        PUSH,
        event=Event.LOGIN_FAILED,
        actor="eve\r\n2026-03-01 push admin",
        reference="\x1b[2J\x1b]0;owned\x07",
        detail="nul \0, right-to-left \u202e, line \u2028, lone \udc80",
    )
    async with database.transaction() as tx:
        await audit.append(tx, hostile)

    async with database.snapshot() as tx:
        ((_, kept),) = await audit.newest(tx, limit=1)
    assert kept == replace(
        hostile,
        actor=r"eve\r\n2026-03-01 push admin",
        reference=r"\x1b[2J\x1b]0;owned\x07",
        detail=r"nul \x00, right-to-left \u202e, line \u2028, lone \udc80",
    )


async def test_text_of_any_length_is_recorded_and_cut(database: Database) -> None:
    async with database.transaction() as tx:
        await audit.append(tx, replace(PUSH, actor="a" * 128, address="b" * 65, detail="\n" * 100_000))

    async with database.snapshot() as tx:
        ((_, kept),) = await audit.newest(tx, limit=1)
    assert kept.actor == "a" * 128
    assert kept.address == "b" * 63 + "…"
    assert len(kept.detail) == 4096
    assert kept.detail.endswith("…")


async def test_the_snapshots_that_verdicts_in_force_name(database: Database) -> None:
    """The last verdict on each manifest on record counts, and the last one under each tag."""

    def made_of(name: str, word: str, manifest: str = "image", tag: str = "") -> Verdict:
        plain = verdict(name, manifest=manifest)
        return replace(plain, tag=tag, inputs=replace(plain.inputs, snapshot=digest(word)))

    async with database.transaction() as tx:
        for word in ("image", "plain"):
            await manifests.record(tx, APP, image(word), b"{}", held=False, facts=None, now=NOW)
        for each in (
            made_of("v1", "replaced"),
            made_of("v2", "last"),
            made_of("v3", "replaced too", tag="1.0"),
            made_of("v4", "last of the tag", tag="1.0"),
            made_of("v5", "of no manifest", manifest="deleted"),
            verdict("v6", manifest="plain"),
        ):
            await verdicts.append(tx, each)

        assert await verdicts.snapshots_named(tx) == {digest("last"), digest("last of the tag")}
