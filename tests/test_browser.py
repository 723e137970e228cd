"""The browser of the tests sees what a person's would, and complains of what is wrong with a page."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from tests.browser import Browser

pytestmark = pytest.mark.real
NOTHING: Mapping[str, str] = {}


@contextmanager
def page(
    html: str, headers: Mapping[str, str] = NOTHING, *, status: int = 200, delay_seconds: float = 0
) -> Iterator[str]:
    """A server that answers everything with one page, later if there is a query; gives its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = f"<!doctype html><html lang=en><title>Page</title>{html}</html>".encode()
            time.sleep(delay_seconds if "?" in self.path else 0)
            self.send_response(status)
            self.send_header("Content-Type", "text/html; charset=utf-8")
            self.send_header("Content-Length", str(len(body)))
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name in the library
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        serving = Thread(target=server.serve_forever, args=(0.01,))
        serving.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/"
        finally:
            server.shutdown()
            serving.join()


def test_a_page_is_read_and_used_by_labels_and_names(browser: Browser) -> None:
    form = "<form><label for=n>Name</label><input id=n name=name><button>Go on</button></form>"
    with page(f"<h1>Hello</h1>{form}") as address:
        browser.open(address)
        assert browser.title == "Page"
        assert browser.text.startswith("Hello")
        browser.labelled("Name").send_keys("Ada")
        browser.press("Go on")
        assert browser.url == f"{address}?name=Ada"


def test_a_keyboard_alone_will_do(browser: Browser) -> None:
    form = "<form><label>Name <input name=name></label><button>Go on</button></form>"
    with page(f"<a href=/elsewhere>Elsewhere</a>{form}") as address:
        browser.open(address)
        browser.tab_to("Name")
        browser.type("Ada")
        browser.tab_to("Go on")
        browser.enter()
        assert browser.url == f"{address}?name=Ada"


def test_a_page_that_is_slow_to_come_is_waited_for(browser: Browser) -> None:
    form = "<form><label>Name <input name=name></label><button>Go on</button></form>"
    with page(form, delay_seconds=0.5) as address:
        browser.open(address)
        browser.labelled("Name").send_keys("Ada")
        browser.press("Go on")
        assert browser.url == f"{address}?name=Ada"
        browser.labelled("Name").click()
        browser.enter("Eve")
        assert browser.url == f"{address}?name=Eve"


@pytest.mark.parametrize("width", [200, 700])
def test_a_phone_is_narrow(browser: Browser, width: int) -> None:
    with page(f"<meta name=viewport content='width=device-width'><div style='width: {width}px'>wide</div>") as address:
        browser.open(address)
        assert not browser.scrolls_sideways
        browser.as_a_phone()
        assert browser.scrolls_sideways == (width > 360)


def test_the_next_test_finds_a_desk_again(browser: Browser) -> None:
    with page("<div style='width: 700px'>wide</div>") as address:
        browser.open(address)
        assert not browser.scrolls_sideways


@pytest.mark.parametrize(
    ("html", "headers", "complaint"),
    [
        ("<script>nothing()</script>", {}, "nothing is not defined"),
        (
            "<script>document.title = 'run'</script>",
            {"Content-Security-Policy": "default-src 'none'"},
            "Security Policy",
        ),
        ("<img src=http://www.example.org/x.png>", {}, "ERR_NAME_NOT_RESOLVED"),
    ],
)
def test_it_complains(browser: Browser, html: str, headers: dict[str, str], complaint: str) -> None:
    with page(html, headers) as address:
        browser.open(address)
        (told,) = browser.complaints()
        assert complaint in told
        assert browser.title == "Page"


def test_that_a_server_refuses_is_no_complaint(browser: Browser) -> None:
    with page("refused", status=403) as address:
        browser.open(address)
        assert browser.text == "refused"


@pytest.mark.parametrize("time", ["first", "second"])
def test_it_knows_no_cookie_of_another_test(browser: Browser, time: str) -> None:
    with page(time) as address:
        browser.open(address)
        assert browser.driver.get_cookies() == []
    with page(time, {"Set-Cookie": "session=secret"}) as address:  # which is for all ports of the host
        browser.open(address)
        assert [cookie["value"] for cookie in browser.driver.get_cookies()] == ["secret"]
