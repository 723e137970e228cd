"""Images over HTTP: what the tags mean, what is in one, and how two differ; each for whoever may pull it."""

from collections.abc import AsyncIterator

import aiohttp
import pytest
import pytest_asyncio

from config.patterns import RepositoryPattern
from proxy.clock import utc_now
from proxy.identity import tokens
from proxy.identity.principal import Role
from proxy.identity.tokens import NewGrant
from proxy.services import Services
from tests.images import debian, image, index
from tests.proxy.cli.conftest import SSH, push
from tests.proxy.face import ADMINISTRATOR, Answer, basic
from tests.proxy.whole_gate import whole_gate

pytestmark = pytest.mark.asyncio(loop_scope="module")

OLD = image(debian(("openssl", "3.0.14-1")))
NEW = image(debian(("openssl", "3.0.15-1")))
REFUSED = image(debian(), SSH)
BOTH = index(NEW, image(debian(), architecture="arm64"))


class Served:
    """A gate over HTTP, and tokens to ask it with, by the names of their roles."""

    def __init__(self, url: str, services: Services, session: aiohttp.ClientSession) -> None:
        self.url = url
        self.services = services
        self.session = session
        self.tokens: dict[str, str] = {}

    async def new_token(self, name: str, role: Role, pattern: str) -> None:
        """Make a token, known as `name` from now on."""
        new = NewGrant(name, role, (RepositoryPattern(pattern),))
        _, token = await tokens.create(self.services.database, new, ADMINISTRATOR, utc_now())
        self.tokens[name] = token.text

    async def get(self, path: str, who: str = "admin") -> Answer:
        """Ask for something below /api/v1/images."""
        headers = {"Authorization": basic(self.tokens[who])}
        async with self.session.get(f"{self.url}/api/v1/images{path}", headers=headers) as response:
            body = await response.read()
            return Answer(response.status, response.headers, body, await response.json())

    async def pull(self, tag: str, who: str) -> None:
        """Pull a manifest of team/app as clients do."""
        headers = {"Authorization": basic(self.tokens[who])}
        async with self.session.get(f"{self.url}/v2/team/app/manifests/{tag}", headers=headers) as response:
            assert response.status == 200


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gate(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Served]:
    """A gate where a tag moved after somebody had pulled it, and a push was refused."""
    async with whole_gate(tmp_path_factory.mktemp("images")) as (url, services, session):
        served = Served(url, services, session)
        await served.new_token("admin", Role.ADMIN, "**")
        await served.new_token("cluster", Role.OPERATOR, "team/**")
        await served.new_token("stranger", Role.OPERATOR, "other/**")
        await push(services, OLD, "team/app:1")
        await served.pull("1", "cluster")
        await push(services, NEW, "team/app:1")
        await push(services, OLD, "team/app:0")
        await push(services, BOTH, "team/app:both")
        await push(services, OLD, "other/app:1")
        await push(services, REFUSED, "team/app:refused")
        yield served


async def until_recorded(gate: Served) -> None:
    """Pulls are recorded in batches; ask until this one is."""
    while not (await gate.get("?behind=true")).json["behind"]:
        pass


async def test_the_tags_of_whoever_asks_are_listed_with_how_they_stand_today(gate: Served) -> None:
    everything = (await gate.get("")).json["images"]
    assert [one["image"] for one in everything] == ["other/app:1", "team/app:0", "team/app:1", "team/app:both"]
    moved = everything[2]
    assert (moved["digest"], moved["stands"], moved["older"]) == (str(NEW.digest), "admit", 1)

    mine = (await gate.get("", "cluster")).json["images"]
    assert [one["image"] for one in mine] == ["team/app:0", "team/app:1", "team/app:both"]
    assert "by" not in mine[0]  # who else pulls is not theirs to know
    assert (await gate.get("?repository=other/app", "cluster")).json == {"images": []}


async def test_the_list_comes_in_pages(gate: Served) -> None:
    first = await gate.get("?n=2")
    assert [one["image"] for one in first.json["images"]] == ["other/app:1", "team/app:0"]
    second = await gate.get(first.headers["Link"].partition(">")[0].removeprefix("</api/v1/images"))
    assert [one["image"] for one in second.json["images"]] == ["team/app:1", "team/app:both"]
    assert "Link" not in second.headers
    for wrong in ("?n=101", "?behind=yes", "?last=nothing:1", "?tag=1"):
        assert (await gate.get(wrong)).status == 400


async def test_an_admin_is_told_who_may_still_run_something_older(gate: Served) -> None:
    await until_recorded(gate)
    (late,) = (await gate.get("?behind=true")).json["behind"]
    assert (late["who"], late["image"], late["got"], late["now"]) == (
        "cluster",
        "team/app:1",
        str(OLD.digest),
        str(NEW.digest),
    )
    moved = (await gate.get("?repository=team/app")).json["images"][1]
    assert (moved["image"], moved["by"]) == ("team/app:1", "cluster")
    assert (await gate.get("?behind=true", "cluster")).status == 403


async def test_an_image_is_shown_with_all_that_its_verdict_was_made_of(gate: Served) -> None:
    (shown,) = (await gate.get("/team/app/1", "cluster")).json["images"]
    assert shown["verdict"]["digest"] == str(NEW.digest)
    assert [package["version"] for package in shown["facts"]["packages"]] == ["3.0.15-1"]
    whole, first, second = (await gate.get("/team/app/both", "cluster")).json["images"]
    assert (whole["facts"], first["verdict"]["digest"]) == (None, str(NEW.digest))
    assert second["facts"]["platform"]["architecture"] == "arm64"
    assert (await gate.get("/team/app/1", "stranger")).status == 403
    assert (await gate.get("/team/app/nothing", "cluster")).status == 404


@pytest.mark.parametrize("path", ["", "/sbom"])
async def test_what_was_refused_is_shown_to_admins_only(gate: Served, path: str) -> None:
    assert (await gate.get(f"/team/app/{REFUSED.digest}{path}")).status == 200
    assert (await gate.get(f"/team/app/{REFUSED.digest}{path}", "cluster")).status in (403, 404)


async def test_two_images_are_compared(gate: Served) -> None:
    found = (await gate.get("/team/app/0/diff?with=team/app:1", "cluster")).json
    (changed,) = found["packages_changed"]
    assert (changed["before"], changed["after"]) == ("3.0.14-1", "3.0.15-1")
    same = await gate.get("/team/app/0/diff?with=other/app:1")
    assert same.json["packages_changed"] == []
    hidden = await gate.get("/team/app/0/diff?with=other/app:1", "cluster")
    assert (hidden.status, "not yours to see" in hidden.json["errors"][0]["message"]) == (404, True)
    for wrong in ("", "?with=", "?to=team/app:1", "?with=TEAM:1"):
        assert (await gate.get(f"/team/app/0/diff{wrong}")).status == 400
