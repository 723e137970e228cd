"""The web console in a real browser: signing in, what was refused and why, by mouse, by keyboard and on a phone.

The browser itself checks the rest at the end of each test: it complains of scripts, of what the Content Security Policy
keeps away, and of what is missing (`tests.browser`).
"""

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


@dataclass(frozen=True)
class Team:
    """Two repositories of their own at a gate: an image was refused in one, another waits in quarantine."""

    gate: Gate
    refused: str
    waiting: str
    token: str

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
    assert wire.push(waiting, "1", image(debian(), {"srv/name": name.encode()})).status == 201
    return Team(
        gate, refused, waiting, gate.running.token(f"dora-{name.rpartition('/')[2]}", "developer", refused, waiting)
    )


def sign_in(browser: Browser, team: Team) -> None:
    """Sign in as the team's developer."""
    browser.open(team.address("sign-in"))
    browser.labelled(TOKEN).send_keys(team.token)
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
    assert "token" in browser.one("[role=alert]").text
    browser.labelled(TOKEN).send_keys(team.token)
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


def test_names_that_hold_html_are_text(browser: Browser, team: Team) -> None:
    sign_in(browser, team)
    open_verdict(browser, team)
    assert MARKUP in browser.text
    assert not browser.all("img, script, main b")


def test_everything_is_reached_by_keyboard(browser: Browser, team: Team) -> None:
    browser.open(team.address("verdicts"))
    browser.see("Sign in to imagegate")
    browser.type(team.token, Keys.ENTER)  # the cursor is in the field already
    browser.see("Verdicts")
    browser.type(Keys.TAB)
    assert browser.focused.text == "Skip to the content"
    browser.type(Keys.ENTER)
    browser.tab_to("Repository")
    browser.type(team.refused, Keys.ENTER)
    browser.see("Verdicts")
    (row,) = browser.all("tbody tr")
    name = row.find_element("css selector", "a").text
    browser.tab_to(name)
    browser.type(Keys.ENTER)
    browser.see("REFUSED")
    browser.tab_to("Sign out")
    browser.type(Keys.ENTER)
    browser.see("Sign in to imagegate")


def test_no_page_is_wider_than_a_phone_and_whatever_is_used_has_a_name(browser: Browser, team: Team) -> None:
    browser.as_a_phone()
    browser.open(team.address("sign-in"))
    assert_usable(browser)
    sign_in(browser, team)
    seen: set[str] = set()
    pages = {""}
    while pages:
        page = pages.pop()
        browser.open(team.address(page))
        assert_usable(browser)
        seen.add(page)
        found = [str(link.get_attribute("href")).partition("/console/")[2] for link in browser.all("a")]
        pages |= {path for path in found if not path.startswith("#")} - seen
    assert {"", "verdicts"} < seen


def assert_usable(browser: Browser) -> None:
    """A page has one heading, fits its window, and names what can be used."""
    browser.one("h1")
    assert not browser.scrolls_sideways, browser.url
    for used in browser.all("a, button, input:not([type=hidden]), select, textarea"):
        assert used.accessible_name, f"{used.get_attribute('outerHTML')} at {browser.url}"
