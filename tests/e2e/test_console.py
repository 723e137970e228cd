"""The web console in a real browser: signing in, what was refused and why, tokens, by mouse, by keyboard, on a phone.

The browser itself checks the rest at the end of each test: it complains of scripts, of what the Content Security Policy
keeps away, and of what is missing (`tests.browser`).
"""

import time
from dataclasses import dataclass

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from selenium.webdriver.common.keys import Keys

from tests.browser import Browser
from tests.e2e.conftest import Gate
from tests.e2e.wire import Wire
from tests.images import debian, image
from tests.registries import fresh_repository

pytestmark = [pytest.mark.real, pytest.mark.timeout(300), pytest.mark.parametrize("gate", ["embedded"], indirect=True)]

MARKUP = "<img src=x onerror=alert(1)><b>bold"
"""The name of a file, which whoever builds an image chooses."""
TOKEN = "Access token"
_FILES = ("download", "sbom")
"""What is no page, but a file to keep."""


@dataclass(frozen=True)
class Team:
    """Two repositories of their own at a gate: in one an image was refused and another admitted, in the other one waits
    in quarantine. A developer and an admin have a token for these two.
    """

    gate: Gate
    name: str
    refused: str
    waiting: str
    developer: str
    admin: str

    def address(self, path: str) -> str:
        """Where a page of the console is."""
        return f"{self.gate.running.url}/console/{path}"


@pytest.fixture
def team(gate: Gate) -> Team:
    """The team's images, pushed, and a developer's token for both repositories."""
    name = str(fresh_repository("console"))
    refused, waiting = f"{name}/app", f"signed/{name}"
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    wire = Wire(gate.running.port, gate.developer)
    assert wire.push(refused, "1", image(debian(), {f"srv/{MARKUP}.pem": pem})).status == 403
    assert wire.push(refused, "2", image(debian(), {f"srv/{MARKUP}.txt": name.encode()})).status == 201
    assert wire.push(waiting, "1", image(debian(), {"srv/name": name.encode()})).status == 201
    own = name.rpartition("/")[2]
    tokens = (gate.running.token(f"{role}-{own}", role, refused, waiting) for role in ("developer", "admin"))
    return Team(gate, own, refused, waiting, *tokens)


def sign_in(browser: Browser, team: Team, token: str = "") -> None:
    """Sign in, as the team's developer unless told otherwise."""
    browser.open(team.address("sign-in"))
    browser.labelled(TOKEN).send_keys(token or team.developer)
    browser.press("Sign in")
    browser.see("Overview")


def open_verdict(browser: Browser, team: Team) -> None:
    """Follow the overview's link to why the image was refused."""
    (row,) = [row for row in browser.all("tr") if team.refused in row.text]
    row.find_element("css selector", "a").click()
    browser.see("REFUSED")


def test_a_wrong_token_is_refused_in_a_sentence_and_the_right_one_leads_on(browser: Browser, team: Team) -> None:
    browser.open(team.address("verdicts"))
    browser.see("Sign in to imagegate")
    browser.labelled(TOKEN).send_keys("igt_0123456789abcdef_" + "x" * 43)
    browser.press("Sign in")
    assert "token" in browser.alert()
    browser.labelled(TOKEN).send_keys(team.developer)
    browser.press("Sign in")
    browser.see("Verdicts")


def test_who_signs_out_is_asked_for_a_token_again(browser: Browser, team: Team) -> None:
    sign_in(browser, team)
    browser.press("Sign out")
    browser.see("Sign in to imagegate")
    browser.driver.back()
    browser.open(team.address(""))
    browser.see("Sign in to imagegate")


def test_what_was_refused_and_what_waits_is_told_with_what_to_do(browser: Browser, team: Team) -> None:
    sign_in(browser, team)
    assert f"{team.waiting}:1" in browser.text
    open_verdict(browser, team)
    for part in ("To do", "deny.secrets", "private-key", f"srv/{MARKUP}.pem"):
        assert part in browser.text


def test_t98_names_that_hold_html_are_text(browser: Browser, team: Team) -> None:
    sign_in(browser, team)
    open_verdict(browser, team)
    assert MARKUP in browser.text
    assert not browser.all("img, script, main b")


def test_a_token_is_made_shown_once_used_and_revoked(browser: Browser, team: Team) -> None:
    name = f"ci-{team.name}"
    sign_in(browser, team, team.gate.admin)
    browser.press("Tokens")
    browser.see("Tokens")
    browser.labelled("What it is for").send_keys(name)
    browser.labelled("developer").click()
    browser.labelled("Repositories").send_keys(team.refused)
    browser.press("Make the token")
    browser.see(name)
    token = browser.one(".secret").text
    wire = Wire(team.gate.running.port, token)
    assert wire.send("GET", f"/v2/{team.refused}/tags/list").json["tags"] == ["2"]

    browser.driver.refresh()
    browser.see(name)
    assert token not in browser.driver.page_source
    browser.press(f"Revoke {name}")
    browser.see("Tokens")
    assert name in browser.one("[role=status]").text
    deadline = time.monotonic() + 60  # other processes of a gate look every few seconds
    while wire.send("GET", f"/v2/{team.refused}/tags/list").status != 401:
        assert time.monotonic() < deadline
        time.sleep(0.1)

    browser.press("Audit")
    browser.see("Audit")
    (made,) = [row.text for row in browser.all("tr") if "token-created" in row.text and name in row.text]
    assert "root" in made


def test_what_cannot_be_done_is_said_beside_what_was_typed(browser: Browser, team: Team) -> None:
    sign_in(browser, team, team.gate.admin)
    browser.press("Exceptions")
    browser.see("Exceptions")
    browser.labelled("Repositories").send_keys(team.refused)
    browser.labelled("Why").send_keys(MARKUP)
    browser.press("Make the exception")
    assert browser.alert()
    assert browser.labelled("Repositories").get_attribute("value") == team.refused
    assert browser.labelled("Why").get_attribute("value") == MARKUP

    browser.press("Policy")
    browser.see("Policy")
    browser.press("Change it")
    browser.see("Change the policy")
    browser.labelled("The whole file").send_keys(Keys.CONTROL, Keys.END, Keys.NULL, "\nversion: two")
    browser.press("Say what it would change")
    assert browser.alert()
    assert str(browser.labelled("The whole file").get_attribute("value")).endswith("version: two")


def test_a_developer_is_not_offered_what_is_for_admins(browser: Browser, team: Team) -> None:
    sign_in(browser, team)
    assert "Tokens" not in [link.text for link in browser.all("nav a")]
    browser.open(team.address("tokens"))
    browser.see("That is not allowed")


def test_an_admitted_image_is_shown_with_what_is_in_it(browser: Browser, team: Team) -> None:
    sign_in(browser, team)
    browser.press("Images")
    browser.see("Images")
    browser.press(f"{team.refused}:2")
    browser.see(f"{team.refused}:2")
    assert "base-files" in browser.driver.page_source


def test_everything_is_reached_by_keyboard(browser: Browser, team: Team) -> None:
    browser.open(team.address("verdicts"))
    browser.see("Sign in to imagegate")
    browser.enter(team.developer)  # the cursor is in the field already
    browser.see("Verdicts")
    browser.type(Keys.TAB)
    assert browser.focused.text == "Skip to the content"
    browser.type(Keys.ENTER)
    browser.tab_to("Repository")
    browser.enter(team.refused)
    browser.see("Verdicts")
    (row,) = [row for row in browser.all("tbody tr") if "reject" in row.text]
    name = row.find_element("css selector", "a").text
    browser.tab_to(name)
    browser.enter()
    browser.see("REFUSED")
    browser.tab_to("Sign out")
    browser.enter()
    browser.see("Sign in to imagegate")


def test_no_page_is_wider_than_a_phone_and_whatever_is_used_has_a_name(browser: Browser, team: Team) -> None:
    browser.as_a_phone()
    browser.open(team.address("sign-in"))
    assert_usable(browser)
    sign_in(browser, team, team.admin)
    seen: set[str] = set()
    pages = {"": "", "audit": f"audit?repository={team.refused}"}
    while pages:
        path, page = pages.popitem()
        browser.open(team.address(page))
        assert_usable(browser)
        seen.add(path)
        for link in browser.all("a"):
            address = str(link.get_attribute("href")).partition("#")[0].partition("/console/")[2]
            path = address.partition("?")[0]
            if path not in seen and not path.endswith(_FILES):
                pages[path] = address
    assert {"", "verdicts", "images", "image", "tokens", "audit"} < seen


def assert_usable(browser: Browser) -> None:
    """A page has one heading, fits its window, names what can be used, and each of its parts by a name of its own."""
    browser.one("h1")
    assert not browser.scrolls_sideways, browser.url
    for used in browser.all("a, button, input:not([type=hidden]), select, textarea"):
        assert used.accessible_name, f"{used.get_attribute('outerHTML')} at {browser.url}"
    parts = [part.accessible_name for part in browser.all("section, nav, [role=region]")]
    assert len(set(parts)) == len(parts), f"{parts} at {browser.url}"
