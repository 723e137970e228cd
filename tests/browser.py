"""A real browser for tests: `browser` is Chromium without a window, as fresh for each test as one just installed."""

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
from selenium.common.exceptions import TimeoutException, WebDriverException
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

_DESK, _PHONE = (1280, 900), (360, 740)
_PATIENCE_SECONDS = 60
_OPTIONS = (
    "--headless=new",
    "--disable-dev-shm-usage",  # which is small in containers
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",  # nothing beyond this machine is asked
)
_ANSWERED = "Failed to load resource: the server responded with a status of"


@dataclass(frozen=True, slots=True)
class Browser:
    """One person's browser. `driver` is for what is not here."""

    driver: Chrome

    def open(self, url: str) -> None:
        """Go to an address, and wait until the page is there."""
        self.driver.get(url)

    @property
    def url(self) -> str:
        """Where it is."""
        return self.driver.current_url

    @property
    def title(self) -> str:
        """What the tab says."""
        return self.driver.title

    def see(self, heading: str) -> None:
        """Wait for the page whose first heading has these words."""
        self._until(lambda: any(heading in one.text for one in self.all("h1")), f"heading {heading!r}")

    def alert(self) -> str:
        """Wait for the sentence that says what did not work."""
        self._until(lambda: bool(self.all("[role=alert]")), "alert")
        return self.one("[role=alert]").text

    def _turn(self, act: Callable[[], None]) -> None:
        """Do what leads to another page, and wait until that is there. The driver may not have heard yet that the page
        is left when an action ends, and would then read the old one.
        """
        self.driver.execute_script("window.isLeft = false")
        act()
        turned = "return window.isLeft === undefined && document.readyState === 'complete'"
        self._until(lambda: bool(self.driver.execute_script(turned)), "other page")

    def _until(self, is_there: Callable[[], bool], what: str) -> None:
        waiting = WebDriverWait(self.driver, _PATIENCE_SECONDS, ignored_exceptions=[WebDriverException])
        try:
            waiting.until(lambda _: is_there())
        except TimeoutException:
            raise AssertionError(f"there is no {what} at {self.url}:\n{self.text}") from None

    @property
    def text(self) -> str:
        """What a person can read of the page."""
        return self.one("body").text

    def one(self, selector: str) -> WebElement:
        """The element a CSS selector finds; exactly one must be there."""
        found = self.all(selector)
        assert len(found) == 1, f"{len(found)} of {selector} at {self.url}:\n{self.driver.page_source}"
        return found[0]

    def all(self, selector: str) -> list[WebElement]:
        """The elements a CSS selector finds, in the order of the page."""
        return self.driver.find_elements(By.CSS_SELECTOR, selector)

    def labelled(self, label: str) -> WebElement:
        """The field a person finds by its label."""
        for candidate in self.all("label"):
            if candidate.text.strip() == label:
                named = candidate.get_attribute("for")
                return (
                    self.one(f"#{named}") if named else candidate.find_element(By.CSS_SELECTOR, "input,select,textarea")
                )
        raise AssertionError(f"nothing is labelled {label!r} at {self.url}:\n{self.driver.page_source}")

    def press(self, name: str) -> None:
        """Press the button, or follow the link, that says so (exactly one must), and wait for the page it leads to."""
        named = [one for one in self.all("button, a, input[type=submit]") if _says(one) == name]
        assert len(named) == 1, f"{len(named)} buttons and links say {name!r} at {self.url}:\n{self.text}"
        self._turn(named[0].click)

    def enter(self, *keys: str) -> None:
        """Type where the cursor is, then the enter key, and wait for the page it leads to."""
        self._turn(lambda: self.type(*keys, Keys.ENTER))

    def type(self, *keys: str) -> None:
        """Type where the cursor is, as with a keyboard alone; `Keys.TAB` goes on to the next."""
        self.focused.send_keys(*keys)

    @property
    def focused(self) -> WebElement:
        """Where the cursor is."""
        return self.driver.switch_to.active_element

    def tab_to(self, name: str) -> WebElement:
        """Press the tabulator until what says `name`, or is labelled so, is reached."""
        for _ in range(len(self.all("a, button, input, select, textarea, summary")) + 1):
            self.type(Keys.TAB)
            reached = self.focused
            if name in (_says(reached), reached.accessible_name):
                return reached
        raise AssertionError(f"no way by keyboard to {name!r} at {self.url}:\n{self.text}")

    def as_a_phone(self) -> None:
        """Make the page as narrow as phones are."""
        size = {"width": _PHONE[0], "height": _PHONE[1], "deviceScaleFactor": 1, "mobile": True}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    @property
    def scrolls_sideways(self) -> bool:
        """Whether the page is wider than its window."""
        root = "document.scrollingElement"
        return bool(self.driver.execute_script(f"return {root}.scrollWidth > {root}.clientWidth"))

    def complaints(self) -> list[str]:
        """What the browser has complained of since it was last asked: scripts that failed, what the Content Security
        Policy keeps away, what could not be loaded. That a server refused is no complaint.
        """
        said: list[dict[str, str]] = self.driver.execute("getLog", {"type": "browser"})["value"]
        return [one["message"] for one in said if _ANSWERED not in one["message"]]


def _says(element: WebElement) -> str:
    return (element.text or element.get_attribute("value") or "").strip()


@pytest.fixture(scope="session")
def _chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    """The program, started once: that takes two seconds."""
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("there is no browser (Debian's packages chromium and chromium-driver)")
    options = ChromeOptions()
    options.binary_location = program
    options.accept_insecure_certs = True  # those that tests make
    for option in _OPTIONS:
        options.add_argument(option)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # it has none for root
    options.set_capability("goog:loggingPrefs", {"browser": "WARNING"})
    home = str(tmp_path_factory.mktemp("chromium"))
    chromium = Chrome(options, ChromeService(driver, env={**os.environ, "HOME": home, "XDG_CONFIG_HOME": home}))
    try:
        chromium.set_page_load_timeout(_PATIENCE_SECONDS)
        yield chromium
    finally:
        chromium.quit()


@pytest.fixture
def browser(_chromium: Chrome) -> Iterator[Browser]:
    """A browser that knows nobody. It must not complain of a page: that fails the test at its end."""
    old = _chromium.window_handles
    _chromium.switch_to.new_window("tab")
    new = _chromium.current_window_handle
    for handle in old:
        _chromium.switch_to.window(handle)
        _chromium.close()
    _chromium.switch_to.window(new)
    _chromium.set_window_size(*_DESK)
    for forget in ("Network.clearBrowserCookies", "Network.clearBrowserCache"):
        _chromium.execute_cdp_cmd(forget, {})
    made = Browser(_chromium)
    made.complaints()  # those are of an earlier test
    yield made
    assert not (complaints := made.complaints()), complaints
