"""Approvals over HTTP: whoever pulls sees what holds, and only an admin changes it."""

import json
from dataclasses import replace
from typing import Any

import pytest

from proxy.identity.principal import Role
from scanning.documents import encode
from scanning.facts import ImageFacts
from scanning.oci.digest import Digest
from scanning.oci.manifest import Platform
from scanning.oci.media_types import OCI_MANIFEST
from scanning.oci.names import Repository, Tag
from scanning.verdict import Outcome
from storage import approvals, documents, verdicts
from storage.audit import Event
from tests.proxy.admin.test_verdicts import VERDICT
from tests.proxy.face import Answer, Face

PACKAGES = {"packages": ["pkg:npm/a@1"], "source": "a list", "repositories": ["team/app"], "reason": "looked at"}
BASE = {"image": "base/debian:12", "repositories": ["team/**"], "owner": "team base", "reason": "looked at"}


@pytest.fixture
async def admin(face: Face) -> str:
    """The token of an admin of everything."""
    _, token = await face.new_token(Role.ADMIN, "**", name="alice")
    return token


async def post(face: Face, token: str, **body: Any) -> Answer:
    """Ask for an approval."""
    headers = {"Content-Type": "application/json"}
    return await face.call("POST", "/api/v1/approvals", token=token, headers=headers, body=json.dumps(body).encode())


async def test_an_admin_approves_packages_and_takes_that_back(face: Face, admin: str) -> None:
    made = await post(face, admin, **PACKAGES)
    assert made.status == 201, made
    (approval,) = made.json["approvals"]
    assert (approval["kind"], approval["owner"], approval["approved_by"]) == ("packages", "alice", "alice")

    shown = await face.call("GET", f"/api/v1/approvals/{approval['id']}", token=admin)
    assert shown.json["packages"] == ["pkg:npm/a@1"]

    seen = await face.call("GET", "/api/v1/approvals?repository=team/app")
    assert [one["id"] for one in seen.json["approvals"]] == [approval["id"]]
    assert (await face.call("GET", "/api/v1/approvals?repository=team/other")).json == {"approvals": []}

    assert (await face.call("DELETE", f"/api/v1/approvals/{approval['id']}", token=admin)).status == 204
    assert (await face.call("GET", "/api/v1/approvals?repository=team/app")).json == {"approvals": []}
    (kept,) = (await face.call("GET", "/api/v1/approvals", token=admin)).json["approvals"]
    assert kept["revoked_by"] == "alice"
    assert (await face.call("DELETE", f"/api/v1/approvals/{approval['id']}", token=admin)).status == 404
    events = [one.event for one in await face.audited()]
    assert {Event.PACKAGES_APPROVED, Event.APPROVAL_REVOKED} <= set(events)


async def test_an_admin_approves_an_image_that_was_judged(face: Face, admin: str) -> None:
    body = b'{"schemaVersion": 2}'
    digest = Digest.of(body)
    await face.upstream.put_manifest(Repository("base/debian"), Tag("12"), OCI_MANIFEST, body)
    refused = await post(face, admin, **BASE)
    assert (refused.status, "was never judged" in refused.message) == (404, True)

    layer = Digest.of(b"layer")
    facts = encode(ImageFacts(digest, digest, Platform("linux", "amd64"), (layer,), (layer,), "", runs_as_root=False))
    async with face.services.database.transaction() as tx:
        await documents.put(tx, facts)
        inputs = replace(VERDICT.inputs, facts=Digest.of(facts))
        admitted = replace(VERDICT, id="v2", repository="base/debian", digest=digest, inputs=inputs)
        await verdicts.append(tx, replace(admitted, outcome=Outcome.ADMIT))

    made = await post(face, admin, **BASE)

    assert made.status == 201, made
    async with face.services.database.snapshot() as tx:
        (base,) = (await approvals.in_force(tx)).bases_for("team/app")
    assert (base.name, base.content.diff_ids) == ("base/debian:12", (layer,))


async def test_nobody_but_an_admin_approves_lists_everything_or_revokes(face: Face, admin: str) -> None:
    (approval,) = (await post(face, admin, **PACKAGES)).json["approvals"]
    bearer = {"Authorization": await face.bearer("repository:team/app:pull,push", token=admin)}
    for headers in ({}, bearer):
        for method, target in (
            ("GET", "/api/v1/approvals"),
            ("GET", f"/api/v1/approvals/{approval['id']}"),
            ("DELETE", f"/api/v1/approvals/{approval['id']}"),
        ):
            assert (await face.call(method, target, headers=headers)).status == 403
    assert (await post(face, face.token, **PACKAGES)).status == 403
    assert (await post(face, "", **PACKAGES)).status == 401
    assert (await face.call("GET", "/api/v1/approvals?repository=other/app")).status == 404
    denied = [one for one in await face.audited() if one.event is Event.ACCESS_DENIED]
    assert "only an admin does that" in denied[-1].detail


async def test_an_admin_approves_only_for_repositories_that_the_token_covers(face: Face, admin: str) -> None:
    _, limited = await face.new_token(Role.ADMIN, "team/**", name="bob")
    for repositories, status in (
        (["team/**"], 201),
        (["team/app"], 201),
        (["**"], 403),
        (["team/*"], 403),
        (["team/app", "other/app"], 403),
    ):
        assert (await post(face, limited, **PACKAGES | {"repositories": repositories})).status == status
    (everywhere,) = (await post(face, admin, **PACKAGES | {"repositories": ["**"]})).json["approvals"]
    assert (await face.call("DELETE", f"/api/v1/approvals/{everywhere['id']}", token=limited)).status == 403
    (elsewhere,) = (await post(face, admin, **PACKAGES | {"repositories": ["other/**"]})).json["approvals"]
    for method in ("GET", "DELETE"):
        assert (await face.call(method, f"/api/v1/approvals/{elsewhere['id']}", token=limited)).status == 404
    seen = (await face.call("GET", "/api/v1/approvals", token=limited)).json["approvals"]
    assert sorted(one["repositories"] for one in seen) == [["**"], ["team/**"], ["team/app"]]
    assert (await post(face, limited, **BASE)).status == 404  # its image is none of theirs


@pytest.mark.parametrize(
    "wrong",
    [
        {"reason": ""},
        {"repositories": []},
        {"repositories": ["TEAM"]},
        {"image": "base/debian:12"},
        {"packages": []},
        {"source": ""},
        {"unknown": 1},
        {"reason": "looked\0at"},
    ],
    ids=str,
)
async def test_what_is_no_approval_is_refused(face: Face, admin: str, wrong: dict[str, Any]) -> None:
    answer = await post(face, admin, **PACKAGES | wrong)
    assert answer.status == 400
    assert answer.message.startswith("this is no approval: ")
