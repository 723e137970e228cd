"""Blobs (end-2, end-10): what may be read is the gate's decision, how much of it the client's."""

from aiohttp import hdrs, web

from proxy.errors import BlobUnknownError, MethodNotAllowedError
from proxy.registry.kernel_copy import send_by_kernel
from proxy.registry.ranges import wanted_range
from proxy.registry.relay import relay
from proxy.routing import Call
from proxy.upstream.port import BlobStream
from scanning.oci.digest import Digest
from scanning.oci.names import Repository

_PIECE = 64 * 1024


def blob_location(repository: Repository, digest: Digest) -> str:
    """Where a blob is, relative to this host: no header of a request can change it (threat 26)."""
    return f"/v2/{repository}/blobs/{digest}"


async def get(call: Call) -> web.StreamResponse:
    """A blob, or one range of it, or where the client gets it by itself (a Range goes with it); for HEAD its size."""
    digest = Digest.parse(call.parameters["digest"])
    await call.services.gate.check_blob(call.caller, call.repository, digest)
    if call.request.method == hdrs.METH_HEAD:
        return await _head(call, digest)
    location = await _location(call, digest)
    if location is not None:
        return _elsewhere(digest, location)
    span = await _wanted(call, digest)
    start, end = span or (0, None)
    async with call.services.upstream.open_blob(call.repository, digest, start, end) as stream:
        if stream is None:
            raise _unknown(call, digest)
        return await _send(call, digest, stream, partial=span is not None)


async def delete(call: Call) -> web.StreamResponse:
    """Remove a blob from the repository, where deletion is switched on."""
    digest = Digest.parse(call.parameters["digest"])
    check_deletion(call)
    await call.services.gate.delete_blob(call.caller, call.repository, digest)
    return web.Response(status=202)


def check_deletion(call: Call) -> None:
    """Raise `MethodNotAllowedError` where deletion is switched off (threat 21)."""
    if not call.services.settings.registry.delete_enabled:
        raise MethodNotAllowedError(
            "deletion is switched off; an administrator can set registry.delete_enabled",
            allowed=(hdrs.METH_GET, hdrs.METH_HEAD),
        )


async def _head(call: Call, digest: Digest) -> web.StreamResponse:
    size = await call.services.upstream.blob_size(call.repository, digest)
    if size is None:
        raise _unknown(call, digest)
    return web.Response(headers={**_headers(digest), hdrs.CONTENT_LENGTH: str(size)})


async def _location(call: Call, digest: Digest) -> str | None:
    """Where the client may get it: not what only those who push may read, since others could learn the address."""
    gate = call.services.gate
    if not gate.redirects_blobs(call.repository):
        return None
    location = await call.services.upstream.blob_location(call.repository, digest)
    return location if location is not None and await gate.admits_blob(call.repository, digest) else None


def _elsewhere(digest: Digest, location: str) -> web.StreamResponse:
    """307, so that the method stays. The address alone lets one read, so nobody may keep it."""
    return web.Response(
        status=307,
        headers={hdrs.LOCATION: location, hdrs.CACHE_CONTROL: "no-store", "Docker-Content-Digest": str(digest)},
    )


async def _wanted(call: Call, digest: Digest) -> tuple[int, int] | None:
    header = call.request.headers.get(hdrs.RANGE)
    if header is None or call.request.headers.get(hdrs.IF_RANGE, _etag(digest)) != _etag(digest):
        return None
    size = await call.services.upstream.blob_size(call.repository, digest)
    if size is None:
        raise _unknown(call, digest)
    return wanted_range(header, size)


async def _send(call: Call, digest: Digest, stream: BlobStream, *, partial: bool) -> web.StreamResponse:
    request, patience = call.request, call.services.settings.network.write_timeout_seconds
    response = web.StreamResponse(status=206 if partial else 200, headers=_headers(digest))
    response.content_length = stream.end - stream.start
    if partial:
        response.headers[hdrs.CONTENT_RANGE] = f"bytes {stream.start}-{stream.end - 1}/{stream.size}"
    await response.prepare(request)
    if not (await send_by_kernel(request, stream, patience) or await relay(request.writer, stream)):
        async for chunk in stream.chunks:
            for start in range(0, len(chunk), _PIECE):  # what is written at once is buffered whole, twice with TLS
                await response.write(memoryview(chunk)[start : start + _PIECE])
    await response.write_eof()
    return response


def _headers(digest: Digest) -> dict[str, str]:
    return {
        hdrs.CONTENT_TYPE: "application/octet-stream",
        hdrs.ACCEPT_RANGES: "bytes",
        hdrs.ETAG: _etag(digest),
        "Docker-Content-Digest": str(digest),
    }


def _etag(digest: Digest) -> str:
    return f'"{digest}"'


def _unknown(call: Call, digest: Digest) -> BlobUnknownError:
    return BlobUnknownError(f"there is no blob {digest} in {call.repository}")
