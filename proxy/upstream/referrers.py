"""The list of referrers under a tag, in registries that have no API for it (Referrers Tag Schema).

Clients that come to the registry without the gate read it there, and so does a gate that lost its database. The
registry cannot compare before it writes, so whoever writes takes turns (the gate does, for all tags of a repository),
and looks afterwards whether somebody else wrote over it (threat 70).
"""

from collections.abc import Awaitable, Callable

import structlog

from proxy.upstream.port import StoredManifest, UpstreamError, UpstreamRefusedError
from scanning.errors import InvalidContentError, InvalidManifestError
from scanning.oci.digest import Digest
from scanning.oci.manifest import Manifest
from scanning.oci.media_types import OCI_INDEX
from scanning.oci.names import Reference, Repository
from scanning.oci.read import MAX_MANIFEST_BYTES
from scanning.oci.referrers import as_referrer, entries_of, referrers_tag, with_referrer, without_referrers

_ATTEMPTS = 5
_log = structlog.get_logger(__name__)

GetManifest = Callable[[Repository, Reference], Awaitable[StoredManifest | None]]
PutManifest = Callable[[Repository, Reference, str, bytes], Awaitable[object]]


class ReferrersTags:
    """Keeps these lists. One that cannot be written is logged: the gate's own list has what was pushed through it."""

    def __init__(self, get: GetManifest, put: PutManifest) -> None:
        self._get = get
        self._put = put

    async def add(self, repository: Repository, manifest: Manifest) -> None:
        """List `manifest`, which the registry has, under the tag of its subject."""
        if manifest.subject is None:
            return
        subject, referrer = manifest.subject.digest, as_referrer(manifest)
        try:
            for _ in range(_ATTEMPTS):
                listed = await self._listed(repository, subject)
                body = with_referrer(listed, referrer)
                if body is None:
                    return
                await self._write(repository, subject, body)
        except (UpstreamError, InvalidContentError) as error:
            _log.warning("referrer not listed", repository=str(repository), subject=str(subject), problem=str(error))
            return
        problem = f"somebody else wrote over the list {_ATTEMPTS} times"
        _log.warning("referrer not listed", repository=str(repository), subject=str(subject), problem=problem)

    async def remove(self, repository: Repository, subject: Digest, digest: Digest) -> None:
        """List `digest`, which is gone, under the tag of `subject` no more."""
        try:
            listed = await self._listed(repository, subject)
            body = without_referrers(listed, [digest]) if listed is not None else None
            if body is not None:
                await self._write(repository, subject, body)
        except (UpstreamError, InvalidContentError) as error:
            _log.warning("referrer still listed", repository=str(repository), subject=str(subject), problem=str(error))

    async def _listed(self, repository: Repository, subject: Digest) -> bytes | None:
        stored = await self._get(repository, referrers_tag(subject))
        if stored is None:
            return None
        if stored.media_type != OCI_INDEX:
            raise InvalidManifestError(f"the tag {referrers_tag(subject)} names something else than a list")
        return stored.body

    async def _write(self, repository: Repository, subject: Digest, body: bytes) -> None:
        try:
            await self._put_list(repository, subject, body)
        except UpstreamRefusedError as error:
            # Registries refuse an index that lists what was deleted meanwhile.
            pruned = without_referrers(body, await self._missing(repository, body))
            if pruned is None:
                raise
            _log.info("deleted referrers left out", subject=str(subject), refused=str(error))
            await self._put_list(repository, subject, pruned)

    async def _put_list(self, repository: Repository, subject: Digest, body: bytes) -> None:
        if len(body) > MAX_MANIFEST_BYTES:
            raise InvalidManifestError(f"the list would have more than {MAX_MANIFEST_BYTES} bytes")
        await self._put(repository, referrers_tag(subject), OCI_INDEX, body)

    async def _missing(self, repository: Repository, body: bytes) -> list[Digest]:
        digests = [Digest.parse(str(entry.get("digest"))) for entry in entries_of(body)]
        return [digest for digest in digests if await self._get(repository, digest) is None]
