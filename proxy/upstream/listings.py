"""What a remote registry lists: tags, repositories and referrers, page by page, within bounds."""

import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlencode

from proxy.upstream.answers import failure, next_page, read_json
from proxy.upstream.connection import Connection, Request
from proxy.upstream.origin import same_origin_target
from proxy.upstream.port import MAX_REFERRERS, BrokenContentError, StoredManifest
from scanning.errors import InvalidContentError, InvalidNameError
from scanning.oci.digest import Digest
from scanning.oci.media_types import OCI_INDEX
from scanning.oci.names import Repository, Tag

PAGE = 1000
"""Names asked for at once; docker-registry gives no more by default."""
_MAX_PAGES = 1000
_MAX_PAGE_BYTES = 8 * 1024 * 1024
_MAX_ELEMENTS = 1_000_000
"""The most names of one list: `_MAX_PAGES` of what is asked for, and not of what fits into so many bytes."""


class RemoteListings:
    """The listing part of the remote adapter."""

    def __init__(self, connection: Connection, page: int = PAGE) -> None:
        self._connection = connection
        self._page = page

    async def tags(self, repository: Repository) -> tuple[Tag, ...] | None:
        """All tags in lexical order; None if the repository is unknown. What is no valid tag is left out."""
        found = await self._gather(
            f"/v2/{repository}/tags/list?" + urlencode([("n", self._page)]),
            f"repository:{repository}:pull",
            "tags",
            f"listing the tags of {repository}",
        )
        if found is None:
            return None
        tags = set()
        for name in found:
            try:
                tags.add(Tag(str(name)))
            except InvalidNameError:
                continue
        return tuple(sorted(tags))

    async def repositories(self) -> tuple[Repository, ...]:
        """All repositories in lexical order. What is no valid name is left out."""
        doing = "listing the repositories"
        found = await self._gather(
            "/v2/_catalog?" + urlencode([("n", self._page)]), "registry:catalog:*", "repositories", doing
        )
        if found is None:
            raise BrokenContentError(f"the upstream has no catalog (404) when {doing}")
        repositories = set()
        for name in found:
            try:
                repositories.add(Repository(str(name)))
            except InvalidNameError:
                continue
        return tuple(sorted(repositories))

    async def referrers(self, repository: Repository, subject: Digest) -> tuple[Digest, ...] | None:
        """The digests the referrers API lists; None if the upstream does not have that API."""
        found = await self._gather(
            f"/v2/{repository}/referrers/{subject}",
            f"repository:{repository}:pull",
            "manifests",
            f"listing what refers to {subject} in {repository}",
        )
        return None if found is None else _digests(found, subject)

    async def _gather(self, target: str, scope: str, key: str, doing: str) -> list[Any] | None:
        """Every element of the list `key` over all pages; None if the first page is not there."""
        found: list[Any] = []
        for _ in range(_MAX_PAGES):
            request = Request("GET", target, scope, doing, {"Accept": f"{OCI_INDEX}, application/json"})
            async with self._connection.send(request) as response:
                if response.status == 404:
                    return None
                if response.status != 200:
                    raise await failure(response, doing)
                page = (await read_json(response, _MAX_PAGE_BYTES, doing)).get(key) or []
                if not isinstance(page, list):
                    raise BrokenContentError(f"the upstream's answer has no list of {key} when {doing}")
                if len(found) + len(page) > _MAX_ELEMENTS:
                    raise BrokenContentError(f"the upstream lists more than {_MAX_ELEMENTS} {key} when {doing}")
                found += page
                link = next_page(response)
            if link is None:
                return found
            path = target.partition("?")[0]
            target = same_origin_target(self._connection.origin, target, link)
            if target.partition("?")[0] != path:
                raise BrokenContentError(f"the upstream's next page is elsewhere, at {target[:200]!r}, when {doing}")
        raise BrokenContentError(f"the upstream's list has more than {_MAX_PAGES} pages when {doing}")


def listed_in(index: StoredManifest, subject: Digest) -> tuple[Digest, ...]:
    """The digests an index under the fallback tag lists; none if it is no index."""
    if index.media_type != OCI_INDEX:
        return ()
    try:
        document = json.loads(index.body)
    except (ValueError, RecursionError) as error:
        raise BrokenContentError(f"the list of what refers to {subject} is not JSON") from error
    listed = document.get("manifests") if isinstance(document, dict) else None
    return _digests(listed, subject) if isinstance(listed, list) else ()


def _digests(descriptors: Sequence[Any], subject: Digest) -> tuple[Digest, ...]:
    if len(descriptors) > MAX_REFERRERS:
        raise BrokenContentError(
            f"{len(descriptors)} manifests refer to {subject}; at most {MAX_REFERRERS} are read: delete some"
        )
    try:
        return tuple(sorted({Digest.parse(str(descriptor["digest"])) for descriptor in descriptors}))
    except (InvalidContentError, KeyError, TypeError) as error:
        raise BrokenContentError(f"the list of what refers to {subject} cannot be read: {error}") from error
