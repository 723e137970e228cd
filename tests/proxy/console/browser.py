"""A browser without a screen: it keeps cookies, follows links and sends forms as they stand on a page."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any, Protocol
from urllib.parse import urlencode
from xml.etree import ElementTree as ET

import aiohttp
from yarl import URL

from tests.proxy.face import Answer

FORM = "application/x-www-form-urlencoded"


@dataclass(frozen=True)
class Form:
    """A form on a page: where it goes, and what it sends if nobody touches it."""

    action: str
    method: str
    fields: Mapping[str, str]


@dataclass(frozen=True)
class Page:
    """An answer that is a page. It is parsed as XML: what is not closed, or not escaped, is an error."""

    answer: Answer

    @property
    def status(self) -> int:
        return self.answer.status

    @property
    def html(self) -> str:
        return self.answer.body.decode()

    @property
    def tree(self) -> ET.Element:
        return ET.fromstring(self.html)  # noqa: S314 - the gate's own page

    @property
    def text(self) -> str:
        """What a reader sees, with single blanks."""
        return " ".join(" ".join(self.tree.itertext()).split())

    @property
    def heading(self) -> str:
        (found,) = self.tree.iter("h1")
        return " ".join("".join(found.itertext()).split())

    @property
    def links(self) -> list[str]:
        return [link.get("href", "") for link in self.tree.iter("a")]

    @property
    def sections(self) -> list[str]:
        """The parts of the console that are offered."""
        return [str(link.text) for nav in self.tree.iter("nav") for link in nav.iter("a")]

    def rows(self) -> list[list[str]]:
        """The cells of every table's body."""
        bodies = self.tree.iter("tbody")
        return [
            [" ".join("".join(cell.itertext()).split()) for cell in row] for body in bodies for row in body.iter("tr")
        ]

    def form(self, action: str) -> Form:
        """The form that goes to `action`."""
        (found,) = (form for form in self.tree.iter("form") if form.get("action") == action)
        return Form(action, found.get("method", "get"), dict(_fields(found)))


def _fields(form: ET.Element) -> Iterator[tuple[str, str]]:
    for each in form.iter():
        name = each.get("name", "")
        if each.tag == "input" and (each.get("type") not in ("checkbox", "radio") or each.get("checked")):
            yield name, each.get("value", "")
        elif each.tag == "textarea":
            yield name, each.text or ""
        elif each.tag == "select":
            chosen = [option for option in each.iter("option") if option.get("selected")]
            yield name, (chosen or list(each.iter("option")))[0].get("value", "")


class Served(Protocol):
    """A gate that listens, and connections to it."""

    @property
    def url(self) -> str: ...

    @property
    def session(self) -> aiohttp.ClientSession: ...


@dataclass
class Browser:
    """One browser at one gate."""

    gate: Served
    cookies: dict[str, str] = field(default_factory=dict)
    last_cookies: tuple[str, ...] = ()
    """The Set-Cookie headers of the last answer."""

    async def send(
        self, method: str, target: str, *, headers: Mapping[str, str] | None = None, body: Any = None
    ) -> Answer:
        """One request with the cookies that were set."""
        sent = dict(headers or {})
        if self.cookies:
            sent["Cookie"] = "; ".join(f"{name}={value}" for name, value in self.cookies.items())
        address = URL(self.gate.url + target, encoded=True)
        session = self.gate.session
        async with session.request(method, address, headers=sent, data=body, allow_redirects=False) as response:
            content, cookies = await response.read(), tuple(response.headers.getall("Set-Cookie", ()))
            answer = Answer(response.status, response.headers, content, set_cookies=cookies)
        self.last_cookies = answer.set_cookies
        for line in self.last_cookies:
            for name, morsel in SimpleCookie(line).items():
                if morsel["max-age"] == "0":
                    self.cookies.pop(name, None)
                else:
                    self.cookies[name] = morsel.value
        return answer

    async def get(self, target: str) -> Page:
        """The page at `target`, after all redirects."""
        answer = await self.send("GET", target)
        while answer.status == 303:
            answer = await self.send("GET", answer.headers["Location"])
        return Page(answer)

    async def post(self, action: str, fields: Mapping[str, str], **headers: str) -> Answer:
        """Send fields, as a page of this very gate does unless `headers` say otherwise."""
        sent = {"Origin": self.gate.url, "Content-Type": FORM} | headers
        return await self.send("POST", action, headers=sent, body=urlencode(fields))

    async def submit(self, form: Form, **fields: str) -> Page:
        """Fill a form in and send it; the page that it leads to."""
        filled = {**form.fields, **fields}
        if form.method == "get":
            return await self.get(f"{form.action}?{urlencode(filled)}")
        answer = await self.post(form.action, filled)
        return await self.get(answer.headers["Location"]) if answer.status == 303 else Page(answer)

    async def sign_in(self, token: str, to: str = "/console/") -> Page:
        """Type a token; the page behind it."""
        form = (await self.get(to)).form("/console/sign-in")
        return await self.submit(form, token=token)
