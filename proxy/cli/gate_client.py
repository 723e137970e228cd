"""Asks a running gate over HTTP, for people who are not on its machine."""

from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit

import aiohttp

from config.errors import ImagegateError
from proxy.cli.output import printable
from proxy.identity.tokens import PREFIX

_TIMEOUT: Final = aiohttp.ClientTimeout(total=60)


class GateUnreachableError(ImagegateError):
    """The gate does not answer, or does not answer this."""


@dataclass(frozen=True, slots=True)
class GateClient:
    """A gate's address and the token to ask it with."""

    url: str
    token: str

    async def verdict(self, verdict_id: str, *, as_json: bool) -> str:
        """A verdict by id, as JSON or for a person. Raises `GateUnreachableError` with the gate's own words."""
        kind = "application/json" if as_json else "text/plain"
        body = await self._get(f"/api/v1/verdicts/{quote(verdict_id, safe='')}", kind)
        return printable(body.decode(errors="replace"))

    async def _get(self, path: str, kind: str) -> bytes:
        headers = {"Accept": kind}
        credentials = aiohttp.BasicAuth("imagegate", self.token)
        try:
            async with (
                aiohttp.ClientSession(timeout=_TIMEOUT, auth=credentials, headers=headers) as session,
                session.get(f"{self.url}{path}", allow_redirects=False) as response,
            ):
                body = await response.read()
                if response.status != 200:
                    raise GateUnreachableError(
                        f"{self.url} answered {response.status}: {body[:2000].decode(errors='replace')}"
                    )
                return body
        except (aiohttp.ClientError, TimeoutError) as error:
            raise GateUnreachableError(f"{self.url} does not answer: {error}") from error


def gate_client(url: str, token: str) -> GateClient | None:
    """A client for `--gate` and `--token`; None if no gate is named. Raises `GateUnreachableError`."""
    if not url:
        return None
    if urlsplit(url).scheme not in ("http", "https"):
        raise GateUnreachableError(f"{url!r} is not an address such as https://gate.example.com")
    if not token.startswith(PREFIX):
        raise GateUnreachableError(f"asking {url} needs a token: --token {PREFIX}… or IMAGEGATE_TOKEN")
    return GateClient(url.rstrip("/"), token)
