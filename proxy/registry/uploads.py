"""Blob uploads (end-4 to end-6, end-11, end-13, end-14): to the upstream and past an observer at the same time.

    POST                    start; with ?digest= the whole blob; with ?mount=&from= without bytes
    PATCH                   the next bytes
    PUT ?digest=            the last bytes, and what they all are
    GET, DELETE             where it stands; give it up

The upstream sees none of the client's parameters or headers, only the parsed values (threats 14 to 16).
"""

from collections.abc import AsyncIterator
from contextlib import suppress

from aiohttp import hdrs, web

from config.errors import ImagegateError
from proxy.connection import Connection
from proxy.errors import BadRequestError, BlobUnknownError, DeniedError, UnauthorizedError, UploadInvalidError
from proxy.identity.challenge import repository_scope
from proxy.identity.principal import Action
from proxy.registry.blobs import blob_location
from proxy.registry.bodies import chunks, take
from proxy.registry.gatekeeper import Observer
from proxy.registry.ranges import chunk_range
from proxy.registry.sessions import Session
from proxy.routing import Call
from proxy.upstream.port import SocketBody, Upload, UploadOffsetError, UpstreamError
from scanning.oci.digest import Digest
from scanning.oci.names import Repository


async def start(call: Call) -> web.StreamResponse:
    """Begin an upload, or do all of it at once."""
    query = call.request.rel_url.query
    if "mount" in query and "digest" in query:
        raise BadRequestError("the request asks for a mount and an upload at once; ask for one")
    if "mount" in query:
        digest = Digest.parse(query["mount"])
        if query.get("from") and await _mounted(call, digest, Repository(query["from"])):
            return _created(call, digest)
    wanted = Digest.parse(query["digest"]) if "digest" in query else None
    upload = await call.services.upstream.begin_upload(call.repository)
    session = call.services.uploads.begin(call.repository, call.caller.principal.grant, upload)
    if wanted is None:
        return _accepted(call, session, status=202)
    try:
        session, observer = await _receive(call, session)
        return await _finish(call, session, wanted, observer)
    except ImagegateError:
        with suppress(UpstreamError):  # it may have forgotten the upload already; what broke it is what counts
            await call.services.upstream.cancel_upload(call.repository, session.upload)
        raise


async def status(call: Call) -> web.StreamResponse:
    """Where an upload stands, for a client that lost count."""
    session = _session(call)
    upload = await call.services.upstream.upload_status(call.repository, session.upload)
    return _accepted(call, session.at(upload), status=204)


async def append(call: Call) -> web.StreamResponse:
    """Take the next bytes."""
    session, observer = await _receive(call, _session(call))
    call.services.observers.keep(session, observer)
    return _accepted(call, session, status=202)


async def finish(call: Call) -> web.StreamResponse:
    """Take the last bytes, if any, and publish the blob."""
    session = _session(call)
    if "digest" not in call.request.rel_url.query:
        raise UploadInvalidError("the digest parameter is missing: finish an upload with ?digest=sha256:...")
    digest = Digest.parse(call.request.rel_url.query["digest"])
    session, observer = await _receive(call, session)
    return await _finish(call, session, digest, observer)


async def cancel(call: Call) -> web.StreamResponse:
    """Forget an upload."""
    session = _session(call)
    call.services.observers.forget(session)
    await call.services.upstream.cancel_upload(call.repository, session.upload)
    return web.Response(status=204)


def _session(call: Call) -> Session:
    return call.services.uploads.find(call.parameters["upload"], call.repository, call.caller.principal.grant)


async def _mounted(call: Call, digest: Digest, source: Repository) -> bool:
    """Whether the blob could be linked from `source`. Who may not read it there uploads it instead (threat 13)."""
    principal = call.caller.principal
    if not principal.may(Action.PULL, source):
        if principal.granted(Action.PULL, source):
            raise UnauthorizedError(
                f"the bearer token was not issued for pull on {source}; ask for one that is",
                scope=f"{repository_scope(call.repository, Action.PUSH)} {repository_scope(source, Action.PULL)}",
                error="insufficient_scope",
            )
        return False
    try:
        await call.services.gate.check_blob(call.caller, source, digest)
    except (DeniedError, BlobUnknownError):
        return False
    return await call.services.upstream.mount_blob(call.repository, digest, source)


async def _receive(call: Call, session: Session) -> tuple[Session, Observer | None]:
    """Pass the request's body on to the upstream and an observer. What arrived before an error stays."""
    span = _checked_span(call.request, session)
    observer = await call.services.observers.take(session)
    intake = _Intake(call, observer)
    try:
        upload = await intake.into(session)
    except BaseException:  # also when the client goes away: the observer must not wait for ever
        if observer is not None:
            await observer.abandon()
        raise
    session = session.at(upload)
    if span is not None and intake.count != span[1] - span[0]:
        call.services.observers.keep(session, observer)
        raise UploadInvalidError(f"the chunk has {intake.count} bytes, its Content-Range says {span[1] - span[0]}")
    return session, observer


def _checked_span(request: web.Request, session: Session) -> tuple[int, int] | None:
    header = request.headers.get(hdrs.CONTENT_RANGE)
    if header is None:
        return None
    start, end = chunk_range(header)
    if start != session.upload.offset:
        raise UploadOffsetError(
            f"the chunk starts at byte {start}, the upload stands at {session.upload.offset}; go on from there",
            offset=session.upload.offset,
        )
    if request.content_length is not None and request.content_length != end - start:
        raise UploadInvalidError(f"Content-Length is {request.content_length}, Content-Range says {end - start}")
    return start, end


class _Intake:
    """A body on its way: counted, observed, and with its own error kept apart from the upstream's."""

    def __init__(self, call: Call, observer: Observer | None) -> None:
        self._call = call
        self._patience = call.services.settings.network.read_timeout_seconds
        self._observer = observer
        self._error: Exception | None = None
        self.count = 0

    async def into(self, session: Session) -> Upload:
        """Send it to the upstream. Raises what broke first: the body, or the upstream."""
        call, request = self._call, self._call.request
        if not request.can_read_body:
            return session.upload
        try:
            return await call.services.upstream.append(
                call.repository,
                session.upload,
                self._chunks(),
                length=request.content_length,
                take=self._take if self._observer is None else None,
            )
        except ImagegateError as error:
            if self._error is not None and self._error is not error:
                raise self._error from error
            raise
        finally:
            if isinstance(request.protocol, Connection):
                request.protocol.give_back()

    async def _chunks(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in chunks(self._call.request, self._patience):
                self._note(len(chunk))
                if self._observer is not None:
                    await self._observer.feed(chunk)
                yield chunk
        except (ImagegateError, ConnectionError) as error:
            self._error = error
            raise

    def _take(self) -> SocketBody | None:
        body = take(self._call.request, self._patience)
        if body is None:
            return None
        self._note(len(body.ahead))
        return body.noted(self._note, self._keep)

    def _note(self, count: int) -> None:
        self.count += count
        self._call.services.gate.bytes_uploaded(count)

    def _keep(self, error: Exception) -> None:
        self._error = error


async def _finish(call: Call, session: Session, digest: Digest, observer: Observer | None) -> web.StreamResponse:
    try:
        await call.services.upstream.finish_upload(call.repository, session.upload, digest)
    except BaseException:  # as above: whatever ends this, the observer is not left waiting
        if observer is not None:
            await observer.abandon()
        raise
    if observer is not None:
        await observer.finish(digest)
    else:
        call.services.gate.blob_uploaded(call.caller, call.repository, digest)
    return _created(call, digest)


def _created(call: Call, digest: Digest) -> web.StreamResponse:
    location = blob_location(call.repository, digest)
    return web.Response(status=201, headers={hdrs.LOCATION: location, "Docker-Content-Digest": str(digest)})


def _accepted(call: Call, session: Session, *, status: int) -> web.StreamResponse:
    return web.Response(
        status=status,
        headers={
            hdrs.LOCATION: call.services.uploads.location(session),
            hdrs.RANGE: f"0-{max(session.upload.offset - 1, 0)}",
            "Docker-Upload-UUID": session.id,
        },
    )
