"""Exceptions over HTTP: whoever pulls sees what holds, and only an admin makes and ends them."""

import json
from functools import partial
from typing import Any

import pytest

from proxy.gate.waiving import in_force_now
from proxy.identity.principal import Role
from storage.audit import Event
from tests.proxy.face import Answer, Face

WANTED = {
    "repositories": ["team/**"],
    "findings": ["CVE-2019-10906"],
    "packages": ["pkg:pypi/jinja2"],
    "reason": "the sandbox is not used",
    "expires": "2026-06-01T00:00:00Z",
}


@pytest.fixture
async def admin(face: Face) -> str:
    """The token of an admin of everything."""
    _, token = await face.new_token(Role.ADMIN, "**", name="alice")
    await face.services.policy.take(partial(in_force_now, face.services.database, face.time.now))
    return token


async def post(face: Face, token: str, **body: Any) -> Answer:
    """Ask for an exception."""
    return await face.call("POST", "/api/v1/waivers", token=token, body=json.dumps(body).encode())


async def see(face: Face) -> None:
    """Let the gate look for exceptions, as a running gate does every second."""

    async def changed(_: object) -> None:
        return

    await face.services.policy.reload_if_changed(changed)


async def test_an_admin_makes_an_exception_and_ends_it(face: Face, admin: str) -> None:
    before = face.services.policy.current.digest
    created = await post(face, admin, **WANTED)
    assert created.status == 201, created
    assert {name: created.json[name] for name in ("repositories", "findings", "packages", "author", "in_force")} == {
        "repositories": ["team/**"],
        "findings": ["CVE-2019-10906"],
        "packages": ["pkg:pypi/jinja2"],
        "author": "alice",
        "in_force": True,
    }
    address = created.headers["Location"]
    assert (await face.call("GET", address, token=admin)).json == created.json

    await see(face)
    assert face.services.policy.current.digest != before
    (seen,) = (await face.call("GET", "/api/v1/waivers?repository=team/app")).json["waivers"]
    assert (seen["id"], seen["reason"]) == (created.json["id"], "the sandbox is not used")
    assert (await face.call("GET", "/api/v1/waivers?repository=other/app")).status == 404

    assert (await face.call("DELETE", address, token=admin)).status == 204
    assert (await face.call("DELETE", address, token=admin)).status == 404
    await see(face)
    assert face.services.policy.current.digest == before
    assert (await face.call("GET", "/api/v1/waivers?repository=team/app")).json == {"waivers": []}
    (kept,) = (await face.call("GET", "/api/v1/waivers", token=admin)).json["waivers"]
    assert (kept["in_force"], kept["ended_by"]) == (False, "alice")
    assert {Event.WAIVER_CREATED, Event.WAIVER_ENDED} <= {one.event for one in await face.audited()}


async def test_those_of_the_policy_file_are_told_as_well(face: Face, admin: str) -> None:
    path = face.services.policy.path
    path.write_text(
        json.dumps({"version": 1, "rules": [{"repositories": ["**"]}], "waivers": [WANTED | {"author": "b"}]})
    )
    await see(face)
    (seen,) = (await face.call("GET", "/api/v1/waivers?repository=team/app")).json["waivers"]
    assert (seen["id"], seen["author"]) == (None, "b")


async def test_only_an_admin_of_the_repositories_makes_and_ends_them(face: Face, admin: str) -> None:
    _, limited = await face.new_token(Role.ADMIN, "team/**", name="bob")
    everywhere = (await post(face, admin, **WANTED | {"repositories": ["**"]})).headers["Location"]
    for repositories, status in ((["team/**"], 201), (["team/app"], 201), (["**"], 403), (["team/app", "x/y"], 403)):
        assert (await post(face, limited, **WANTED | {"repositories": repositories})).status == status
    assert (await face.call("DELETE", everywhere, token=limited)).status == 403
    elsewhere = (await post(face, admin, **WANTED | {"repositories": ["other/**"]})).headers["Location"]
    for method in ("GET", "DELETE"):
        assert (await face.call(method, elsewhere, token=limited)).status == 404
    seen = (await face.call("GET", "/api/v1/waivers", token=limited)).json["waivers"]
    assert sorted(one["repositories"] for one in seen) == [["**"], ["team/**"], ["team/app"]]
    bearer = {"Authorization": await face.bearer("repository:team/app:pull", token=admin)}
    for headers in ({}, bearer):
        for method, target in (("GET", "/api/v1/waivers"), ("GET", everywhere), ("DELETE", everywhere)):
            assert (await face.call(method, target, headers=headers)).status == 403
        body = json.dumps(WANTED).encode()
        assert (await face.call("POST", "/api/v1/waivers", headers=headers, body=body)).status == 403


@pytest.mark.parametrize(
    "wrong",
    [
        {"repositories": []},
        {"repositories": ["TEAM"]},
        {"findings": [], "packages": []},
        {"packages": ["jinja2"]},
        {"tools": ["hammer"]},
        {"reason": ""},
        {"reason": "  "},
        {"expires": "2026-06-01"},
        {"expires": "2020-01-01T00:00:00Z"},
        {"digest": "sha256:abc"},
        {"id": "mine"},
        {"for_ever": True},
    ],
    ids=str,
)
async def test_what_is_no_exception_is_refused(face: Face, admin: str, wrong: dict[str, Any]) -> None:
    answer = await post(face, admin, **WANTED | wrong)
    assert (answer.status, bool(answer.message)) == (400, True)
    assert (await face.call("GET", "/api/v1/waivers", token=admin)).json == {"waivers": []}
