"""A small feed with the layout and manners of OSV's public bucket, and ways to misbehave."""

import hashlib
import io
import zipfile
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web
from aiohttp.test_utils import TestServer


def archive(records: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A zip archive of records by member name."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", method) as file:
        for name, record in records.items():
            file.writestr(name, record)
    return content.getvalue()


@dataclass
class FeedServer:
    """What the server holds, how it misbehaves, and what it was asked."""

    archives: dict[str, bytes] = field(default_factory=dict)
    status: int = 200
    redirect: str = ""
    truncate: bool = False
    requests: list[web.Request] = field(default_factory=list)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer `GET /<ECOSYSTEM>/all.zip`."""
        self.requests.append(request)
        if self.redirect:
            return web.Response(status=302, headers={"Location": self.redirect.format(**request.match_info)})
        if self.status != 200:
            return web.Response(status=self.status)
        content = self.archives.get(request.match_info["ecosystem"])
        if content is None:
            return web.Response(status=404)
        etag = hashlib.sha256(content).hexdigest()
        if request.if_none_match and any(one.value == etag for one in request.if_none_match):
            return web.Response(status=304)
        if self.truncate:
            return await self._half(request, content)
        return web.Response(body=content, headers={"ETag": f'"{etag}"'})

    async def _half(self, request: web.Request, content: bytes) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Length": str(len(content))})
        await response.prepare(request)
        await response.write(content[: len(content) // 2])
        assert request.transport is not None
        request.transport.close()
        return response

    @property
    def paths(self) -> Iterable[str]:
        """What was asked for, in order."""
        return [request.path for request in self.requests]


@asynccontextmanager
async def serving(feed: FeedServer) -> AsyncIterator[str]:
    """Serve a feed on loopback; gives its base address."""
    app = web.Application()
    app.router.add_get("/{ecosystem}/all.zip", feed.answer)
    async with TestServer(app) as server:
        yield str(server.make_url("")).rstrip("/")
