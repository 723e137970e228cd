"""Several registries as one upstream: the prefix of a repository's name says which of them has it.

    hub/library/nginx   the upstream with the prefix hub has it as library/nginx
    team/app            no prefix fits, so the default upstream has it as team/app

The longest prefix decides, part by part, and something must be left behind it. An upload's state begins with the
prefix of the upstream it was begun at (nothing for the default one), so that it never reaches another.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace

import structlog

from config.prefixes import by_longest_prefix
from proxy.upstream.port import (
    BlobStream,
    StoredManifest,
    TakeBody,
    Upload,
    UploadUnknownError,
    Upstream,
    UpstreamError,
    UpstreamReadOnlyError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
)
from scanning.errors import InvalidNameError
from scanning.oci.digest import Digest
from scanning.oci.names import Reference, Repository, Tag

_CATALOG_SECONDS = 60.0
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Route:
    """An upstream, the prefix its repositories have at the gate, and what stands before their names there.

    `prefix` is "" for the default upstream; nothing is written where `read_only`.
    """

    upstream: Upstream
    prefix: str = ""
    namespace: str = ""
    read_only: bool = False

    def outward(self, repository: Repository) -> Repository:
        """The name of a repository at the upstream. Raises `InvalidNameError` if that is too long."""
        name = repository.name[len(self.prefix) + 1 :] if self.prefix else repository.name
        return Repository(f"{self.namespace}/{name}") if self.namespace else Repository(name)

    def inward(self, repository: Repository) -> Repository | None:
        """The name at the gate of a repository of the upstream; None where it has none."""
        name = repository.name
        if self.namespace:
            if not name.startswith(f"{self.namespace}/"):
                return None
            name = name[len(self.namespace) + 1 :]
        try:
            return Repository(f"{self.prefix}/{name}" if self.prefix else name)
        except InvalidNameError:
            return None


class RoutedUpstream:
    """The port over several registries, each of which it closes.

    The list of repositories is made without those that take longer than `patience` seconds for theirs.
    """

    def __init__(self, default: Route, prefixed: Sequence[Route] = (), *, patience: float = _CATALOG_SECONDS) -> None:
        self._patience = patience
        self._prefixed = {route.prefix: route for route in prefixed}
        self._default = default
        self._routes = (*prefixed, default)

    @property
    def further_checks(self) -> Mapping[str, Callable[[], Awaitable[None]]]:
        """How to ask whether the registries besides the default one answer, by prefix."""
        return {prefix: route.upstream.check for prefix, route in self._prefixed.items()}

    def check_writable(self, repository: Repository) -> None:
        """See the port."""
        self._writable(repository)

    async def get_manifest(self, repository: Repository, reference: Reference) -> StoredManifest | None:
        """See the port."""
        route = self._route(repository)
        with _named(route):
            return await route.upstream.get_manifest(route.outward(repository), reference)

    async def put_manifest(self, repository: Repository, reference: Reference, media_type: str, body: bytes) -> None:
        """See the port."""
        route = self._writable(repository)
        with _named(route):
            await route.upstream.put_manifest(route.outward(repository), reference, media_type, body)

    async def delete_manifest(self, repository: Repository, digest: Digest) -> bool:
        """See the port."""
        route = self._writable(repository)
        with _named(route):
            return await route.upstream.delete_manifest(route.outward(repository), digest)

    async def delete_tag(self, repository: Repository, tag: Tag) -> bool:
        """See the port."""
        route = self._writable(repository)
        with _named(route):
            return await route.upstream.delete_tag(route.outward(repository), tag)

    async def blob_size(self, repository: Repository, digest: Digest) -> int | None:
        """See the port."""
        route = self._route(repository)
        with _named(route):
            return await route.upstream.blob_size(route.outward(repository), digest)

    def open_blob(
        self, repository: Repository, digest: Digest, start: int = 0, end: int | None = None
    ) -> AbstractAsyncContextManager[BlobStream | None]:
        """See the port."""
        return self._open_blob(repository, digest, start, end)

    @asynccontextmanager
    async def _open_blob(
        self, repository: Repository, digest: Digest, start: int, end: int | None
    ) -> AsyncIterator[BlobStream | None]:
        route = self._route(repository)
        with _named(route):
            async with route.upstream.open_blob(route.outward(repository), digest, start, end) as stream:
                yield stream

    async def blob_location(self, repository: Repository, digest: Digest) -> str | None:
        """See the port."""
        route = self._route(repository)
        with _named(route):
            return await route.upstream.blob_location(route.outward(repository), digest)

    async def delete_blob(self, repository: Repository, digest: Digest) -> bool:
        """See the port."""
        route = self._writable(repository)
        with _named(route):
            return await route.upstream.delete_blob(route.outward(repository), digest)

    async def mount_blob(self, repository: Repository, digest: Digest, source: Repository) -> bool:
        """Mount within one registry; between two there is nothing to be linked."""
        route = self._writable(repository)
        if self._route(source) is not route:
            return False
        with _named(route):
            return await route.upstream.mount_blob(route.outward(repository), digest, route.outward(source))

    async def begin_upload(self, repository: Repository) -> Upload:
        """See the port."""
        route = self._writable(repository)
        with _named(route):
            return _labelled(route, await route.upstream.begin_upload(route.outward(repository)))

    async def append(
        self,
        repository: Repository,
        upload: Upload,
        chunks: AsyncIterator[bytes],
        *,
        length: int | None = None,
        take: TakeBody | None = None,
    ) -> Upload:
        """See the port."""
        route = self._writable(repository)
        with _named(route):
            own = _unlabelled(route, repository, upload)
            appended = await route.upstream.append(route.outward(repository), own, chunks, length=length, take=take)
            return _labelled(route, appended)

    async def upload_status(self, repository: Repository, upload: Upload) -> Upload:
        """See the port."""
        route = self._route(repository)
        with _named(route):
            own = _unlabelled(route, repository, upload)
            return _labelled(route, await route.upstream.upload_status(route.outward(repository), own))

    async def finish_upload(self, repository: Repository, upload: Upload, digest: Digest) -> None:
        """See the port."""
        route = self._writable(repository)
        with _named(route):
            own = _unlabelled(route, repository, upload)
            await route.upstream.finish_upload(route.outward(repository), own, digest)

    async def cancel_upload(self, repository: Repository, upload: Upload) -> None:
        """See the port."""
        route = self._route(repository)
        with _named(route):
            own = _unlabelled(route, repository, upload)
            await route.upstream.cancel_upload(route.outward(repository), own)

    async def tags(self, repository: Repository) -> tuple[Tag, ...] | None:
        """See the port."""
        route = self._route(repository)
        with _named(route):
            return await route.upstream.tags(route.outward(repository))

    async def repositories(self) -> tuple[Repository, ...]:
        """What all of them list. Some registries have no catalogue, or not for everybody: then without theirs.

        Raises `UpstreamUnavailableError` if none has a list, and the default one might have one later.
        """
        lists = await asyncio.gather(*map(self._listed, self._routes))
        found = [listed for listed in lists if not isinstance(listed, UpstreamError)]
        if not found and isinstance(lists[-1], UpstreamUnavailableError):
            raise lists[-1]
        return tuple(sorted(repository for listed in found for repository in listed))

    async def _listed(self, route: Route) -> set[Repository] | UpstreamError:
        """The repositories of one upstream as the gate knows them, or why there are none."""
        try:
            with _named(route):
                async with asyncio.timeout(self._patience):
                    names = await route.upstream.repositories()
        except TimeoutError:
            _log.warning("repositories not listed in time", upstream=route.prefix or "default")
            return UpstreamTimeoutError("the upstream did not list its repositories in time; try again")
        except UpstreamError as error:
            _log.warning("repositories not listed", upstream=route.prefix or "default", problem=str(error))
            return error
        inward = map(route.inward, names)
        return {name for name in inward if name is not None and self._route(name) is route}

    async def referrers(self, repository: Repository, subject: Digest) -> tuple[StoredManifest, ...]:
        """See the port."""
        route = self._route(repository)
        with _named(route):
            return await route.upstream.referrers(route.outward(repository), subject)

    async def check(self) -> None:
        """Return if the default upstream answers; `further_checks` ask the others."""
        await self._default.upstream.check()

    async def close(self) -> None:
        """Close all of them."""
        async with AsyncExitStack() as stack:
            for route in self._routes:
                stack.push_async_callback(route.upstream.close)

    def _route(self, repository: Repository) -> Route:
        return by_longest_prefix(repository.name, self._prefixed, self._default)

    def _writable(self, repository: Repository) -> Route:
        route = self._route(repository)
        if route.read_only:
            raise UpstreamReadOnlyError(
                f"{repository} can only be pulled: the upstream {route.prefix or 'behind the gate'} is read-only;"
                " push to another repository, or have an administrator set access: read-write for that upstream"
            )
        return route


@contextmanager
def _named(route: Route) -> Iterator[None]:
    """Say in an error which of the registries it came from."""
    try:
        yield
    except UpstreamError as error:
        name = f"{route.prefix}: "
        if route.prefix and not str(error).startswith(name):
            error.args = (name + str(error),)
        raise


def _labelled(route: Route, upload: Upload) -> Upload:
    return replace(upload, state=f"{route.prefix} {upload.state}") if route.prefix else upload


def _unlabelled(route: Route, repository: Repository, upload: Upload) -> Upload:
    """The state as the upstream gave it. No state of ours has a space in it but the one behind the prefix."""
    prefix, space, state = upload.state.rpartition(" ")
    if prefix != route.prefix or (space and not prefix):
        raise UploadUnknownError(f"there is no such upload to {repository}; begin a new one")
    return replace(upload, state=state)
