"""A registry client that keeps what it is told: each answer's status, error code and one line.

It logs in as clients do: a 401 names the token service and the scope, the token from there goes with the request.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self
from urllib.parse import urlencode

import aiohttp
from aiohttp import hdrs
from yarl import URL

from proxy.demo.contents import DemoError
from proxy.demo.images import Image
from proxy.upstream.credentials import parse_challenges
from proxy.upstream.origin import Origin, same_origin_target
from scanning.oci import media_types
from scanning.oci.digest import Digest
from scanning.oci.names import Reference, Repository

_TIMEOUT = aiohttp.ClientTimeout(total=60)


@dataclass(frozen=True, slots=True)
class Answer:
    """What the gate said. `line` is the message of an error, or the first warning of a success; "" for neither."""

    status: int
    code: str = ""
    line: str = ""
    body: bytes = field(default=b"", repr=False)


class Client:
    """One client, logged in with one token. Use it as a context manager. Raises `DemoError` where nobody answers."""

    def __init__(self, origin: Origin, account: str, token: str) -> None:
        self._origin = origin
        self._login = aiohttp.encode_basic_auth(account, token, encoding="utf-8")
        self._bearer = ""
        self._session = aiohttp.ClientSession(timeout=_TIMEOUT, cookie_jar=aiohttp.DummyCookieJar())

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def push(self, repository: Repository, reference: Reference, image: Image) -> Answer:
        """Upload blobs, then the manifest. The answer to the manifest, or to the blob that was refused."""
        for digest, content in image.blobs.items():
            uploaded = await self._upload(repository, digest, content)
            if uploaded.status != 201:
                return uploaded
        manifest = f"/v2/{repository}/manifests/{reference}"
        return _answer(*await self._send("PUT", manifest, image.media_type, image.manifest))

    async def pull(self, repository: Repository, reference: Reference) -> Answer:
        """Fetch a manifest and every blob it refers to. The answer to the manifest, or to the blob that was refused.

        Raises `DemoError` if the bytes are not those that a digest names.
        """
        manifest = _answer(*await self._send("GET", f"/v2/{repository}/manifests/{reference}"))
        if manifest.status != 200:
            return manifest
        if isinstance(reference, Digest):
            _check(reference, manifest.body)
        document = json.loads(manifest.body)
        for entry in (document["config"], *document["layers"]):
            blob = await self.pull_blob(repository, Digest.parse(entry["digest"]))
            if blob.status != 200:
                return blob
        return manifest

    async def pull_blob(self, repository: Repository, digest: Digest) -> Answer:
        """Fetch one blob. Raises `DemoError` as `pull` does."""
        blob = _answer(*await self._send("GET", f"/v2/{repository}/blobs/{digest}"))
        if blob.status == 200:
            _check(digest, blob.body)
        return blob

    async def _upload(self, repository: Repository, digest: Digest, content: bytes) -> Answer:
        uploads = f"/v2/{repository}/blobs/uploads/"
        begun, body = await self._send("POST", uploads)
        if begun.status != 202:
            return _answer(begun, body)
        target = same_origin_target(self._origin, uploads, begun.headers[hdrs.LOCATION])
        joint = "&" if "?" in target else "?"
        address = f"{target}{joint}{urlencode({'digest': str(digest)})}"
        return _answer(*await self._send("PUT", address, "application/octet-stream", content))

    async def _send(
        self, method: str, target: str, content_type: str = "", body: bytes = b""
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        """Send a request; after a 401 log in as it asks, and send it once more."""
        headers: dict[str, str] = {hdrs.ACCEPT: ", ".join((*media_types.ACCEPT_MANIFESTS, "*/*"))}
        if content_type:
            headers[hdrs.CONTENT_TYPE] = content_type
        response, answer = await self._exchange(method, self._origin.url(target), headers, self._bearer, body)
        if response.status == 401:
            self._bearer = await self._token(response.headers.getall(hdrs.WWW_AUTHENTICATE, ()))
            response, answer = await self._exchange(method, self._origin.url(target), headers, self._bearer, body)
        return response, answer

    async def _token(self, challenges: Sequence[str]) -> str:
        asked = parse_challenges(challenges).get("bearer", {})
        realm = asked.get("realm", "")
        if not realm.startswith(f"{self._origin}/"):
            raise DemoError(f"{self._origin} names {realm or 'no address'} to log in at; it should be its own")
        query = {name: value for name, value in asked.items() if name in ("service", "scope")}
        response, answer = await self._exchange("GET", URL(realm).with_query(query), {}, self._login)
        if response.status != 200:
            raise DemoError(f"{self._origin} refused the token of the demo: {_answer(response, answer).line}")
        return f"Bearer {json.loads(answer)['token']}"

    async def _exchange(
        self, method: str, url: URL, headers: Mapping[str, str], authorization: str, body: bytes = b""
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        sent = {**headers, hdrs.AUTHORIZATION: authorization} if authorization else headers
        try:
            async with self._session.request(method, url, headers=sent, data=body, allow_redirects=False) as response:
                return response, await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise DemoError(f"the gate of the demo does not answer at {url}: {error}") from error


def _answer(response: aiohttp.ClientResponse, body: bytes) -> Answer:
    if response.status < 400:
        return Answer(response.status, line=response.headers.get("Warning", ""), body=body)
    try:
        error = json.loads(body)["errors"][0]
        return Answer(response.status, str(error["code"]), str(error["message"]))
    except (ValueError, LookupError, TypeError):
        return Answer(response.status, line=body[:200].decode(errors="replace"))


def _check(digest: Digest, content: bytes) -> None:
    if not digest.matches(content):
        raise DemoError(f"the gate served bytes as {digest} that have another digest")
