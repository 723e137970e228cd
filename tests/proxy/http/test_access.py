"""Who may do what, over HTTP: credentials, challenges, scopes, and the record of refusals."""

import asyncio

import jwt
import pytest

from proxy.identity import tokens
from proxy.identity.principal import Role
from scanning.oci.digest import Digest
from scanning.oci.names import Repository
from storage.audit import Event
from tests.proxy.conftest import StartFace
from tests.proxy.face import ADMINISTRATOR, Face, basic

APP = "/v2/team/app"
UPLOADS = f"{APP}/blobs/uploads/"
ALL_OF_APP = "repository:team/app:pull,push"


async def test_without_a_credential_there_is_a_challenge(face: Face) -> None:
    answer = await face.call("GET", "/v2/", token="")
    assert (answer.status, answer.code) == (401, "UNAUTHORIZED")
    assert answer.headers["WWW-Authenticate"] == ('Bearer realm="http://gate.example/auth/token",service="imagegate"')


async def test_t12_both_kinds_of_credential_pass_the_same_gate(face: Face) -> None:
    digest = face.blob(b"refused content")
    face.gate.denied.add(digest)
    for authorization in (basic(face.token), await face.bearer("repository:team/app:pull")):
        answer = await face.call("GET", f"{APP}/blobs/{digest}", headers={"Authorization": authorization})
        assert (answer.status, answer.code) == (403, "DENIED")


async def test_any_user_name_goes_with_a_token(face: Face) -> None:
    for account in ("", "someone", "ci:with:colons"):
        answer = await face.call("GET", "/v2/", headers={"Authorization": basic(face.token, account.partition(":")[0])})
        assert answer.status == 200


@pytest.mark.parametrize(
    "header", ["Basic", "Basic !!!", "Basic c29tZW9uZQ==", "Digest x", "Bearer", "Bearer x.y.z", ""]
)
async def test_what_is_no_credential_is_answered_by_a_challenge(face: Face, header: str) -> None:
    answer = await face.call("GET", f"{APP}/tags/list", headers={"Authorization": header})
    assert (answer.status, answer.code) == (401, "UNAUTHORIZED")
    assert 'scope="repository:team/app:pull"' in answer.headers["WWW-Authenticate"]


async def test_t7_a_token_with_too_little_scope_is_told_the_whole_scope(face: Face) -> None:
    pull_only = await face.bearer("repository:team/app:pull")
    answer = await face.call("POST", UPLOADS, headers={"Authorization": pull_only})
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == (
        'Bearer realm="http://gate.example/auth/token",service="imagegate",'
        'scope="repository:team/app:pull,push",error="insufficient_scope"'
    )


async def test_t7_a_mount_is_told_both_scopes(face: Face) -> None:
    target = f"{UPLOADS}?mount={Digest.of(b'x')}&from=team/base"
    both = 'scope="repository:team/app:pull,push repository:team/base:pull"'
    anonymous = await face.call("POST", target, token="")
    destination_only = await face.call("POST", target, headers={"Authorization": await face.bearer(ALL_OF_APP)})
    for answer in (anonymous, destination_only):
        assert answer.status == 401
        assert both in answer.headers["WWW-Authenticate"]


async def test_t8_a_revoked_token_ends_within_five_seconds_for_both_kinds(face: Face) -> None:
    held = [basic(face.token), await face.bearer(ALL_OF_APP)]
    assert await tokens.revoke(face.services.database, face.grant, ADMINISTRATOR, face.time.now())
    face.time.passed += 5
    for authorization in held:
        answer = await face.call("GET", "/v2/", headers={"Authorization": authorization})
        assert answer.status == 401


async def test_t9_unknown_and_wrong_tokens_get_the_same_answer(face: Face) -> None:
    unknown = tokens.OpaqueToken.generate()
    wrong = tokens.OpaqueToken(face.grant, unknown.secret)
    answers = [await face.call("GET", "/v2/", token=secret) for secret in (unknown.text, wrong.text, "a password")]
    assert {answer.status for answer in answers} == {401}
    assert len({answer.body for answer in answers}) == 1


async def test_t10_guessing_is_answered_by_429_and_when_to_try_again(start_face: StartFace) -> None:
    async with start_face(throttle={"failures": 2, "window_seconds": 60}) as face:
        statuses = [(await face.call("GET", "/v2/", token="wrong")).status for _ in range(3)]
        last = await face.call("GET", "/auth/token", token="wrong")
    assert statuses == [401, 401, 429]
    assert (last.status, last.code, last.headers["Retry-After"]) == (429, "TOOMANYREQUESTS", "60")


async def test_t11_two_authorization_headers_are_refused(face: Face) -> None:
    header = f"Authorization: {basic(face.token)}\r\n"
    said = await face.raw(f"GET /v2/ HTTP/1.1\r\nHost: gate\r\n{header}{header}Connection: close\r\n\r\n".encode())
    assert said.startswith(b"HTTP/1.1 400 ")


async def test_t13_a_mount_from_a_repository_that_is_not_yours_is_a_plain_upload(face: Face) -> None:
    digest = face.blob(b"private", "secret/app")
    answer = await face.call("POST", f"{UPLOADS}?mount={digest}&from=secret/app")
    assert answer.status == 202
    assert (await face.call("HEAD", f"{APP}/blobs/{digest}")).status == 404


async def test_t17_a_blob_of_another_repository_is_not_there(face: Face) -> None:
    digest = face.blob(b"elsewhere", "team/other")
    answer = await face.call("HEAD", f"{APP}/blobs/{digest}")
    assert (answer.status, answer.body) == (404, b"")


async def test_what_the_grant_does_not_allow_is_denied_in_a_sentence_and_recorded(face: Face) -> None:
    answer = await face.call("GET", "/v2/other/app/tags/list", headers={"X-Request-ID": "r-1"})
    assert (answer.status, answer.code) == (403, "DENIED")
    for word in ("'ci'", "developer", "other/app", "pull"):
        assert word in answer.message
    record = (await face.audited())[-1]
    assert (record.event, record.actor, record.address, record.repository, record.request_id) == (
        Event.ACCESS_DENIED,
        "ci",
        "127.0.0.1",
        "other/app",
        "r-1",
    )


async def test_an_operator_may_pull_and_not_push(face: Face) -> None:
    _, operator = await face.new_token(Role.OPERATOR, "team/**")
    digest = face.blob(b"x")
    assert (await face.call("GET", f"{APP}/blobs/{digest}", token=operator)).status == 200
    answer = await face.call("POST", UPLOADS, token=operator)
    assert answer.status == 403
    assert answer.message.endswith("may not push team/app; ask an administrator for a developer's token")


async def test_who_may_push_elsewhere_only_is_told_so_by_whatever_client(face: Face) -> None:
    """Most look first, by HEAD: an answer without a body. Were it 403, they would print that and no more."""
    digest = face.blob(b"x", "other/app")
    _, operator = await face.new_token(Role.OPERATOR, "team/**")
    for method, what, token, status in (
        ("HEAD", f"blobs/{digest}", face.token, 404),
        ("HEAD", f"manifests/{digest}", face.token, 404),
        ("HEAD", "manifests/1", face.token, 403),
        ("GET", f"blobs/{digest}", face.token, 403),
        ("HEAD", f"manifests/{digest}", operator, 403),
    ):
        assert (await face.call(method, f"/v2/other/app/{what}", token=token)).status == status
        record = (await face.audited())[-1]
        assert (record.event, record.repository) == (Event.ACCESS_DENIED, "other/app")
    answer = await face.call("POST", "/v2/other/app/blobs/uploads/")
    assert answer.status == 403
    assert answer.message.endswith("may not push other/app; ask an administrator for one that covers other/app")


async def test_t7_looking_for_a_blob_with_too_little_scope_is_an_invitation_to_ask_for_more(face: Face) -> None:
    other = {"Authorization": await face.bearer("repository:team/other:pull")}
    answer = await face.call("HEAD", f"{APP}/blobs/{face.blob(b'x')}", headers=other)
    assert answer.status == 401
    assert 'scope="repository:team/app:pull"' in answer.headers["WWW-Authenticate"]


async def test_a_failed_login_is_recorded_without_the_secret(face: Face) -> None:
    await face.call("GET", "/v2/", headers={"Authorization": basic("igt_not-the-real-secret", "mallory")})
    record = (await face.audited())[-1]
    assert (record.event, record.actor, record.address, record.outcome) == (
        Event.LOGIN_FAILED,
        "mallory",
        "127.0.0.1",
        "refused",
    )
    assert "not-the-real-secret" not in str(record)


async def test_an_expired_bearer_token_is_an_everyday_401(face: Face) -> None:
    bearer = await face.bearer(ALL_OF_APP)
    before = await face.audited()
    face.time.passed += 1000
    answer = await face.call("GET", "/v2/", headers={"Authorization": bearer})
    assert answer.status == 401
    assert 'error="invalid_token"' in answer.headers["WWW-Authenticate"]
    assert await face.audited() == before


async def test_t22_the_catalogue_needs_its_scope_and_lists_what_may_be_pulled(face: Face) -> None:
    _, admin = await face.new_token(Role.ADMIN, "**")
    for name in ("team/app", "other/app"):
        headers = {"Content-Type": "application/vnd.oci.image.manifest.v1+json"}
        assert (
            await face.call("PUT", f"/v2/{name}/manifests/1", token=admin, headers=headers, body=b"{}")
        ).status == 201
    anonymous = await face.call("GET", "/v2/_catalog", token="")
    assert anonymous.status == 401
    assert 'scope="registry:catalog:*"' in anonymous.headers["WWW-Authenticate"]
    without = await face.call("GET", "/v2/_catalog", headers={"Authorization": await face.bearer(ALL_OF_APP)})
    assert without.status == 401
    assert 'scope="registry:catalog:*"' in without.headers["WWW-Authenticate"]
    catalog = await face.bearer("registry:catalog:*")
    answer = await face.call("GET", "/v2/_catalog", headers={"Authorization": catalog})
    assert answer.json == {"repositories": ["team/app"]}


async def test_the_token_endpoint_grants_what_is_asked_and_allowed(face: Face) -> None:
    answer = await face.call(
        "GET",
        "/auth/token?account=someone&service=imagegate&scope=repository:team/app:pull,push,delete&scope=repository:x:pull",
    )
    assert answer.status == 200
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.json["token"] == answer.json["access_token"]
    assert (answer.json["expires_in"], answer.json["issued_at"]) == (300, "2026-01-01T00:00:00Z")
    claims = jwt.decode(answer.json["token"], options={"verify_signature": False})
    assert claims["access"] == [{"type": "repository", "name": "team/app", "actions": ["pull", "push"]}]


async def test_the_token_endpoint_takes_the_oauth_form(face: Face) -> None:
    form = {
        "grant_type": "password",
        "username": "someone",
        "password": face.token,
        "service": "imagegate",
        "client_id": "docker",
        "scope": "repository:team/app:pull repository:team/base:pull",
    }
    answer = await face.call("POST", "/auth/token", token="", body=form)
    bearer = {"Authorization": f"Bearer {answer.json['access_token']}"}
    assert answer.json["token_type"] == "Bearer"
    assert (await face.call("GET", "/v2/", headers=bearer)).status == 200


@pytest.mark.parametrize(
    ("form", "status", "error"),
    [
        ({"grant_type": "refresh_token", "refresh_token": "x"}, 400, "unsupported_grant_type"),
        ({}, 400, "invalid_request"),
        ({"grant_type": "password", "username": "a", "password": "b"}, 401, "invalid_grant"),
    ],
)
async def test_the_oauth_form_fails_in_oauth_terms(face: Face, form: dict[str, str], status: int, error: str) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    body = "&".join(f"{name}={value}" for name, value in form.items())
    answer = await face.call("POST", "/auth/token", token="", headers=headers, body=body)
    assert (answer.status, answer.json["error"]) == (status, error)
    assert answer.message


async def test_asking_for_a_token_without_a_credential_is_401(face: Face) -> None:
    answer = await face.call("GET", "/auth/token?scope=repository:team/app:pull", token="")
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"].startswith("Basic realm=")


async def test_a_bearer_token_does_not_buy_another(face: Face) -> None:
    bearer = await face.bearer(ALL_OF_APP)
    assert (await face.call("GET", "/auth/token", headers={"Authorization": bearer})).status == 401


async def test_tokens_for_another_service_are_not_issued(face: Face) -> None:
    assert (await face.call("GET", "/auth/token?service=elsewhere")).status == 400


async def test_many_clients_at_once_get_their_own_answers(face: Face) -> None:
    good, bad = face.token, "wrong"
    answers = await asyncio.gather(*(face.call("GET", "/v2/", token=t) for t in (good, bad, good, bad)))
    assert [answer.status for answer in answers] == [200, 401, 200, 401]


# --- read-only upstreams


async def test_nothing_of_a_push_to_a_read_only_upstream_is_taken(face: Face) -> None:
    face.upstream.read_only.add(Repository("team/app"))
    digest = face.blob(b"shared", "team/base")
    for method, target in (
        ("POST", UPLOADS),
        ("POST", f"{UPLOADS}?digest={digest}"),
        ("POST", f"{UPLOADS}?mount={digest}&from=team/base"),
        ("PUT", f"{APP}/manifests/v1"),
    ):
        answer = await face.call(method, target, body=b"{}")
        assert (answer.status, answer.code) == (403, "DENIED")
        assert "read-only" in answer.message
    assert face.upstream.uploads == {}
    assert (Repository("team/app"), digest) not in face.upstream.blobs
    denied = [record for record in await face.audited() if record.outcome == "denied"]
    assert {record.detail for record in denied} == {"push: the upstream is read-only"}
    face.blob(b"readable")
    assert (await face.call("GET", f"{APP}/blobs/{Digest.of(b'readable')}")).status == 200


async def test_who_may_not_push_is_not_told_that_the_upstream_is_read_only(face: Face) -> None:
    face.upstream.read_only.add(Repository("other/app"))
    answer = await face.call("POST", "/v2/other/app/blobs/uploads/")
    assert "read-only" not in answer.message
