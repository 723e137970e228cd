"""Uploads to a remote registry (distribution specification, "Pushing a blob in chunks").

`Upload.state` is the path and query of the upload's address at the upstream. Some registries (docker-registry) put
the offset into that address and forget an upload that is addressed as it was before the last chunk. The client brings
the newest address with it (it is sealed into the one it was given) but after a chunk that broke off. Such a chunk is
ended in good order, so that the upstream says the new address, and that is noted where all replicas find it. The newest
addresses are remembered here too: that saves asking, and covers an answer that the client did not get.
"""

import re
from collections import OrderedDict
from collections.abc import AsyncIterator
from typing import Protocol
from urllib.parse import urlencode

import aiohttp

from proxy.upstream.answers import failure
from proxy.upstream.connection import Connection, Request
from proxy.upstream.origin import same_origin_target
from proxy.upstream.port import (
    BrokenContentError,
    DigestMismatchError,
    TakeBody,
    Upload,
    UploadOffsetError,
    UploadUnknownError,
    UpstreamRefusedError,
)
from proxy.upstream.upload_body import UploadBody
from scanning.oci.digest import Digest
from scanning.oci.names import Repository

_RANGE = re.compile(r"(?:bytes=)?0-(\d{1,18})")
_SPECIFIED_PATH = re.compile(r"/v2/(.+)/blobs/uploads/[^/]*")
_MAX_REMEMBERED = 10_000
_OCTETS = {"Content-Type": "application/octet-stream"}


class UploadNotes(Protocol):
    """Notes on uploads whose last chunk broke off (`interrupted.InterruptedUploads`). Methods raise `StorageError`."""

    async def note(self, path: str, stands: Upload) -> None:
        """Remember where the upload at `path` stands."""

    async def find(self, path: str) -> Upload | None:
        """Where it stood when its last chunk broke off; None if none did."""


class RemoteUploads:
    """The upload half of the remote adapter. Methods are those of the port."""

    def __init__(self, connection: Connection, interrupted: UploadNotes | None = None) -> None:
        self._connection = connection
        self._interrupted = interrupted
        self._newest: OrderedDict[str, Upload] = OrderedDict()

    async def begin_upload(self, repository: Repository) -> Upload:
        """Open an upload."""
        request = self._begin(repository, "", f"opening an upload in {repository}", _push(repository))
        async with self._connection.send(request) as response:
            if response.status != 202:
                raise await failure(response, request.doing)
            return self._stands(response, request, 0)

    async def mount_blob(self, repository: Repository, digest: Digest, source: Repository) -> bool:
        """Ask for a mount; where the upstream opens an upload instead, that is cancelled."""
        query = "?" + urlencode([("mount", str(digest)), ("from", str(source))])
        scope = f"{_push(repository)} repository:{source}:pull"
        request = self._begin(repository, query, f"mounting {digest} from {source} into {repository}", scope)
        async with self._connection.send(request) as response:
            if response.status == 201:
                _check_digest(response, digest, request.doing)
                return True
            if response.status == 404:
                return False
            if response.status != 202:
                raise await failure(response, request.doing)
            opened = self._stands(response, request, 0)
        await self.cancel_upload(repository, opened)
        return False

    async def append(
        self, repository: Repository, upload: Upload, chunks: AsyncIterator[bytes], take: TakeBody | None = None
    ) -> Upload:
        """Stream a chunk of unknown length; the offset is checked here, since its end cannot be announced."""
        upload = await self._at(repository, upload)
        target = self._target(repository, upload)
        doing = f"sending a chunk of an upload to {repository}"
        body = UploadBody(chunks, take, self._connection.read_timeout)
        request = Request("PATCH", target, _push(repository), doing, _OCTETS, body)
        async with self._connection.send(request) as response:
            await self._expect(response, request, 202)
            stands = self._stands(response, request, upload.offset + body.sent)
        if body.broken is not None:
            if self._interrupted is not None:
                await self._interrupted.note(_key(stands), stands)
            raise body.broken
        return stands

    async def upload_status(self, repository: Repository, upload: Upload) -> Upload:
        """Ask where the upload stands."""
        return await self._ask(repository, await self._last_known(upload))

    async def _ask(self, repository: Repository, upload: Upload) -> Upload:
        doing = f"asking where an upload to {repository} stands"
        request = Request("GET", self._target(repository, upload), _push(repository), doing)
        async with self._connection.send(request) as response:
            await self._expect(response, request, 204)
            return self._stands(response, request, _offset(response, upload.offset, doing))

    async def finish_upload(self, repository: Repository, upload: Upload, digest: Digest) -> None:
        """Close the upload under a digest; cancelled if the upstream counts another."""
        upload = await self._last_known(upload)
        target = self._target(repository, upload)
        target += ("&" if "?" in target else "?") + urlencode([("digest", str(digest))])
        request = Request(
            "PUT", target, _push(repository), f"finishing the upload of {digest} to {repository}", _OCTETS, b""
        )
        async with self._connection.send(request) as response:
            try:
                await self._expect(response, request, 201)
            except UpstreamRefusedError as error:
                if error.code != "DIGEST_INVALID":
                    raise
                mismatch = error
            else:
                _check_digest(response, digest, request.doing)
                self._newest.pop(_key(upload), None)
                return
        await self.cancel_upload(repository, upload)
        raise DigestMismatchError(
            f"the bytes uploaded to {repository} do not have the digest {digest}; upload them again"
        ) from mismatch

    async def cancel_upload(self, repository: Repository, upload: Upload) -> None:
        """Cancel the upload; one that is gone already is no error."""
        upload = await self._last_known(upload)
        target = self._target(repository, upload)
        request = Request("DELETE", target, _push(repository), f"cancelling an upload to {repository}")
        self._newest.pop(_key(upload), None)
        async with self._connection.send(request) as response:
            if response.status not in {200, 202, 204, 404}:
                raise await failure(response, request.doing)

    def _begin(self, repository: Repository, query: str, doing: str, scope: str) -> Request:
        # Always with an empty body of our own: a form in it would override the query (threats 14 and 15).
        # Asked for twice, one upload is left that nobody uses; registries sweep these up.
        target = f"/v2/{repository}/blobs/uploads/{query}"
        return Request("POST", target, scope, doing, _OCTETS, b"", repeatable=True)

    async def _at(self, repository: Repository, upload: Upload) -> Upload:
        """The newest address of the upload, once it is sure that it stands at `upload.offset`."""
        known = await self._heard(upload) or await self._ask(repository, upload)
        if known.offset != upload.offset:
            raise UploadOffsetError(
                f"the chunk starts at byte {upload.offset}, but the upload to {repository} stands at byte"
                f" {known.offset}; go on from there",
                offset=known.offset,
            )
        return known

    async def _last_known(self, upload: Upload) -> Upload:
        """Where the upload stood when it was heard of last: here, at another replica, or by the client itself."""
        return await self._heard(upload) or upload

    async def _heard(self, upload: Upload) -> Upload | None:
        """Where it stands by what was heard here or at another replica; None if the client knows better."""
        noted = await self._interrupted.find(_key(upload)) if self._interrupted is not None else None
        heard = (stood for stood in (self._newest.get(_key(upload)), noted) if stood is not None)
        newest = max(heard, key=lambda stood: stood.offset, default=None)
        return newest if newest is not None and newest.offset >= upload.offset else None

    def _target(self, repository: Repository, upload: Upload) -> str:
        """The checked address of an upload: a state is not trusted for having come back to us."""
        if not upload.state.startswith("/"):
            raise UploadUnknownError(f"there is no such upload to {repository}; begin a new one")
        try:
            target = same_origin_target(self._connection.origin, "/", upload.state)
        except UpstreamRefusedError as error:
            raise UploadUnknownError(f"there is no such upload to {repository}: {error}") from error
        specified = _SPECIFIED_PATH.fullmatch(target.partition("?")[0])
        if specified is not None and specified[1] != str(repository):
            raise UploadUnknownError(f"there is no such upload to {repository}; begin a new one")
        return target

    def _stands(self, response: aiohttp.ClientResponse, request: Request, offset: int) -> Upload:
        """Note and give where the upload stands after an answer. A GET need not repeat the address."""
        location = response.headers.get("Location", request.target if request.method == "GET" else "")
        if not location:
            raise UpstreamRefusedError(f"the upstream did not say where the upload is when {request.doing}")
        base = request.target.partition("?")[0]
        upload = Upload(same_origin_target(self._connection.origin, base, location), offset)
        self._newest[_key(upload)] = upload
        self._newest.move_to_end(_key(upload))
        if len(self._newest) > _MAX_REMEMBERED:
            self._newest.popitem(last=False)
        return upload

    async def _expect(self, response: aiohttp.ClientResponse, request: Request, status: int) -> None:
        if response.status == 404:
            raise UploadUnknownError(f"the upstream knows no such upload when {request.doing}; begin a new one")
        if response.status != status:
            raise await failure(response, request.doing)


def _push(repository: Repository) -> str:
    return f"repository:{repository}:pull,push"


def _key(upload: Upload) -> str:
    return upload.state.partition("?")[0]


def _offset(response: aiohttp.ClientResponse, last_known: int, doing: str) -> int:
    """The offset a Range header says. `0-0` is what registries say of one byte and of none."""
    text = response.headers.get("Range", "")
    found = _RANGE.fullmatch(text)
    if found is None:
        if text == "":
            return last_known
        raise BrokenContentError(f"the upstream sent a Range that cannot be read, {text[:50]!r}, when {doing}")
    last = int(found[1])
    return last + 1 if last else min(last_known, 1)


def _check_digest(response: aiohttp.ClientResponse, digest: Digest, doing: str) -> None:
    """The digest it says it stored must be ours; some (docker-registry) name a sha512 blob by its sha256."""
    stored = response.headers.get("Docker-Content-Digest", str(digest))
    if stored.startswith(f"{digest.algorithm}:") and stored != str(digest):
        raise BrokenContentError(f"the upstream stored another digest, {stored[:150]!r}, when {doing}")
