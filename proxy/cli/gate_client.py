"""Asks a running gate over HTTP, for people who are not on its machine."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import aiohttp
from aiohttp import hdrs
from yarl import URL

from config.errors import ImagegateError
from proxy.cli.output import printable
from proxy.identity.tokens import PREFIX

_TIMEOUT: Final = aiohttp.ClientTimeout(total=300, sock_connect=30)
_MOST_OF_OTHERS: Final = 300
_JSON: Final = "application/json"
_MOST_AT_ONCE: Final = 100
_NOTHING: Final[Mapping[str, str]] = {}


class GateUnreachableError(ImagegateError):
    """The gate does not answer, or does not answer this."""


@dataclass(frozen=True, slots=True)
class GateAnswer:
    """What a gate answered. `following` are the parameters of the next page, empty after the last."""

    url: str
    body: bytes
    etag: str
    following: Mapping[str, str]

    def read(self, *names: str) -> Mapping[str, Any]:
        """The document in it, which has these fields. Raises `GateUnreachableError`."""
        try:
            found = json.loads(self.body)
        except ValueError:
            found = None
        if not isinstance(found, dict) or not found.keys() >= set(names):
            raise GateUnreachableError(
                f"{self.url} is no gate, or one of another version: its answer says nothing of {', '.join(names)}"
            )
        return found


@dataclass(frozen=True, slots=True)
class GateClient:
    """A gate's address and the token to ask it with. Every method raises `GateUnreachableError`, with the gate's own
    words where it refuses.
    """

    url: str
    token: str

    async def get(self, path: str, query: Mapping[str, str] = _NOTHING, *, kind: str = _JSON) -> GateAnswer:
        """What is at `path`, in the form `kind`."""
        return await self._ask("GET", path, query, {hdrs.ACCEPT: kind})

    async def send(self, method: str, path: str, document: Mapping[str, Any]) -> GateAnswer:
        """The answer to a document."""
        return await self._ask(method, path, _NOTHING, {hdrs.CONTENT_TYPE: _JSON}, json.dumps(document).encode())

    async def delete(self, path: str) -> GateAnswer:
        """End what is at `path`."""
        return await self._ask("DELETE", path, _NOTHING, {})

    async def put_text(self, path: str, text: str, over: str) -> GateAnswer:
        """Write `text` over what has the ETag `over`."""
        return await self._ask("PUT", path, _NOTHING, {hdrs.IF_MATCH: over}, text.encode())

    async def pages(self, path: str, text: str) -> AsyncIterator[GateAnswer]:
        """The answers to `text`, page by page."""
        query: Mapping[str, str] = {"n": str(_MOST_AT_ONCE)}
        while query:
            answer = await self._ask("POST", path, query, {}, text.encode())
            yield answer
            query = answer.following

    async def listed(
        self, path: str, name: str, wanted: Mapping[str, str], limit: int | None = None, *, at_once: int = _MOST_AT_ONCE
    ) -> tuple[Mapping[str, Any], ...]:
        """The items of the list `name` at `path`, page by page, at most `limit`. What is "" in `wanted` is left out."""
        found: list[Mapping[str, Any]] = []
        query: Mapping[str, str] = {name: value for name, value in wanted.items() if value}
        query = {**query, "n": str(min(limit or at_once, at_once))}
        while query and (limit is None or len(found) < limit):
            answer = await self.get(path, query)
            found += answer.read(name)[name]
            query = answer.following
        return tuple(found[:limit])

    async def _ask(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes | None = None
    ) -> GateAnswer:
        address = URL(f"{self.url}{path}{f'?{urlencode(query)}' if query else ''}", encoded=True)
        log_in = {hdrs.AUTHORIZATION: aiohttp.encode_basic_auth("imagegate", self.token)}
        try:
            async with (
                aiohttp.ClientSession(timeout=_TIMEOUT, headers=log_in) as session,
                session.request(method, address, headers=headers, data=body, allow_redirects=False) as response,
            ):
                content = await response.read()
        except aiohttp.ClientConnectorCertificateError as error:
            raise GateUnreachableError(
                f"{self.url} is not trusted here, so it was not sent the token: {_plain(error.certificate_error)};"
                " where an authority of your own has signed its certificate, name that one's in SSL_CERT_FILE"
            ) from error
        except aiohttp.ClientConnectorSSLError as error:
            raise GateUnreachableError(
                f"{self.url} does not speak TLS; if it has none, its address begins with http:// ({_plain(error)})"
            ) from error
        except aiohttp.ClientConnectorError as error:
            raise GateUnreachableError(
                f"{self.url} cannot be reached; is the address right, and does the gate run? ({_plain(error.os_error)})"
            ) from error
        except (aiohttp.ClientError, TimeoutError) as error:
            raise GateUnreachableError(f"{self.url} does not answer: {_plain(error)}") from error
        if not 200 <= response.status < 300:
            raise GateUnreachableError(f"{self.url} answered {response.status}: {_said(response, content)}")
        return GateAnswer(self.url, content, response.headers.get(hdrs.ETAG, ""), _following(response))


def gate_client(url: str, token: str) -> GateClient:
    """A client for `--gate` and `--token`. Raises `GateUnreachableError`."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.netloc:
        raise GateUnreachableError(f"{url!r} is not an address such as https://gate.example.com")
    if not token.startswith(PREFIX):
        raise GateUnreachableError(f"asking {url} needs a token: --token {PREFIX}… or IMAGEGATE_TOKEN")
    return GateClient(url.rstrip("/"), token)


def _following(response: aiohttp.ClientResponse) -> Mapping[str, str]:
    """The parameters of the address that a Link header names. Nothing else of it: the token goes to the gate alone."""
    link = response.links.get("next")
    address = link.get("url") if link is not None else None
    return dict(URL(str(address)).query) if address else {}


def _plain(error: BaseException) -> str:
    """What an error says, in one line."""
    said = getattr(error, "verify_message", "") or getattr(error, "strerror", "") or str(error)
    return printable(" ".join(said.split())) or "it took too long"


def _said(response: aiohttp.ClientResponse, body: bytes) -> str:
    """The sentence in an error body of a gate; of whatever else answers, where it leads or how it begins."""
    try:
        return printable(str(json.loads(body)["errors"][0]["message"]))
    except (ValueError, LookupError, TypeError):
        leads_to = response.headers.get(hdrs.LOCATION, "")
        if leads_to:
            return printable(f"it leads to {leads_to[:_MOST_OF_OTHERS]}; name that gate with --gate")
        begins = " ".join(body[:_MOST_OF_OTHERS].decode(errors="replace").split())
        return printable(f"no gate's API is there{'' if not begins or begins.startswith('<') else f': {begins}'}")
