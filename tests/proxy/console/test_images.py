"""Images in the console of a whole gate: what tags mean, what is in one, how two differ, and verdicts made again."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from proxy.identity.principal import Role
from tests.images import debian, image
from tests.proxy.cli.conftest import SSH, push
from tests.proxy.console.browser import Browser
from tests.proxy.console.gates import Gate
from tests.proxy.whole_gate import whole_gate

pytestmark = pytest.mark.asyncio(loop_scope="module")

OLD = image(debian(("openssl", "3.0.14-1")))
NEW = image(debian(("openssl", "3.0.15-1")), env=["MOTTO=<b>bold</b>"])
REFUSED = image(debian(), SSH)
People = Callable[..., Awaitable[Browser]]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def gate(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Gate]:
    """A gate where a tag moved after somebody had pulled it, and a push was refused."""
    async with whole_gate(tmp_path_factory.mktemp("console")) as (url, services, session):
        started = Gate(url, session, services)
        await push(services, OLD, "team/app:1")
        await started.pull("1", "edge")
        await started.pull("1", "cluster")
        await push(services, NEW, "team/app:1")
        await push(services, OLD, "team/app:0")
        await push(services, OLD, "other/app:1")
        await push(services, REFUSED, "team/app:refused")
        yield started


@pytest.fixture
def people(gate: Gate) -> People:
    """Browsers of people with a role."""
    return gate.signed_in


async def test_the_tags_are_listed_for_whoever_may_pull_them(people: People) -> None:
    operator = await people(Role.OPERATOR, "team/**")
    rows = (await operator.get("/console/images")).rows()
    assert [row[0] for row in rows] == ["team/app:0", "team/app:1"]
    assert rows[1][1] == "admit"
    assert rows[1][4:] == ["1", f"sha256:{NEW.digest.short}…"]
    admin = await people(Role.ADMIN)
    rows = (await admin.get("/console/images?repository=other/app")).rows()
    assert [row[0] for row in rows] == ["other/app:1"]


async def test_every_tag_is_on_one_of_the_pages(people: People, gate: Gate, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the name of one repository goes on from that of another with a sign that comes before a colon."""
    for tag in ("paged/app:1", "paged/app-b:1", "paged/app.c:1", "paged/app/d:1"):
        await push(gate.services, OLD, tag)
    monkeypatch.setattr("proxy.console.images._PAGE", 1)
    operator = await people(Role.OPERATOR, "paged/**")
    seen: list[str] = []
    following: str | None = "/console/images"
    while following:
        page = await operator.get(following)
        seen += [row[0] for row in page.rows()]
        following = next((link for link in page.links if "last=" in link), None)
    assert sorted(seen) == sorted(["paged/app:1", "paged/app-b:1", "paged/app.c:1", "paged/app/d:1"])


async def test_of_very_many_who_are_behind_some_are_shown(people: People, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.console.images._MOST_BEHIND", 1)
    admin = await people(Role.ADMIN)
    page = await admin.get("/console/images/behind")
    while page.status == 200 and "There are 1 more: imagegate image list --behind" not in page.text:
        page = await admin.get("/console/images/behind")  # pulls are recorded in batches
    assert len(page.rows()) == 1


async def test_who_is_behind_is_told_to_admins(people: People) -> None:
    admin = await people(Role.ADMIN)
    page = await admin.get("/console/images/behind")
    while page.status == 200 and len(page.rows()) < 2:
        page = await admin.get("/console/images/behind")  # pulls are recorded in batches
    rows = page.rows()
    assert rows[1][0] == "edge"
    assert (rows[0][0], rows[0][1]) == ("cluster", "team/app:1")
    assert (rows[0][3], rows[0][4]) == (f"sha256:{OLD.digest.short}…", f"sha256:{NEW.digest.short}…")
    assert "cluster last pulled team/app:1" in (await admin.get("/console/")).text
    operator = await people(Role.OPERATOR)
    assert (await operator.get("/console/images/behind")).status == 404
    assert "cluster" not in (await operator.get("/console/")).text
    assert "cluster" not in (await operator.get("/console/images")).text


async def test_an_image_is_told_whole(people: People) -> None:
    operator = await people(Role.OPERATOR, "team/**")
    page = await operator.get("/console/image?name=team/app:1")
    assert page.heading == "team/app:1"
    assert "ADMITTED" in page.text
    assert "Packages (1)" in page.text
    assert ["openssl", "3.0.15-1"] in [row[:2] for row in page.rows()]


async def test_the_bill_of_materials_is_a_file(people: People) -> None:
    operator = await people(Role.OPERATOR, "team/**")
    page = await operator.get("/console/image?name=team/app:1")
    (link,) = (link for link in page.links if "spdx" in link)
    answer = await operator.send("GET", link)
    assert answer.headers["Content-Disposition"] == 'attachment; filename="team-app.spdx.json"'
    assert "openssl" in [package["name"] for package in json.loads(answer.body)["packages"]]


async def test_two_images_are_compared(people: People) -> None:
    operator = await people(Role.OPERATOR, "team/**")
    form = (await operator.get("/console/image?name=team/app:1")).form("/console/image/diff")
    assert form.fields["before"] == "team/app:0"
    page = await operator.submit(form)
    assert ["changed", "deb openssl", "3.0.14-1", "3.0.15-1"] in page.rows()
    assert ["came", "env MOTTO", "none", "<b>bold</b>"] in page.rows()
    same = await operator.get("/console/image/diff?before=team/app:0&after=team/app:0")
    assert "The same in all that is compared." in same.text


async def test_images_of_others_are_as_unknown_as_none(people: People) -> None:
    operator = await people(Role.OPERATOR, "team/**")
    for path in (
        "/console/image?name=other/app:1",
        f"/console/image?name=other/app@{OLD.digest}",
        "/console/image/sbom?name=other/app:1",
        "/console/image/diff?before=team/app:1&after=other/app:1",
    ):
        page = await operator.get(path)
        assert page.status == 404
        assert "there is no repository other/app, or it is not yours to see" in page.text
    some = await people(Role.ADMIN, "team/**")
    assert (await some.get(f"/console/image?name=other/app@{OLD.digest}")).status == 404


async def test_a_refused_image_is_told_to_admins_by_its_digest(people: People) -> None:
    admin = await people(Role.ADMIN)
    page = await admin.get(f"/console/image?name=team/app@{REFUSED.digest}")
    assert "REFUSED" in page.text
    assert "Tools (1)" in page.text
    operator = await people(Role.OPERATOR)
    assert (await operator.get(f"/console/image?name=team/app@{REFUSED.digest}")).status in (403, 404)


async def test_a_verdict_is_made_again_by_admins(people: People) -> None:
    admin = await people(Role.ADMIN)
    (row,) = (await admin.get("/console/verdicts?outcome=reject")).rows()
    page = await admin.get(f"/console/verdicts/{row[0]}/replay")
    assert page.heading == "The same answer"
    developer = await people(Role.DEVELOPER)
    assert (await developer.get(f"/console/verdicts/{row[0]}/replay")).status == 403
    assert "replay" not in (await developer.get(f"/console/verdicts/{row[0]}")).html
