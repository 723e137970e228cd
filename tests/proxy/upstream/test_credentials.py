"""How the gate shows who it is to an upstream, and to nobody else."""

import asyncio
import base64
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs

import pytest
from aiohttp import web
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from proxy.upstream.credentials import Authorizer, parse_challenges
from proxy.upstream.login import Login
from proxy.upstream.origin import Origin
from proxy.upstream.port import BrokenContentError, UpstreamError, UpstreamRefusedError
from scanning.oci.digest import Digest
from scanning.oci.media_types import OCI_MANIFEST
from scanning.oci.names import Repository, Tag
from tests.proxy.upstream.oci_content import push_blob, push_image
from tests.proxy.upstream.simulator import Answer, Simulator, gate_before, simulated
from tests.registries import PASSWORD, USERNAME, RealRegistry, fresh_repository

REPOSITORY = Repository("team/app")
LOGIN = Login("gate", "secret")
BASIC = "Basic " + base64.b64encode(b"gate:secret").decode()
DIGEST = Digest.of(b"0123456789")
BLOB_PATH = f"/v2/team/app/blobs/{DIGEST}"
PULL = "repository:team/app:pull"


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with simulated() as running:
        yield running


def ask_for(simulator: Simulator, challenge: str, accepted: set[str]) -> None:
    """Answer HEAD of the blob only to these Authorization headers, and ask the others as `challenge` says."""

    async def answer(request: web.Request) -> web.StreamResponse:
        if request.headers.get("Authorization") in accepted:
            return web.Response(body=b"0123456789")
        return web.Response(status=401, headers={"WWW-Authenticate": challenge})

    simulator.answers["HEAD", BLOB_PATH] = answer


def give_tokens(simulator: Simulator, *tokens: str) -> None:
    """A token service at /token that gives one token after the other."""
    rest = list(tokens)

    async def answer(_request: web.Request) -> web.StreamResponse:
        return web.json_response({"token": rest.pop(0), "expires_in": 300})

    simulator.answers["GET", "/token"] = answer


def authorizations(simulator: Simulator, path: str) -> list[str | None]:
    return [
        request.headers.get("authorization") for request in simulator.seen if request.target.partition("?")[0] == path
    ]


# --- Basic


async def test_a_password_is_shown_when_it_is_asked_for(simulator: Simulator) -> None:
    ask_for(simulator, 'Basic realm="registry"', {BASIC})
    async with gate_before(simulator.url, login=LOGIN) as upstream:
        assert await upstream.blob_size(REPOSITORY, DIGEST) == 10
        assert await upstream.blob_size(REPOSITORY, DIGEST) == 10
    assert authorizations(simulator, BLOB_PATH) == [None, BASIC, BASIC]


async def test_a_wrong_password_is_not_tried_again(simulator: Simulator) -> None:
    ask_for(simulator, 'Basic realm="registry"', set())
    async with gate_before(simulator.url, login=LOGIN) as upstream:
        with pytest.raises(UpstreamRefusedError, match="see the login") as refusal:
            await upstream.blob_size(REPOSITORY, DIGEST)
    assert refusal.value.status == 401
    assert authorizations(simulator, BLOB_PATH) == [None, BASIC]


async def test_without_an_account_a_401_is_a_refusal(simulator: Simulator) -> None:
    ask_for(simulator, 'Basic realm="registry"', {BASIC})
    async with gate_before(simulator.url) as upstream:
        with pytest.raises(UpstreamRefusedError):
            await upstream.blob_size(REPOSITORY, DIGEST)
    assert authorizations(simulator, BLOB_PATH) == [None]


async def test_t84_a_password_is_not_shown_where_a_redirect_leads(simulator: Simulator) -> None:
    async with simulated() as storage:
        storage.on("HEAD", "/blob", body=b"0123456789")

        async def answer(request: web.Request) -> web.StreamResponse:
            if request.headers.get("Authorization") == BASIC:
                return web.Response(status=307, headers={"Location": f"{storage.url}/blob"})
            return web.Response(status=401, headers={"WWW-Authenticate": "Basic realm=x"})

        simulator.answers["HEAD", BLOB_PATH] = answer
        async with gate_before(simulator.url, login=LOGIN) as upstream:
            assert await upstream.blob_size(REPOSITORY, DIGEST) == 10
        assert authorizations(storage, "/blob") == [None]


# --- Bearer


async def test_a_token_is_asked_for_once_for_each_scope(simulator: Simulator) -> None:
    ask_for(simulator, f'Bearer realm="{simulator.url}/token?client=gate",service="the registry"', {"Bearer one"})
    give_tokens(simulator, "one", "two")
    async with gate_before(simulator.url, login=LOGIN) as upstream:
        await upstream.blob_size(REPOSITORY, DIGEST)
        await upstream.blob_size(REPOSITORY, DIGEST)
    assert authorizations(simulator, BLOB_PATH) == [None, "Bearer one", "Bearer one"]
    [asked] = [request for request in simulator.seen if request.target.startswith("/token")]
    assert parse_qs(asked.target.partition("?")[2]) == {
        "client": ["gate"],
        "service": ["the registry"],
        "scope": [PULL],
    }
    assert asked.headers["authorization"] == BASIC


@pytest.mark.parametrize("hops", [1, 2])
async def test_t84_a_token_is_not_shown_where_a_redirect_leads(simulator: Simulator, hops: int) -> None:
    """Not at once, and not after a redirect within the upstream, which does get it again."""
    async with simulated() as storage:
        storage.on("HEAD", "/blob", body=b"0123456789")
        targets = [f"{simulator.url}/v2/moved", f"{storage.url}/blob"][-hops:]

        def redirect(target: str) -> Answer:
            async def answer(request: web.Request) -> web.StreamResponse:
                if request.headers.get("Authorization") == "Bearer one":
                    return web.Response(status=307, headers={"Location": target})
                challenge = f'Bearer realm="{simulator.url}/token",service="r"'
                return web.Response(status=401, headers={"WWW-Authenticate": challenge})

            return answer

        simulator.answers["HEAD", BLOB_PATH] = redirect(targets[0])
        simulator.answers["HEAD", "/v2/moved"] = redirect(targets[-1])
        give_tokens(simulator, "one")
        async with gate_before(simulator.url, login=LOGIN) as upstream:
            assert await upstream.blob_size(REPOSITORY, DIGEST) == 10
        assert authorizations(storage, "/blob") == [None]


@pytest.mark.parametrize(
    ("offered", "asked"),
    [
        ("repository:user/image:pull", ["repository:user/image:pull"]),
        ("repository:user/image:pull,push", None),
        ("repository:a:pull repository:b:pull", None),
        ("registry:catalog:*", None),
        ("", None),
    ],
)
async def test_t85_only_where_none_is_needed_a_harmless_scope_of_the_upstreams_choice_is_asked_for(
    simulator: Simulator, offered: str, asked: list[str] | None
) -> None:
    challenge = f'Bearer realm="{simulator.url}/token",service="r",scope="{offered}"'
    simulator.on("GET", "/v2/", 401, headers={"WWW-Authenticate": challenge})
    ask_for(simulator, challenge, {"Bearer two"})
    give_tokens(simulator, "one", "two")
    async with gate_before(simulator.url) as upstream:
        with pytest.raises(UpstreamRefusedError):
            await upstream.check()
        assert await upstream.blob_size(REPOSITORY, DIGEST) == 10
    queries = [parse_qs(seen.target.partition("?")[2]) for seen in simulator.seen if seen.target.startswith("/token")]
    assert [query.get("scope") for query in queries] == [asked, [PULL]]


async def test_a_token_that_is_no_longer_taken_is_replaced_once(simulator: Simulator) -> None:
    accepted = {"Bearer one"}
    ask_for(simulator, f'Bearer realm="{simulator.url}/token",service="r"', accepted)
    give_tokens(simulator, "one", "two", "three")
    async with gate_before(simulator.url) as upstream:
        await upstream.blob_size(REPOSITORY, DIGEST)
        accepted.clear()
        with pytest.raises(UpstreamRefusedError):
            await upstream.blob_size(REPOSITORY, DIGEST)
        accepted.add("Bearer three")
        assert await upstream.blob_size(REPOSITORY, DIGEST) == 10
    assert authorizations(simulator, BLOB_PATH) == [
        None,
        "Bearer one",
        "Bearer one",
        "Bearer two",
        "Bearer two",
        "Bearer three",
    ]
    assert authorizations(simulator, "/token") == [None, None, None]


async def test_t85_a_token_service_on_another_origin_gets_nothing(simulator: Simulator) -> None:
    async with simulated() as thief:
        give_tokens(thief, "one")
        ask_for(simulator, f'Bearer realm="{thief.url}/token",service="r"', {"Bearer one"})
        async with gate_before(simulator.url, login=LOGIN) as upstream:
            with pytest.raises(UpstreamRefusedError, match="its token_origins"):
                await upstream.blob_size(REPOSITORY, DIGEST)
        assert thief.seen == []


async def test_t85_a_token_service_on_a_configured_origin_is_asked(simulator: Simulator) -> None:
    async with simulated() as service:
        give_tokens(service, "one")
        ask_for(simulator, f'Bearer realm="{service.url}/token",service="r"', {"Bearer one"})
        async with gate_before(simulator.url, login=LOGIN, token_origins=(service.url,)) as upstream:
            assert await upstream.blob_size(REPOSITORY, DIGEST) == 10
        assert authorizations(service, "/token") == [BASIC]


@pytest.mark.parametrize("status", [302, 401, 500])
async def test_t84_a_token_service_is_not_followed_elsewhere(simulator: Simulator, status: int) -> None:
    ask_for(simulator, f'Bearer realm="{simulator.url}/token",service="r"', {"Bearer one"})
    simulator.on("GET", "/token", status, b'{"token": "one"}', {"Location": "/other"})
    async with gate_before(simulator.url, login=LOGIN) as upstream:
        with pytest.raises(UpstreamError, match="token"):
            await upstream.blob_size(REPOSITORY, DIGEST)
    assert not [request for request in simulator.seen if request.target == "/other"]


@pytest.mark.parametrize("realm", ["", "token", "file:///etc/passwd", "http://user@127.0.0.1/token"])
async def test_a_realm_that_is_no_address_is_refused(simulator: Simulator, realm: str) -> None:
    ask_for(simulator, f'Bearer realm="{realm}",service="r"', set())
    async with gate_before(simulator.url, login=LOGIN) as upstream:
        with pytest.raises(UpstreamRefusedError, match="token service"):
            await upstream.blob_size(REPOSITORY, DIGEST)


# --- a token that goes as it is

STATIC = Login(token="a.static-token")


async def test_a_static_token_is_shown_at_once_and_nothing_is_asked_for_it(simulator: Simulator) -> None:
    ask_for(simulator, f'Bearer realm="{simulator.url}/token",service="r"', {"Bearer a.static-token"})
    async with gate_before(simulator.url, login=STATIC) as upstream:
        assert await upstream.blob_size(REPOSITORY, DIGEST) == 10
    assert authorizations(simulator, BLOB_PATH) == ["Bearer a.static-token"]
    assert authorizations(simulator, "/token") == []


async def test_t85_a_static_token_that_is_refused_is_shown_to_nobody_else(simulator: Simulator) -> None:
    async with simulated() as service:
        ask_for(simulator, f'Bearer realm="{service.url}/token",service="r"', set())
        async with gate_before(simulator.url, login=STATIC, token_origins=(service.url,)) as upstream:
            with pytest.raises(UpstreamRefusedError) as refusal:
                await upstream.blob_size(REPOSITORY, DIGEST)
        assert service.seen == []
    assert refusal.value.status == 401
    assert authorizations(simulator, BLOB_PATH) == ["Bearer a.static-token"]


async def test_t84_a_static_token_is_not_shown_where_a_redirect_leads(simulator: Simulator) -> None:
    async with simulated() as storage:
        storage.on("HEAD", "/blob", body=b"0123456789")
        simulator.on("HEAD", BLOB_PATH, 307, headers={"Location": f"{storage.url}/blob"})
        async with gate_before(simulator.url, login=STATIC) as upstream:
            assert await upstream.blob_size(REPOSITORY, DIGEST) == 10
        assert authorizations(storage, "/blob") == [None]


# --- a login that changes


class Rotating:
    """Gives the next login when the one before is refused."""

    def __init__(self, *logins: Login) -> None:
        self._logins = list(logins)

    async def login(self, refused: Login | None = None) -> Login:
        if refused == self._logins[0] and len(self._logins) > 1:
            del self._logins[0]
        return self._logins[0]


OLD, NEW = Login("gate", "old"), Login("gate", "new")


async def test_a_password_that_was_changed_is_looked_up_again(simulator: Simulator) -> None:
    ask_for(simulator, "Basic realm=x", {str(NEW.basic)})
    async with gate_before(simulator.url, login=Rotating(OLD, NEW)) as upstream:
        with pytest.raises(UpstreamRefusedError):
            await upstream.blob_size(REPOSITORY, DIGEST)
        assert await upstream.blob_size(REPOSITORY, DIGEST) == 10
    assert authorizations(simulator, BLOB_PATH) == [None, OLD.basic, OLD.basic, NEW.basic]


async def test_a_token_service_gets_the_changed_password_at_once(simulator: Simulator) -> None:
    ask_for(simulator, f'Bearer realm="{simulator.url}/token",service="r"', {"Bearer one"})

    async def answer(request: web.Request) -> web.StreamResponse:
        accepted = request.headers.get("Authorization") == NEW.basic
        return web.json_response({"token": "one"}) if accepted else web.Response(status=401)

    simulator.answers["GET", "/token"] = answer
    async with gate_before(simulator.url, login=Rotating(OLD, NEW)) as upstream:
        assert await upstream.blob_size(REPOSITORY, DIGEST) == 10
    assert authorizations(simulator, "/token") == [OLD.basic, NEW.basic]


async def test_a_static_token_that_was_changed_is_looked_up_again(simulator: Simulator) -> None:
    ask_for(simulator, "Bearer", {"Bearer new"})
    async with gate_before(simulator.url, login=Rotating(Login(token="old"), Login(token="new"))) as upstream:
        assert await upstream.blob_size(REPOSITORY, DIGEST) == 10


# --- the authorizer alone, on a clock of ours


class TokenService:
    """Gives numbered tokens with a lifetime."""

    def __init__(self, answer: dict[str, Any]) -> None:
        self.answer = answer
        self.asked = 0

    async def __call__(self, _url: URL, _headers: dict[str, str]) -> dict[str, Any]:
        self.asked += 1
        return {"token": f"t{self.asked}", **self.answer}


HOME = Origin("https", "registry.example", 443)
CHALLENGE = 'Bearer realm="https://registry.example/token",service="r"'


@pytest.mark.parametrize(
    ("answer", "kept"),
    [
        ({"expires_in": 300}, 290),
        ({}, 50),
        ({"expires_in": "soon"}, 50),
        ({"expires_in": 4}, 2),
        ({"expires_in": -1}, 50),
    ],
)
async def test_a_token_is_kept_until_shortly_before_it_expires(answer: dict[str, Any], kept: float) -> None:
    now = 1000.0
    service = TokenService(answer)
    authorizer = Authorizer(HOME, LOGIN, frozenset(), service, lambda: now)
    assert await authorizer.learn([CHALLENGE], PULL, None)
    assert await authorizer.header(PULL) == "Bearer t1"
    now = 1000.0 + kept - 0.5
    assert await authorizer.header(PULL) == "Bearer t1"
    now = 1000.0 + kept
    assert await authorizer.header(PULL) == "Bearer t2"


@pytest.mark.parametrize("token", [None, "", 7, "two words", "a\r\nX-Evil: 1", "x" * 16385])
async def test_a_token_that_cannot_be_a_header_is_refused(token: object) -> None:
    authorizer = Authorizer(HOME, LOGIN, frozenset(), TokenService({"token": token}))
    await authorizer.learn([CHALLENGE], PULL, None)
    with pytest.raises(BrokenContentError):
        await authorizer.header(PULL)


async def test_a_token_is_asked_for_once_by_all_who_need_it() -> None:
    asked = 0
    go = asyncio.Event()

    async def fetch(_url: URL, _headers: dict[str, str]) -> dict[str, Any]:
        nonlocal asked
        asked += 1
        await go.wait()
        return {"token": f"t{asked}"}

    authorizer = Authorizer(HOME, LOGIN, frozenset(), fetch)
    await authorizer.learn([CHALLENGE], PULL, None)
    waiting = [asyncio.create_task(authorizer.header(PULL)) for _ in range(8)]
    await asyncio.sleep(0)
    go.set()
    assert await asyncio.gather(*waiting) == ["Bearer t1"] * 8
    assert asked == 1


async def test_who_waits_for_a_token_is_not_stopped_by_who_gave_up() -> None:
    started = asyncio.Event()

    class Service(TokenService):
        async def __call__(self, url: URL, headers: dict[str, str]) -> dict[str, Any]:
            answer = await super().__call__(url, headers)
            if self.asked == 1:
                started.set()
                await asyncio.Event().wait()
            return answer

    authorizer = Authorizer(HOME, LOGIN, frozenset(), Service({}))
    await authorizer.learn([CHALLENGE], PULL, None)
    first = asyncio.create_task(authorizer.header(PULL))
    await started.wait()
    second = asyncio.create_task(authorizer.header(PULL))
    first.cancel()
    assert await second == "Bearer t2"


async def test_tokens_are_remembered_within_bounds() -> None:
    service = TokenService({})
    authorizer = Authorizer(HOME, LOGIN, frozenset(), service)
    await authorizer.learn([CHALLENGE], PULL, None)
    for number in range(1001):
        await authorizer.header(f"repository:r{number}:pull")
    await authorizer.header("repository:r1000:pull")
    assert service.asked == 1001
    await authorizer.header("repository:r0:pull")
    assert service.asked == 1002


def test_t81_a_login_is_not_shown_with_its_password() -> None:
    assert "secret" not in repr(LOGIN)


@pytest.mark.parametrize(
    ("headers", "found"),
    [
        ([], {}),
        (['Basic realm="a, b"'], {"basic": {"realm": "a, b"}}),
        (["Negotiate"], {"negotiate": {}}),
        (
            ['Negotiate, Bearer realm="https://x/y",scope="repository:a:pull,push", Basic realm=z'],
            {
                "negotiate": {},
                "bearer": {"realm": "https://x/y", "scope": "repository:a:pull,push"},
                "basic": {"realm": "z"},
            },
        ),
        (['Bearer realm="first"', 'Bearer realm="second"'], {"bearer": {"realm": "first"}}),
        ([r'Bearer realm="a \"quoted\" name"'], {"bearer": {"realm": 'a "quoted" name'}}),
    ],
)
def test_challenges_are_read(headers: list[str], found: dict[str, dict[str, str]]) -> None:
    assert parse_challenges(headers) == found


@given(st.lists(st.text(max_size=200), max_size=4))
def test_challenges_can_be_anything(headers: list[str]) -> None:
    parse_challenges(headers)


# --- real registries


async def push_and_pull(url: str, login: Login, token_origins: tuple[str, ...]) -> None:
    source, target = fresh_repository(), fresh_repository()
    async with gate_before(url, login=login, token_origins=token_origins) as upstream:
        await upstream.check()
        body = await push_image(upstream, source)
        await upstream.put_manifest(source, Tag("v1"), OCI_MANIFEST, body)
        found = await upstream.get_manifest(source, Tag("v1"))
        assert found is not None
        assert found.body == body
        digest = await push_blob(upstream, source, b"shared")
        assert await upstream.mount_blob(target, digest, source) is True
        assert source in await upstream.repositories()
        assert await upstream.delete_manifest(source, Digest.of(body)) is True


@pytest.mark.real
async def test_docker_registry_with_a_password(docker_registry_with_password: RealRegistry) -> None:
    await push_and_pull(docker_registry_with_password.url, Login(USERNAME, PASSWORD), ())


@pytest.mark.real
async def test_docker_registry_with_a_token_service(docker_registry_with_tokens: RealRegistry) -> None:
    registry = docker_registry_with_tokens
    await push_and_pull(registry.url, Login(USERNAME, PASSWORD), (registry.token_origin,))


@pytest.mark.real
async def test_docker_registry_refuses_a_wrong_password(
    docker_registry_with_password: RealRegistry, docker_registry_with_tokens: RealRegistry
) -> None:
    for registry in (docker_registry_with_password, docker_registry_with_tokens):
        origins = (registry.token_origin,) if registry.token_origin else ()
        async with gate_before(registry.url, login=Login(USERNAME, "wrong"), token_origins=origins) as upstream:
            with pytest.raises(UpstreamRefusedError):
                await upstream.begin_upload(fresh_repository())
