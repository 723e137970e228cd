"""/console/images: what the tags mean and how that stands, what is in an image, and how two differ."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from aiohttp import hdrs, web

from config.patterns import RepositoryPattern
from proxy.admin.image_access import check_may_pull, may_see_pulls, meant
from proxy.admin.parameters import check_parameters, sbom_format
from proxy.console.pages import page
from proxy.console.verdicts import Story, told
from proxy.errors import BadRequestError, NotFoundError
from proxy.gate.difference_rows import Row, difference_rows
from proxy.gate.image_tables import ImageTable, image_tables
from proxy.gate.inventory import bill_of_materials
from proxy.gate.report import Explained
from proxy.gate.shown_images import Known, difference, known_of
from proxy.gate.tagged_images import PullBehind, TaggedImage, behind, images_under, name_of, tags
from proxy.identity.principal import Action
from proxy.routing import Call
from scanning.difference import Difference
from scanning.oci.digest import Digest
from scanning.oci.names import ImageReference, Repository, Tag, is_referrers_tag
from scanning.sbom import SbomFormat, media_type
from storage.tag_history import Tagged

_PAGE = 100
_MOST_BEHIND = 500


@dataclass(frozen=True, slots=True)
class _Part:
    """One image, and for an index each of those that it lists."""

    explained: Explained
    tables: tuple[ImageTable, ...]


async def listing(call: Call) -> web.StreamResponse:
    """The tags of one repository or of all; for admins who pulled them last, too."""
    query = call.request.rel_url.query
    check_parameters(query, "repository", "last")
    name, last = query.get("repository", "").strip(), query.get("last", "")
    mine = await _mine(call, Repository(name) if name else None)
    following = sorted((one for one in mine if name_of(one) > last), key=name_of)
    shown = following[:_PAGE]
    found = await images_under(call.services.database, shown)
    older = urlencode(({"repository": name} if name else {}) | {"last": name_of(shown[-1])}) if shown else ""
    sees_pulls = may_see_pulls(call.caller.principal)
    return await page(
        call,
        "images.html",
        section="images",
        rows=[(one, one.pulls[0] if one.pulls and sees_pulls else None, _findings(one)) for one in found],
        sees_pulls=sees_pulls,
        repository=name,
        is_first=not last,
        more=older if len(following) > _PAGE else "",
    )


async def list_behind(call: Call) -> web.StreamResponse:
    """Who last pulled something older than what a tag means now, for admins: the first of them, and how many more."""
    check_parameters(call.request.rel_url.query)
    found = await who_is_behind(call)
    shown = found[:_MOST_BEHIND]
    return await page(call, "behind.html", section="images", rows=shown, left_out=len(found) - len(shown))


async def who_is_behind(call: Call, newest: int | None = None) -> tuple[PullBehind, ...]:
    """Who may still run something older, in repositories that an admin covers: of all tags, or of the `newest` that
    moved. Raises `NotFoundError` for others.
    """
    principal = call.caller.principal
    if not may_see_pulls(principal):
        raise NotFoundError("who pulled what is told to admins only")
    mine = [one for one in await _mine(call, None) if principal.covers_all_of(RepositoryPattern(str(one.repository)))]
    if newest is not None:
        moved = [one for one in mine if one.older]
        mine = sorted(moved, key=lambda one: one.admitted_at, reverse=True)[:newest]
    return await behind(call.services.database, mine)


async def show(call: Call) -> web.StreamResponse:
    """One image by `?name=team/app:1.0` or `?name=team/app@sha256:…`."""
    check_parameters(call.request.rel_url.query, "name")
    image = _named(call, "name")
    digest = await _digest(call, image)
    services = call.services
    known = await known_of(services.database, services.replay, image.repository, digest)
    story, parts = await asyncio.to_thread(_all_of, known)
    is_tag = isinstance(image.reference, Tag)
    of_repository = await tags(services.database, image.repository)
    return await page(
        call,
        "image.html",
        section="images",
        image=image,
        digest=str(digest),
        is_tag=is_tag,
        story=story,
        verdict=known[0][0],
        parts=parts,
        several=len(parts) > 1,
        others=[one.tag for one in of_repository if one.tag != image.reference and not is_referrers_tag(one.tag)],
        formats=tuple(SbomFormat),
    )


async def diff(call: Call) -> web.StreamResponse:
    """What came, what went and what changed from `?before=` to `?after=`."""
    check_parameters(call.request.rel_url.query, "before", "after")
    before, after = (_named(call, name) for name in ("before", "after"))
    services = call.services
    sides = [(image.repository, await _digest(call, image)) for image in (before, after)]
    found = await difference(services.database, services.replay, services.upstream, *sides)
    return await page(
        call,
        "difference.html",
        section="images",
        before=before,
        after=after,
        rows=await asyncio.to_thread(_rows, found),
        left_out=found.left_out,
    )


async def sbom(call: Call) -> web.StreamResponse:
    """The bill of materials of `?name=` as a file, `?format=cyclonedx` or `spdx`."""
    query = call.request.rel_url.query
    check_parameters(query, "name", "format")
    form, image = sbom_format(query), _named(call, "name")
    document = await bill_of_materials(call.services.database, image.repository, await _digest(call, image), form)
    file = quote(f"{image.repository.name.replace('/', '-')}.{form}.json", safe="")
    headers = {hdrs.CONTENT_TYPE: media_type(form), hdrs.CONTENT_DISPOSITION: f'attachment; filename="{file}"'}
    return web.Response(body=document, headers=headers)


async def _mine(call: Call, repository: Repository | None) -> Sequence[Tagged]:
    """The tags that the caller may pull."""
    principal = call.caller.principal
    found = await tags(call.services.database, repository)
    return [one for one in found if principal.may(Action.PULL, one.repository)]


def _named(call: Call, parameter: str) -> ImageReference:
    """The image in a parameter. Raises `NotFoundError` where its repository is not the caller's to see."""
    named = call.request.rel_url.query.get(parameter, "").strip()
    if not named:
        raise BadRequestError(f"name the image: {parameter}=team/app:1.0")
    image = ImageReference.parse(named)
    check_may_pull(call, image.repository)
    return image


async def _digest(call: Call, image: ImageReference) -> Digest:
    return await meant(call, image.repository, image.reference)


def _all_of(known: tuple[Known, ...]) -> tuple[Story, tuple[_Part, ...]]:
    explained = tuple(Explained(*one) for one in known)
    return told(explained), tuple(_Part(one, image_tables(one.case) if one.case else ()) for one in explained)


def _findings(image: TaggedImage) -> int | None:
    return dict(image.verdict.counts).get("findings", 0) if image.verdict else None


def _rows(found: Difference) -> list[Row]:
    return list(difference_rows(found, "imagegate image diff --json"))
