"""Signing in, staying signed in, and what a session is worth: nothing to anybody else, and nowhere else."""

from http.cookies import SimpleCookie
from urllib.parse import urlencode

import pytest
from aiohttp import hdrs

from proxy.app import ROUTES
from proxy.console.sessions import IDLE_SECONDS, LIFETIME_SECONDS
from proxy.identity import tokens
from proxy.identity.principal import Role
from proxy.routing import Access
from storage.audit import Event
from storage.errors import StorageUnavailableError
from tests.proxy.conftest import StartFace
from tests.proxy.console.browser import Browser, Page
from tests.proxy.console.conftest import SignedIn
from tests.proxy.face import ADMINISTRATOR, Face, basic

COOKIE = "imagegate-console"
CHANGING = [route.pattern for route in ROUTES if route.access is Access.CONSOLE and route.method == "POST"]
PAGES = [route.pattern for route in ROUTES if route.access is Access.CONSOLE and route.method == "GET"]


def path_of(pattern: str) -> str:
    """A path that the pattern matches."""
    return pattern.replace("{id}", "0123456789abcdef")


async def test_whoever_is_not_signed_in_is_asked_to_and_goes_on_where_he_wanted(face: Face) -> None:
    browser = Browser(face)
    page = await browser.get("/console/verdicts?outcome=reject")
    assert page.heading == "Sign in to imagegate"
    page = await browser.submit(page.form("/console/sign-in"), token=face.token)
    assert (page.heading, page.form("/console/verdicts").fields["outcome"]) == ("Verdicts", "reject")


async def test_a_session_begins_with_a_record(face: Face, signed_in: SignedIn) -> None:
    await signed_in(Role.ADMIN, name="alice")
    last = (await face.audited())[-1]
    assert (last.event, last.actor, last.outcome) == (Event.SIGNED_IN, "alice", "done")


@pytest.mark.parametrize("wrong", ["", "igt_0123456789abcdef_" + "x" * 43, "hunter2", "igt_" + "0" * 5000])
async def test_a_wrong_token_is_told_on_the_form_and_recorded(face: Face, wrong: str) -> None:
    browser = Browser(face)
    page = await browser.sign_in(wrong)
    assert (page.status, browser.cookies) == (401, {})
    assert "the token is not valid: it is mistyped, expired or revoked" in page.text
    last = (await face.audited())[-1]
    assert (last.event, last.actor) == (Event.LOGIN_FAILED, "console")
    if wrong:
        assert wrong not in page.html


async def test_t10_guessing_is_braked_as_it_is_everywhere(start_face: StartFace) -> None:
    async with start_face(throttle={"failures": 2}) as face:
        _, token = await face.new_token(Role.ADMIN, "**")
        browser = Browser(face)
        for _ in range(2):
            assert (await browser.sign_in("guess")).status == 401
        page = await browser.sign_in(token)
        assert (page.status, page.answer.headers["Retry-After"]) == (429, "60")
        assert "too many failed logins" in page.text


async def test_t95_the_cookie_is_kept_from_scripts_and_from_other_sites(face: Face) -> None:
    browser = Browser(face)
    await browser.post("/console/sign-in", {"token": face.token})
    (line,) = browser.last_cookies
    morsel = SimpleCookie(line)[COOKIE]
    assert (morsel["httponly"], morsel["samesite"], morsel["path"]) == (True, "Strict", "/console/")
    assert (morsel["max-age"], morsel["domain"], morsel["secure"]) == (str(IDLE_SECONDS), "", "")
    assert face.token not in line


async def test_t95_behind_https_the_cookie_is_for_this_host_alone(start_face: StartFace) -> None:
    async with start_face(public_url="https://gate.example") as face:
        _, token = await face.new_token(Role.ADMIN, "**")
        browser = Browser(face)
        answer = await browser.post("/console/sign-in", {"token": token}, Origin="https://gate.example")
        assert answer.status == 303
        (line,) = browser.last_cookies
        morsel = SimpleCookie(line)[f"__Host-{COOKIE}"]
        assert (morsel["secure"], morsel["path"], morsel["domain"]) == (True, "/", "")


async def test_t95_a_session_is_no_credential_anywhere_else(admin: Browser) -> None:
    for target in ("/v2/", "/v2/team/app/tags/list", "/api/v1/verdicts?repository=team/app", "/api/v1/approvals"):
        assert (await admin.send("GET", target)).status == 401
    sealed = admin.cookies[COOKIE]
    for header in (f"Bearer {sealed}", basic(sealed)):
        assert (await admin.send("GET", "/v2/", headers={"Authorization": header})).status == 401


async def test_t95_a_credential_of_another_face_opens_no_page(face: Face) -> None:
    answer = await face.call("GET", "/console/", headers={"Authorization": basic(face.token)})
    assert (answer.status, answer.headers["Location"]) == (303, "/console/sign-in")


async def test_t95_what_seals_uploads_opens_no_page(face: Face) -> None:
    started = await face.call("POST", "/v2/team/app/blobs/uploads/")
    browser = Browser(face, {COOKIE: started.headers["Location"].rsplit("/", 1)[-1]})
    assert (await browser.get("/console/")).heading == "Sign in to imagegate"


@pytest.mark.parametrize("value", ["", "x", "gAAAAA", '{"kind":"session"}', "é" * 300])
async def test_a_forged_cookie_is_no_session(face: Face, value: str) -> None:
    assert (await Browser(face, {COOKIE: value}).get("/console/")).heading == "Sign in to imagegate"


async def test_t95_a_session_is_new_whatever_the_browser_brought(face: Face, admin: Browser) -> None:
    brought = admin.cookies[COOKIE]
    victim = Browser(face, {COOKIE: brought})
    await victim.post("/console/sign-in", {"token": face.token})
    ours, theirs = Page(await admin.send("GET", "/console/")), Page(await victim.send("GET", "/console/"))
    assert victim.cookies[COOKIE] != brought
    assert ours.form("/console/sign-out").fields["form"] != theirs.form("/console/sign-out").fields["form"]


async def test_t8_a_revoked_token_ends_the_session_within_five_seconds(face: Face) -> None:
    grant, token = await face.new_token(Role.ADMIN, "**")
    browser = Browser(face)
    await browser.sign_in(token)
    await tokens.revoke(face.services.database, grant, ADMINISTRATOR, face.time.now())
    face.time.passed += 5
    assert (await browser.get("/console/")).heading == "Sign in to imagegate"


async def test_a_session_lives_while_it_is_used_and_not_for_ever(face: Face, admin: Browser) -> None:
    for _ in range(LIFETIME_SECONDS // IDLE_SECONDS):
        assert (await admin.get("/console/")).heading == "Overview"
        face.time.passed += IDLE_SECONDS - 1
    face.time.passed += IDLE_SECONDS
    assert (await admin.get("/console/")).heading == "Sign in to imagegate"


async def test_a_session_that_nobody_uses_ends(face: Face, admin: Browser) -> None:
    face.time.passed += IDLE_SECONDS
    assert (await admin.get("/console/")).heading == "Sign in to imagegate"


async def test_signing_out_lets_the_browser_forget(admin: Browser) -> None:
    page = await admin.submit((await admin.get("/console/")).form("/console/sign-out"))
    assert (page.heading, admin.cookies) == ("Sign in to imagegate", {})


async def test_t95_a_copy_of_the_cookie_is_worth_nothing_once_its_owner_signed_out(face: Face, admin: Browser) -> None:
    copied = dict(admin.cookies)
    assert (await Browser(face, dict(copied)).get("/console/")).heading == "Overview"
    await admin.submit((await admin.get("/console/")).form("/console/sign-out"))

    assert (await Browser(face, dict(copied)).get("/console/")).heading == "Sign in to imagegate"
    form = {"form": "guess"}
    assert (await Browser(face, dict(copied)).post("/console/tokens", form)).headers["Location"] == "/console/sign-in"
    again = Browser(face)
    await again.sign_in(face.token)
    assert (await again.get("/console/")).heading == "Overview", "another session of the same token goes on"


async def test_nobody_is_told_that_he_is_signed_out_while_his_cookie_still_opens(
    face: Face, admin: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    form = (await admin.get("/console/")).form("/console/sign-out")

    def fail() -> None:
        raise StorageUnavailableError("the database is down")

    with monkeypatch.context() as broken:
        broken.setattr(face.services.database, "transaction", fail)
        page = await admin.submit(form)
    assert (page.status, page.heading) == (503, "That did not work")
    assert (await admin.get("/console/")).heading == "Overview"


async def test_what_nobody_foresaw_is_told_on_a_page(
    face: Face, admin: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> None:
        raise RuntimeError("a mistake of ours")

    with monkeypatch.context() as broken:
        broken.setattr("proxy.console.overview.page", fail)
        page = await admin.get("/console/")
    assert (page.status, page.heading) == (500, "That did not work")
    assert "the gate could not serve this; its log says why" in page.text
    assert "a mistake of ours" not in page.html


@pytest.mark.parametrize("path", CHANGING)
@pytest.mark.parametrize(
    "headers", [{"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site"}]
)
async def test_t96_no_other_site_sends_a_form(face: Face, admin: Browser, path: str, headers: dict[str, str]) -> None:
    form = (await admin.get("/console/")).form("/console/sign-out").fields
    page = Page(await admin.post(path_of(path), form, **headers))
    assert page.status == 403
    assert "was not sent by a page of this gate, so nothing was done" in page.text
    denied = (await face.audited())[-1]
    assert (denied.event, denied.actor, denied.outcome) == (Event.ACCESS_DENIED, "alice", "denied")
    assert denied.detail.startswith(f"POST {path_of(path)}: the form was not sent by a page of this gate")


@pytest.mark.parametrize("path", CHANGING)
async def test_t96_a_form_without_the_word_of_its_session_does_nothing(
    admin: Browser, developer: Browser, path: str
) -> None:
    others = (await developer.get("/console/")).form("/console/sign-out").fields["form"]
    for token in ("", "guess", others):
        page = Page(await admin.post(path_of(path), {"form": token}))
        assert page.status == 403
        assert "of another session, so nothing was done" in page.text


async def test_t96_a_form_that_says_nothing_of_its_page_is_refused(face: Face, admin: Browser) -> None:
    form = (await admin.get("/console/")).form("/console/sign-out").fields
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    assert (await admin.send("POST", "/console/sign-out", headers=kind, body=urlencode(form))).status == 403


async def test_t96_nobody_is_signed_in_by_another_site(face: Face) -> None:
    browser = Browser(face)
    answer = await browser.post("/console/sign-in", {"token": face.token}, Origin="https://evil.example")
    assert (answer.status, browser.cookies) == (403, {})


@pytest.mark.parametrize("path", [*PAGES, *CHANGING])
async def test_nothing_is_shown_or_done_without_a_session(face: Face, path: str) -> None:
    browser = Browser(face)
    method = "GET" if path in PAGES else "POST"
    answer = await browser.send(method, path_of(path), headers={"Origin": face.url})
    assert (answer.status, answer.body) == (303, b"")
    assert answer.headers["Location"].startswith("/console/sign-in")


@pytest.mark.parametrize(
    "target",
    [
        "https://evil.example/",
        "//evil.example/console/",
        "/\\evil.example",
        "/console/\\..\\..",
        "/console//evil.example",
        "/console/../v2/",
        "javascript:alert(1)",
        "/v2/",
        "/console/verdicts#x",
        "/console/\nLocation: x",
    ],
)
async def test_t97_signing_in_leads_nowhere_else(face: Face, target: str) -> None:
    browser = Browser(face)
    answer = await browser.post("/console/sign-in", {"token": face.token, "next": target})
    assert (answer.status, answer.headers["Location"]) == (303, "/console/")
    page = await Browser(face).get(f"/console/sign-in?{urlencode({'next': target})}")
    assert page.form("/console/sign-in").fields["next"] == "/console/"


@pytest.mark.parametrize("path", ["/console/", "/console/sign-in", "/console/nothing", "/console/style.css"])
async def test_t97_every_answer_tells_the_browser_to_do_nothing_but_show_it(admin: Browser, path: str) -> None:
    headers = (await admin.send("GET", path)).headers
    policy = dict(part.strip().split(" ", 1) for part in headers["Content-Security-Policy"].split(";"))
    assert policy == {
        "default-src": "'none'",
        "style-src": "'self'",
        "img-src": "'self'",
        "form-action": "'self'",
        "frame-ancestors": "'none'",
        "base-uri": "'none'",
    }
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "same-origin"
    assert headers["Cross-Origin-Opener-Policy"] == headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert "camera=()" in headers["Permissions-Policy"]
    if path != "/console/style.css":
        assert headers[hdrs.CACHE_CONTROL] == "no-store"


async def test_pages_hold_no_script_and_no_style_of_their_own(admin: Browser) -> None:
    for path in ("/console/", "/console/verdicts"):
        page = await admin.get(path)
        assert not list(page.tree.iter("script"))
        assert not list(page.tree.iter("style"))
        assert not [
            each for each in page.tree.iter() if any(name == "style" or name[:2] == "on" for name in each.attrib)
        ]


async def test_what_is_not_there_is_told_on_a_page(admin: Browser) -> None:
    page = await admin.get("/console/nothing")
    assert (page.status, page.heading) == (404, "There is nothing here")
    page = await admin.get("/console/verdicts?outcome=perhaps")
    assert (page.status, page.heading) == (400, "That cannot be understood")
    assert "there is no outcome 'perhaps'; there are admit, quarantine, reject" in page.text


async def test_browsers_find_the_console_and_clients_do_not(face: Face) -> None:
    answer = await face.call("GET", "/", token="", headers={"Accept": "text/html,*/*"})
    assert (answer.status, answer.headers["Location"]) == (303, "/console/")
    assert (await face.call("GET", "/", token="")).status == 404
    assert (await face.call("GET", "/console", token="")).headers["Location"] == "/console/"


async def test_a_gate_can_be_without_a_console(start_face: StartFace) -> None:
    async with start_face(console=False) as face:
        for path in ("/", "/console/", "/console/sign-in", "/console/style.css"):
            answer = await face.call("GET", path, token="", headers={"Accept": "text/html"})
            assert (answer.status, answer.code) == (404, "UNSUPPORTED")
