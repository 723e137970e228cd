"""The login for Amazon ECR: from AWS's API, as a server of moto speaks it, and renewed in time."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta

import pytest
from aiohttp import web
from botocore.exceptions import NoCredentialsError
from moto.server import ThreadedMotoServer

from proxy.upstream.ecr import Ecr, EcrLogin
from proxy.upstream.ecr_names import region_of
from proxy.upstream.login import Login
from proxy.upstream.port import UpstreamRefusedError, UpstreamUnavailableError
from scanning.oci.digest import Digest
from scanning.oci.names import Repository
from tests.ports import free_port
from tests.proxy.upstream.simulator import Simulator, gate_before, simulated

BLOB = b"0123456789"
DIGEST = Digest.of(BLOB)
REPOSITORY = Repository("team/app")
BLOB_PATH = f"/v2/team/app/blobs/{DIGEST}"
HOURS = 3600.0


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    """A server that speaks ECR's API."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def _aws(monkeypatch: pytest.MonkeyPatch) -> None:
    names = {"ACCESS_KEY_ID": "test", "SECRET_ACCESS_KEY": "test", "CONFIG_FILE": "/dev/null"}
    for name, value in names.items():
        monkeypatch.setenv(f"AWS_{name}", value)


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with simulated() as running:
        yield running


@pytest.mark.parametrize(
    ("host", "region"),
    [
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com", "eu-west-1"),
        ("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn", "cn-north-1"),
        ("123456789012.dkr.ecr-fips.us-gov-west-1.amazonaws.com", "us-gov-west-1"),
        ("123456789012.dkr-ecr.us-east-1.on.aws", "us-east-1"),
        ("123456789012.dkr.ecr.eu-west-1.amazonaws.com.evil.example", None),
        ("ecr.example.com", None),
    ],
)
def test_the_name_of_a_registry_says_its_region(host: str, region: str | None) -> None:
    assert region_of(host) == region


# --- with AWS's API


@pytest.mark.usefixtures("_aws")
async def test_aws_gives_the_login_that_the_registry_asks_for(endpoint: str, simulator: Simulator) -> None:
    seen: list[str | None] = []

    async def answer(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers.get("Authorization"))
        if seen[-1] != Login("AWS", "123456789012-auth-token").basic:
            realm = f'Basic realm="{simulator.url}/",service="ecr.amazonaws.com"'
            return web.Response(status=401, headers={"WWW-Authenticate": realm})
        return web.Response(body=BLOB)

    simulator.answers["HEAD", BLOB_PATH] = answer
    async with gate_before(simulator.url, login=EcrLogin(Ecr("eu-west-1", endpoint).fetch)) as upstream:
        assert await upstream.blob_size(REPOSITORY, DIGEST) == 10
        assert await upstream.blob_size(REPOSITORY, DIGEST) == 10
    assert seen[0] is None
    assert len(seen) == 3


@pytest.mark.usefixtures("_aws")
async def test_t84_the_login_goes_neither_with_a_redirect_nor_to_a_token_service(
    endpoint: str, simulator: Simulator
) -> None:
    async with simulated() as other:
        other.on("HEAD", "/blob", body=BLOB)

        async def answer(request: web.Request) -> web.StreamResponse:
            if "Authorization" not in request.headers:
                return web.Response(status=401, headers={"WWW-Authenticate": "Basic realm=x"})
            return web.Response(status=307, headers={"Location": f"{other.url}/blob"})

        simulator.answers["HEAD", BLOB_PATH] = answer
        login = EcrLogin(Ecr("eu-west-1", endpoint).fetch)
        async with gate_before(simulator.url, login=login) as upstream:
            assert await upstream.blob_size(REPOSITORY, DIGEST) == 10
            hijack = {"WWW-Authenticate": f'Bearer realm="{other.url}/token",service="r"'}
            simulator.on("HEAD", BLOB_PATH, 401, headers=hijack)
            with pytest.raises(UpstreamRefusedError, match="token_origins"):
                await upstream.blob_size(REPOSITORY, DIGEST)
        assert [(seen.target, seen.headers.get("authorization")) for seen in other.seen] == [("/blob", None)]


@pytest.mark.usefixtures("_aws")
async def test_aws_that_cannot_be_reached_is_said() -> None:
    source = EcrLogin(Ecr("eu-west-1", f"http://127.0.0.1:{free_port()}").fetch)
    with pytest.raises(UpstreamUnavailableError, match="ecr:GetAuthorizationToken"):
        await source.login()


# --- on clocks of ours


class Aws:
    """Gives numbered passwords of twelve hours; counts, and fails when told to."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.asked = 0
        self.fails = False
        self.threads: set[threading.Thread] = set()

    def monotonic(self) -> float:
        return self.now

    def wall(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.now)

    def fetch(self) -> tuple[Login, datetime]:
        self.asked += 1
        self.threads.add(threading.current_thread())
        if self.fails:
            raise NoCredentialsError
        return Login("AWS", f"p{self.asked}"), self.wall() + timedelta(hours=12)


@pytest.fixture
def aws() -> Aws:
    return Aws()


@pytest.fixture
def source(aws: Aws) -> EcrLogin:
    return EcrLogin(aws.fetch, aws.wall, aws.monotonic)


async def password(source: EcrLogin, refused: Login | None = None) -> str:
    return (await source.login(refused)).password


async def test_a_password_is_renewed_before_it_ends(aws: Aws, source: EcrLogin) -> None:
    assert await password(source) == "p1"
    aws.now += 9 * HOURS - 1
    assert await password(source) == "p1"
    aws.now += 1
    assert await password(source) == "p2"
    assert threading.main_thread() not in aws.threads


async def test_a_renewal_that_fails_leaves_the_old_password_until_its_end(aws: Aws, source: EcrLogin) -> None:
    await source.login()
    aws.fails = True
    aws.now += 9 * HOURS
    assert await password(source) == "p1"
    aws.now += 59
    assert await password(source) == "p1"
    assert aws.asked == 2
    aws.now += 1
    assert await password(source) == "p1"
    assert aws.asked == 3
    aws.now += 3 * HOURS
    with pytest.raises(UpstreamUnavailableError):
        await source.login()
    aws.fails = False
    with pytest.raises(UpstreamUnavailableError):
        await source.login()
    assert aws.asked == 4
    aws.now += 10
    assert await password(source) == "p5"


async def test_a_password_that_is_refused_is_replaced_once_a_minute(aws: Aws, source: EcrLogin) -> None:
    refused = await source.login()
    assert await password(source, refused) == "p1"
    aws.now += 60
    assert await password(source, refused) == "p2"
    assert await password(source, refused) == "p2"


async def test_a_clock_that_is_wrong_does_not_make_every_request_ask(aws: Aws) -> None:
    ahead = EcrLogin(aws.fetch, lambda: aws.wall() + timedelta(days=3), aws.monotonic)
    for _ in range(5):
        assert await password(ahead) == "p1"
        aws.now += 10
    aws.now += 10
    assert await password(ahead) == "p2"


async def test_all_who_wait_ask_once(aws: Aws, source: EcrLogin) -> None:
    assert await asyncio.gather(*(password(source) for _ in range(8))) == ["p1"] * 8
    assert aws.asked == 1


async def test_nobody_waits_for_a_renewal_while_the_old_password_is_good(aws: Aws) -> None:
    renewing, go = threading.Event(), threading.Event()

    def fetch() -> tuple[Login, datetime]:
        if aws.asked:
            renewing.set()
            assert go.wait(60)
        return aws.fetch()

    source = EcrLogin(fetch, aws.wall, aws.monotonic)
    await source.login()
    aws.now += 10 * HOURS
    renewal = asyncio.create_task(password(source))
    assert await asyncio.to_thread(renewing.wait, 60)
    assert await password(source) == "p1"
    go.set()
    assert await renewal == "p2"
