"""The audit over HTTP: an admin reads what happened to the repositories that their token covers."""

import pytest

from proxy.identity.principal import Role
from storage import audit
from storage.audit import AuditRecord, Event
from tests.proxy.face import START, Face


@pytest.fixture
async def admin(face: Face) -> str:
    """The token of an admin of everything, and a push that was refused on record."""
    _, token = await face.new_token(Role.ADMIN, "**", name="alice")
    async with face.services.database.transaction() as tx:
        for reference in ("1", "2", "3"):
            await audit.append(
                tx, AuditRecord(START, Event.PUSH, "ci", "192.0.2.7", "reject", "team/app", reference, detail="ssh")
            )
    return token


async def test_the_newest_records_come_first_and_whole(face: Face, admin: str) -> None:
    answer = await face.call("GET", "/api/v1/audit", token=admin)
    newest = answer.json["records"][0]
    assert {name: newest[name] for name in ("at", "event", "actor", "repository", "reference", "outcome")} == {
        "at": START.isoformat(),
        "event": "push",
        "actor": "ci",
        "repository": "team/app",
        "reference": "3",
        "outcome": "reject",
    }
    assert newest["number"] > answer.json["records"][1]["number"]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("?event=push", ["3", "2", "1"]),
        ("?actor=ci&n=2", ["3", "2"]),
        ("?repository=team/app", ["3", "2", "1"]),
        ("?repository=team/other", []),
        ("?actor=nobody", []),
    ],
)
async def test_of_one_event_actor_or_repository(face: Face, admin: str, query: str, found: list[str]) -> None:
    records = (await face.call("GET", f"/api/v1/audit{query}", token=admin)).json["records"]
    assert [one["reference"] for one in records] == found


async def test_older_ones_are_on_the_next_page(face: Face, admin: str) -> None:
    first = await face.call("GET", "/api/v1/audit?event=push&n=2", token=admin)
    second = await face.call("GET", first.headers["Link"].removeprefix("<").partition(">")[0], token=admin)
    assert [one["reference"] for one in second.json["records"]] == ["1"]
    assert "Link" not in second.headers


async def test_an_admin_of_some_repositories_reads_of_those(face: Face, admin: str) -> None:
    _, limited = await face.new_token(Role.ADMIN, "team/**", name="bob")
    assert (await face.call("GET", "/api/v1/audit?repository=team/app", token=limited)).status == 200
    for target in ("/api/v1/audit", "/api/v1/audit?repository=other/app"):
        assert (await face.call("GET", target, token=limited)).status == 403
        assert (await face.call("GET", target)).status == 403
    bearer = {"Authorization": await face.bearer("repository:team/app:pull", token=admin)}
    assert (await face.call("GET", "/api/v1/audit", headers=bearer)).status == 403


@pytest.mark.parametrize("wrong", ["?event=party", "?last=x", "?n=1001", "?until=now", "?repository=TEAM"])
async def test_what_cannot_be_asked_is_refused(face: Face, admin: str, wrong: str) -> None:
    assert (await face.call("GET", f"/api/v1/audit{wrong}", token=admin)).status == 400
