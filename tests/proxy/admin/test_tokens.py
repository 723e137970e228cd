"""Tokens over HTTP: an admin makes, sees and revokes those for the repositories that their own token covers."""

import json
from datetime import timedelta
from typing import Any

import pytest

from proxy.identity.principal import Role
from proxy.identity.tokens import OpaqueToken
from storage.audit import Event
from storage.errors import StorageUnavailableError
from tests.proxy.face import START, Answer, Face

WANTED = {"name": "ci-team", "role": "developer", "repositories": ["team/**"]}


@pytest.fixture
async def admin(face: Face) -> str:
    """The token of an admin of everything."""
    _, token = await face.new_token(Role.ADMIN, "**", name="alice")
    return token


async def post(face: Face, token: str, **body: Any) -> Answer:
    """Ask for a token."""
    return await face.call("POST", "/api/v1/tokens", token=token, body=json.dumps(body).encode())


async def test_an_admin_makes_a_token_that_is_shown_once_and_takes_it_back(face: Face, admin: str) -> None:
    made = await post(face, admin, **WANTED, expires="90d")

    assert made.status == 201, made
    assert made.headers["Cache-Control"] == "no-store"
    token = OpaqueToken.parse(made.json["token"])
    assert token is not None
    address = made.headers["Location"]
    assert address == f"/api/v1/tokens/{token.id}"
    assert (await face.call("GET", "/v2/", token=token.text)).status == 200

    shown = await face.call("GET", address, token=admin)
    assert shown.json == {
        "id": token.id,
        "name": "ci-team",
        "role": "developer",
        "repositories": ["team/**"],
        "state": "live",
        "created_at": START.isoformat(),
        "created_by": "alice",
        "expires_at": (START + timedelta(days=90)).isoformat(),
        "last_used_at": None,
        "revoked_at": None,
    }
    assert shown.headers["Cache-Control"] == "no-store"
    listed = await face.call("GET", "/api/v1/tokens", token=admin)
    assert shown.json in listed.json["tokens"]
    assert token.secret.encode() not in listed.body + shown.body
    assert token.secret_hash.encode() not in listed.body + shown.body

    assert (await face.call("DELETE", address, token=admin)).status == 204
    assert (await face.call("DELETE", address, token=admin)).status == 404
    assert (await face.call("GET", address, token=admin)).json["state"] == "revoked"
    face.time.passed += 6
    assert (await face.call("GET", "/v2/", token=token.text)).status == 401
    created, *_, revoked = [one for one in await face.audited() if one.actor == "alice"]
    assert (created.event, revoked.event) == (Event.TOKEN_CREATED, Event.TOKEN_REVOKED)
    assert created.request_id == made.headers["X-Request-ID"]
    assert token.id in created.detail
    assert token.secret not in created.detail


@pytest.mark.parametrize(
    "name",
    ["alice", "Alice ", "\uff41lice"]
    + [f"al{unseen}ice" for unseen in "\u200b\ufe0f\u034f\u17b4\U000e0100\u3164\u115f\u2800\uffa0"],
)
async def test_t115_an_admin_of_some_takes_nobody_s_name_whom_they_do_not_administer(
    face: Face, admin: str, name: str
) -> None:
    _, of_team = await face.new_token(Role.ADMIN, "team/**", name="bob")

    refused = await post(face, of_team, **WANTED | {"name": name})

    assert refused.status == 400, refused
    assert "the audit could not tell the two apart" in refused.body.decode()
    assert (await post(face, of_team, **WANTED | {"name": "bob"})).status == 201  # to take its place
    assert (await post(face, admin, **WANTED | {"name": name})).status == 201


async def test_t115_no_token_is_called_as_the_gate_itself(face: Face, admin: str) -> None:
    assert (await post(face, admin, **WANTED | {"name": "Image gate"})).status == 400


async def test_t115_a_name_has_something_to_see(face: Face, admin: str) -> None:
    for unseen in ("\u3164", "\u2800 \ufe0f", "\u200b"):
        refused = await post(face, admin, **WANTED | {"name": unseen})
        assert (refused.status, "say what the token is for" in refused.body.decode()) == (400, True), repr(unseen)


async def test_when_a_token_was_last_used_as_a_password_is_told(face: Face, admin: str) -> None:
    made = await post(face, admin, **WANTED)
    address, token = made.headers["Location"], made.json["token"]
    face.time.passed += 60
    wrong = f"{token[:-1]}{'A' if token[-1] != 'A' else 'B'}"
    assert (await face.call("GET", "/v2/", token=wrong)).status == 401
    await face.services.uses.write()
    assert (await face.call("GET", address, token=admin)).json["last_used_at"] is None

    bearer = await face.bearer("repository:team/app:pull", token=token)
    await face.services.uses.write()
    used = (START + timedelta(seconds=60)).isoformat()
    assert (await face.call("GET", address, token=admin)).json["last_used_at"] == used

    face.time.passed += 60
    assert (await face.call("GET", "/v2/", headers={"Authorization": bearer})).status == 200
    await face.services.uses.write()
    assert (await face.call("GET", address, token=admin)).json["last_used_at"] == used


async def test_a_use_that_cannot_be_written_down_is_kept_for_the_next_time(
    face: Face, admin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise StorageUnavailableError("the database is down")

    assert (await face.call("GET", "/v2/", token=admin)).status == 200
    with monkeypatch.context() as broken:
        broken.setattr(face.services.database, "transaction", fail)
        await face.services.uses.write()
    await face.services.uses.write()
    (own,) = [
        one for one in (await face.call("GET", "/api/v1/tokens", token=admin)).json["tokens"] if one["role"] == "admin"
    ]
    assert own["last_used_at"] == START.isoformat()


async def test_a_token_can_end_at_a_moment_and_is_expired_then(face: Face, admin: str) -> None:
    end = START + timedelta(hours=1)
    made = await post(face, admin, **WANTED, expires_at=end.isoformat())
    assert made.json["expires_at"] == end.isoformat()

    face.time.passed += 3600
    assert (await face.call("GET", made.headers["Location"], token=admin)).json["state"] == "expired"


async def test_without_a_role_it_may_only_pull(face: Face, admin: str) -> None:
    assert (await post(face, admin, name="cluster", repositories=["**"])).json["role"] == "operator"


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""},
        {"name": "  "},
        {"name": "a\0b"},
        {"name": "a" * 129},
        {"role": "owner"},
        {"repositories": []},
        {"repositories": ["TEAM"]},
        {"expires": "soon"},
        {"expires": "0d"},
        {"expires": "9999999d"},
        {"expires": "1d", "expires_at": "2030-01-01T00:00:00Z"},
        {"expires_at": "2020-01-01T00:00:00Z"},
        {"expires_at": "2030-01-01T00:00:00"},
        {"unknown": 1},
    ],
    ids=str,
)
async def test_what_is_no_token_is_refused_and_none_is_made(face: Face, admin: str, wrong: dict[str, Any]) -> None:
    before = len((await face.call("GET", "/api/v1/tokens", token=admin)).json["tokens"])
    answer = await post(face, admin, **WANTED | wrong)
    assert answer.status == 400
    assert answer.message
    assert len((await face.call("GET", "/api/v1/tokens", token=admin)).json["tokens"]) == before


async def test_nobody_but_an_admin_with_the_token_itself_sees_or_changes_tokens(face: Face, admin: str) -> None:
    address = (await post(face, admin, **WANTED)).headers["Location"]
    bearer = {"Authorization": await face.bearer("repository:team/app:pull,push", token=admin)}
    for headers in ({}, bearer):
        for method, target in (("GET", "/api/v1/tokens"), ("GET", address), ("DELETE", address)):
            assert (await face.call(method, target, headers=headers)).status == 403
        body = json.dumps(WANTED).encode()
        assert (await face.call("POST", "/api/v1/tokens", headers=headers, body=body)).status == 403
    assert (await face.call("GET", "/api/v1/tokens", token="")).status == 401
    assert (await face.call("GET", address, token=admin)).json["state"] == "live"


async def test_an_admin_of_some_repositories_makes_and_sees_no_token_for_others(face: Face, admin: str) -> None:
    _, limited = await face.new_token(Role.ADMIN, "team/**", name="bob")
    everywhere = (await post(face, admin, **WANTED | {"repositories": ["**"]})).headers["Location"]
    mixed = (await post(face, admin, **WANTED | {"repositories": ["team/app", "other/app"]})).headers["Location"]

    for repositories, status in ((["team/**"], 201), (["team/app"], 201), (["**"], 403), (["team/app", "x/y"], 403)):
        wanted = {"name": "of-bob", "role": "admin", "repositories": repositories}
        made = await post(face, limited, **wanted)
        assert made.status == status
    for address in (everywhere, mixed):
        assert (await face.call("GET", address, token=limited)).status == 404
        assert (await face.call("DELETE", address, token=limited)).status == 404
    seen = (await face.call("GET", "/api/v1/tokens", token=limited)).json["tokens"]
    assert {pattern for one in seen for pattern in one["repositories"]} == {"team/**", "team/app"}


async def test_the_last_admin_is_not_locked_out_by_accident(face: Face, admin: str) -> None:
    own = OpaqueToken.parse(admin)
    assert own is not None
    limited_id, _ = await face.new_token(Role.ADMIN, "team/**", name="bob")
    short_id, _ = await face.new_token(Role.ADMIN, "**", name="carol", expires_at=START + timedelta(seconds=60))
    face.time.passed += 61  # carol's has ended, and bob's covers less

    refused = await face.call("DELETE", f"/api/v1/tokens/{own.id}", token=admin)

    assert (refused.status, refused.code) == (409, "DENIED")
    assert "make another first" in refused.message
    for other in (limited_id, short_id):
        assert (await face.call("DELETE", f"/api/v1/tokens/{other}", token=admin)).status == 204
    made = await post(face, admin, name="dora", role="admin", repositories=["**"])
    assert (await face.call("DELETE", f"/api/v1/tokens/{own.id}", token=made.json["token"])).status == 204


async def test_t118_what_a_token_that_ends_has_made_ends_no_later(face: Face) -> None:
    end = START + timedelta(days=1)
    _, short = await face.new_token(Role.ADMIN, "**", name="carol", expires_at=end)
    for later in ({}, {"expires": "2d"}, {"expires_at": (end + timedelta(seconds=1)).isoformat()}):
        refused = await post(face, short, **WANTED, **later)
        assert (refused.status, "none that it makes ends later" in refused.message) == (400, True)

    made = await post(face, short, name="last", repositories=["**"], role="admin", expires_at=end.isoformat())
    assert made.status == 201
    face.time.passed += 86_400
    assert (await face.call("GET", "/v2/", token=made.json["token"])).status == 401


async def test_the_list_comes_in_pages_with_the_newest_first(face: Face, admin: str) -> None:
    for number in range(3):
        face.time.passed += 1
        await post(face, admin, **WANTED | {"name": f"ci-{number}"})

    first = await face.call("GET", "/api/v1/tokens?n=2", token=admin)
    assert [one["name"] for one in first.json["tokens"]] == ["ci-2", "ci-1"]
    target = first.headers["Link"].removeprefix("<").partition(">")[0]
    second = await face.call("GET", target, token=admin)
    assert second.json["tokens"][0]["name"] == "ci-0"
    for wrong in ("?n=101", "?n=x", "?last=0123456789abcdef", "?name=x"):
        assert (await face.call("GET", f"/api/v1/tokens{wrong}", token=admin)).status == 400
