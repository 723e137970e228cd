"""Tokens in the console: made and shown once, listed, revoked; for admins, within what their own token covers."""

import pytest

from proxy.identity.principal import Role
from storage.audit import Event
from tests.proxy.console.browser import Browser, Page
from tests.proxy.console.conftest import SignedIn
from tests.proxy.face import Face, basic

LIST = "/console/tokens"


async def make(browser: Browser, **fields: str) -> Page:
    form = (await browser.get(LIST)).form(LIST)
    return await browser.submit(form, **({"name": "ci", "role": "developer", "repositories": "team/**"} | fields))


def secret_on(page: Page) -> str:
    (found,) = [str(code.text) for code in page.tree.iter("code") if code.get("class") == "secret"]
    return found


async def test_a_token_is_made_shown_once_and_works(face: Face, admin: Browser) -> None:
    page = await make(admin, expires="30d")
    token = secret_on(page)
    assert page.heading == "ci"
    assert "it is shown this once and kept nowhere" in page.text
    assert "live until 2026-01-31 00:00 UTC" in page.text
    assert (await face.call("GET", "/v2/team/app/tags/list", token=token)).status == 404
    again = await admin.get(f"{LIST}/{token.split('_')[1]}")
    assert token not in again.html
    assert token.split("_", 2)[2] not in again.html
    last = (await face.audited())[-1]
    assert (last.event, last.actor) == (Event.TOKEN_CREATED, "alice")
    assert token not in str(last)


async def test_the_secret_lies_in_no_address_and_no_readable_cookie(face: Face, admin: Browser) -> None:
    form = (await admin.get(LIST)).form(LIST)
    answer = await admin.post(LIST, {**form.fields, "name": "ci", "repositories": "**", "role": "operator"})
    sealed = str(answer.set_cookies) + answer.headers["Location"]
    assert answer.body == b""
    token = secret_on(Page(await admin.send("GET", answer.headers["Location"])))
    assert token not in sealed
    assert token.split("_", 2)[2] not in sealed


async def test_what_was_shown_to_one_is_shown_to_nobody_else(face: Face, admin: Browser, signed_in: SignedIn) -> None:
    form = (await admin.get(LIST)).form(LIST)
    answer = await admin.post(LIST, {**form.fields, "name": "ci", "repositories": "**", "role": "operator"})
    other = await signed_in(Role.ADMIN, name="mallory")
    other.cookies |= {name: value for name, value in admin.cookies.items() if "notice" in name}
    assert not [code for code in (await other.get(answer.headers["Location"])).tree.iter("code") if code.get("class")]
    face.time.passed += 61
    assert not [code for code in (await admin.get(answer.headers["Location"])).tree.iter("code") if code.get("class")]


async def test_tokens_are_listed_and_those_that_ended_on_request(face: Face, admin: Browser) -> None:
    await make(admin, name="short", expires="10m")
    await make(admin, name="for-ever", expires="")
    assert {"short", "for-ever"} <= {row[0] for row in (await admin.get(LIST)).rows()}
    face.time.passed += 600
    page = await admin.get(LIST)
    assert "short" not in {row[0] for row in page.rows()}
    rows = {row[0]: row for row in (await admin.get(f"{LIST}?all=true")).rows()}
    assert rows["short"][3] == "expired"
    assert rows["for-ever"][1:6] == ["developer", "team/**", "live", "never", "never"]


async def test_when_a_token_was_last_used_is_shown(face: Face, admin: Browser) -> None:
    await face.services.uses.write()
    (used,) = (row[5] for row in (await admin.get(LIST)).rows() if row[0] == "alice")
    assert used == f"{face.time.now():%Y-%m-%d %H:%M}"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": " "}, "say what the token is for"),
        ({"repositories": ""}, "name at least one pattern of repositories"),
        ({"repositories": "Team/**"}, "Team/**"),
        ({"role": "root"}, "there is no role 'root'; there are admin, developer, creator, operator"),
        ({"expires": "soon"}, "'soon' is no length of time"),
        ({"expires": "9999999d"}, "is longer than there are years"),
        ({"expires": "0d"}, "a token that has ended already"),
    ],
)
async def test_what_cannot_be_is_told_above_the_form_and_nothing_is_lost(
    face: Face, admin: Browser, wrong: dict[str, str], said: str
) -> None:
    page = await make(admin, **wrong)
    assert page.status == 400
    assert said in page.text
    kept = page.form(LIST).fields
    assert {name: kept.get(name, "") for name in wrong if name in ("repositories", "expires")} == {
        name: value for name, value in wrong.items() if name in ("repositories", "expires")
    }
    assert (await face.audited())[-1].event is Event.SIGNED_IN


async def test_a_token_is_revoked_after_a_look_at_it(face: Face, admin: Browser) -> None:
    token = secret_on(await make(admin))
    path = f"{LIST}/{token.split('_')[1]}"
    page = await admin.submit((await admin.get(path)).form(f"{path}/revoke"))
    assert "The token ci is refused everywhere within 5 seconds." in page.text
    face.time.passed += 5
    assert (await face.call("GET", "/v2/", headers={"Authorization": basic(token)})).status == 401
    assert "Revoke it" not in (await admin.get(path)).text


async def test_the_last_admin_cannot_end_himself(admin: Browser) -> None:
    page = await admin.get(LIST)
    (own,) = (str(link.get("href")) for link in page.tree.iter("a") if link.text == "alice")
    page = await admin.get(own)
    assert "you are signed out" in page.text
    refused = await admin.submit(page.form(f"{own}/revoke"))
    assert (refused.status, refused.heading) == (409, "alice")
    assert "is the last live one of an admin" in refused.text


@pytest.mark.parametrize("role", [Role.DEVELOPER, Role.OPERATOR, Role.CREATOR])
async def test_tokens_are_offered_to_admins_only_and_refused_to_others(
    face: Face, signed_in: SignedIn, role: Role
) -> None:
    browser = await signed_in(role)
    assert "Tokens" not in (await browser.get("/console/")).sections
    for page in (await browser.get(LIST), await browser.get(f"{LIST}/{face.grant}")):
        assert (page.status, page.heading) == (403, "That is not allowed")
        assert "only an admin does that" in page.text
    form = (await browser.get("/console/")).form("/console/sign-out").fields
    wanted = {**form, "name": "mine", "role": "admin", "repositories": "**"}
    for path in (LIST, f"{LIST}/{face.grant}/revoke"):
        assert (await browser.post(path, wanted)).status == 403
    assert (await face.call("GET", "/v2/")).status == 200


async def test_an_admin_of_some_repositories_gives_nothing_beyond_them(face: Face, signed_in: SignedIn) -> None:
    browser = await signed_in(Role.ADMIN, "team/**", name="tess")
    _, _ = await face.new_token(Role.ADMIN, "payroll/**", name="paul")
    assert "paul" not in (await browser.get(LIST)).text
    page = await make(browser, repositories="payroll/**")
    assert (page.status, "does not cover payroll/**" in page.text) == (403, True)
    assert secret_on(await make(browser, repositories="team/**")).startswith("igt_")
