"""Asks a running gate over HTTP, for people who are not on its machine."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
import typer

from config.errors import ImagegateError
from proxy.cli.output import printable
from proxy.identity.tokens import PREFIX
from scanning.oci.names import ImageReference, Repository
from scanning.sbom import SbomFormat
from scanning.verdict import Outcome

GateOption = Annotated[
    str, typer.Option("--gate", envvar="IMAGEGATE_GATE", help="Ask this gate over HTTP, such as http://127.0.0.1:5000.")
]
TokenOption = Annotated[str, typer.Option("--token", envvar="IMAGEGATE_TOKEN", help="The token to ask it with.")]

_TIMEOUT: Final = aiohttp.ClientTimeout(total=60)
_MOST_OF_OTHERS: Final = 2000
_MOST_AT_ONCE: Final = 100


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

    async def verdicts(
        self, repository: Repository | None, outcome: Outcome | None, limit: int
    ) -> tuple[Mapping[str, Any], ...]:
        """The newest verdicts of a repository, at most `limit`, as the API gives them.

        Raises `GateUnreachableError` with the gate's own words.
        """
        found: list[Mapping[str, Any]] = []
        query = {"repository": str(repository or ""), "outcome": str(outcome or "")}
        while len(found) < limit:
            wanted = min(limit - len(found), _MOST_AT_ONCE)
            asked = {**query, "n": str(wanted)} | ({"last": found[-1]["id"]} if found else {})
            said = urlencode({name: value for name, value in asked.items() if value})
            got = self._read(await self._get(f"/api/v1/verdicts?{said}", "application/json"), "verdicts")
            found += got
            if len(got) < wanted:
                break
        return tuple(found)

    async def sbom(self, image: ImageReference, form: SbomFormat) -> bytes:
        """An image's bill of materials. Raises `GateUnreachableError` with the gate's own words."""
        return await self._get(f"/api/v1/images/{image.repository}/{image.reference}/sbom?format={form}", "*/*")

    def _read(self, body: bytes, name: str) -> list[Mapping[str, Any]]:
        try:
            found: list[Mapping[str, Any]] = json.loads(body)[name]
        except (ValueError, LookupError, TypeError) as error:
            raise GateUnreachableError(f"{self.url} is no gate: it answers with something else than {name}") from error
        return found

    async def _get(self, path: str, kind: str) -> bytes:
        headers = {"Accept": kind, "Authorization": aiohttp.encode_basic_auth("imagegate", self.token)}
        try:
            async with (
                aiohttp.ClientSession(timeout=_TIMEOUT, headers=headers) as session,
                session.get(f"{self.url}{path}", allow_redirects=False) as response,
            ):
                body = await response.read()
                if response.status != 200:
                    raise GateUnreachableError(f"{self.url} answered {response.status}: {_said(body)}")
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


def _said(body: bytes) -> str:
    """The sentence in an error body of a gate; of whatever else answers, the beginning as it is."""
    try:
        return str(json.loads(body)["errors"][0]["message"])
    except (ValueError, LookupError, TypeError):
        return body[:_MOST_OF_OTHERS].decode(errors="replace")
