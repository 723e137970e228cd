"""An OCI image layout as a source of content: a folder, or a tar archive of one (OCI image specification,
image-layout.md). For asking about an image before it is pushed.

Nothing is unpacked: an archive is indexed, and blobs are read where they lie.
"""

import asyncio
import json
import tarfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from proxy.upstream.port import BlobStream, BrokenContentError, StoredManifest, UpstreamError
from scanning.errors import InvalidContentError
from scanning.oci import media_types
from scanning.oci.digest import Digest
from scanning.oci.names import Reference, Repository, Tag
from scanning.oci.read import MAX_MANIFEST_BYTES

_CHUNK = 1 << 20
_REF_NAME = "org.opencontainers.image.ref.name"


class NotALayoutError(UpstreamError):
    """The path holds no OCI image layout, or one that cannot be read."""


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a file of the layout lies: in `path`, `size` bytes from `offset`."""

    path: Path
    offset: int
    size: int

    def read(self, start: int, end: int) -> bytes:
        with self.path.open("rb") as file:
            file.seek(self.offset + start)
            return file.read(end - start)


class OciLayout:
    """Reads one layout; every repository name means the same content. Implements `ContentSource`."""

    def __init__(self, files: Mapping[str, _Place], path: Path) -> None:
        """See `open_layout`."""
        self._files = files
        self._path = path

    def roots(self) -> Mapping[str, Digest]:
        """The manifests that index.json lists, by their name (or their digest where they have none).

        Raises `NotALayoutError`.
        """
        try:
            entries = json.loads(self._document("index.json"))["manifests"]
            return {
                str((entry.get("annotations") or {}).get(_REF_NAME) or entry["digest"]): Digest.parse(entry["digest"])
                for entry in entries
            }
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, InvalidContentError) as error:
            raise NotALayoutError(f"{self._path}: its index.json cannot be read: {error}") from error

    async def get_manifest(self, repository: Repository, reference: Reference) -> StoredManifest | None:
        """See `ContentSource`."""
        digest = self.roots().get(reference.name) if isinstance(reference, Tag) else reference
        place = self._files.get(_blob_name(digest)) if digest else None
        if digest is None or place is None:
            return None
        if place.size > MAX_MANIFEST_BYTES:
            raise NotALayoutError(f"{self._path}: manifest {digest} has {place.size} bytes, more than a manifest may")
        body = await asyncio.to_thread(place.read, 0, place.size)
        if not digest.matches(body):
            raise BrokenContentError(f"{self._path}: the file of manifest {digest} has another digest")
        return StoredManifest(digest, _media_type(body), body)

    async def blob_size(self, repository: Repository, digest: Digest) -> int | None:
        """See `ContentSource`."""
        place = self._files.get(_blob_name(digest))
        return place.size if place else None

    @asynccontextmanager
    async def open_blob(
        self, repository: Repository, digest: Digest, start: int = 0, end: int | None = None
    ) -> AsyncIterator[BlobStream | None]:
        """See `ContentSource`."""
        place = self._files.get(_blob_name(digest))
        if place is None:
            yield None
            return
        stop = place.size if end is None else end
        yield BlobStream(place.size, start, stop, _chunks(place, start, stop))

    async def referrers(self, repository: Repository, subject: Digest) -> tuple[StoredManifest, ...]:
        """See `ContentSource`: a layout keeps none that anything points at."""
        return ()

    def _document(self, name: str) -> bytes:
        place = self._files.get(name)
        if place is None or place.size > MAX_MANIFEST_BYTES:
            raise NotALayoutError(f"{self._path} has no readable {name}")
        return place.read(0, place.size)


def open_layout(path: Path) -> OciLayout:
    """Open a folder or a tar archive. Raises `NotALayoutError`."""
    try:
        files = _folder_files(path) if path.is_dir() else _archive_files(path)
    except (OSError, tarfile.TarError) as error:
        raise NotALayoutError(f"{path} cannot be read: {error}") from error
    if "index.json" not in files:
        hint = "it looks like docker save's old format; " if "manifest.json" in files else ""
        raise NotALayoutError(
            f"{path} is no OCI image layout: {hint}make one with: skopeo copy SOURCE oci-archive:image.tar"
        )
    return OciLayout(files, path)


def _folder_files(path: Path) -> dict[str, _Place]:
    found = [path / "index.json", path / "manifest.json", *(path / "blobs").glob("*/*")]
    return {str(file.relative_to(path)): _Place(file, 0, file.stat().st_size) for file in found if file.is_file()}


def _archive_files(path: Path) -> dict[str, _Place]:
    with tarfile.open(path, "r:") as archive:
        return {
            member.name.removeprefix("./"): _Place(path, member.offset_data, member.size)
            for member in archive
            if member.isfile()
        }


def _blob_name(digest: Digest) -> str:
    return f"blobs/{digest.algorithm}/{digest.hex}"


def _media_type(body: bytes) -> str:
    """A manifest's own word on what it is; the strict reader decides whether its shape agrees."""
    try:
        document = json.loads(body)
        said = document.get("mediaType")
    except (ValueError, AttributeError, RecursionError):
        return media_types.OCI_MANIFEST
    if isinstance(said, str):
        return said
    return media_types.OCI_INDEX if "manifests" in document else media_types.OCI_MANIFEST


async def _chunks(place: _Place, start: int, end: int) -> AsyncIterator[bytes]:
    while start < end:
        chunk = await asyncio.to_thread(place.read, start, min(start + _CHUNK, end))
        if not chunk:
            raise BrokenContentError(f"{place.path} ends early")
        yield chunk
        start += len(chunk)
