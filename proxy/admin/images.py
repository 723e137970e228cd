"""/api/v1/images: what the tags mean, what is in an image and how two differ, for whoever may pull it."""

import asyncio
import json
from collections.abc import Mapping

from aiohttp import hdrs, web

from config.patterns import EVERY_REPOSITORY, RepositoryPattern
from proxy.admin.administering import administrator
from proxy.admin.image_access import check_may_pull, may_see_pulls, meant
from proxy.admin.pages import page_of
from proxy.admin.parameters import check_parameters, sbom_format
from proxy.errors import BadRequestError
from proxy.gate.inventory import bill_of_materials
from proxy.gate.shown_images import Known, as_document, difference, known_of
from proxy.gate.tagged_images import Row, behind, images_under, name_of, row_as_document, row_behind, row_now, tags
from proxy.identity.principal import Action
from proxy.routing import Call
from scanning.documents import encode
from scanning.oci.names import ImageReference, Repository, parse_reference
from scanning.sbom import media_type

_FLAGS = ("true", "false")
_OF_OTHERS = ("last_pulled", "by")


async def listing(call: Call) -> web.StreamResponse:
    """The tags that the caller may pull, of one `repository` or of all: what each means, and how that stands today.

    At most `n`, after `last`. With `behind=true` who last pulled something older; that, and who pulled last, is told to
    admins of the repositories.
    """
    query = call.request.rel_url.query
    check_parameters(query, "repository", "behind", "n", "last")
    if query.get("behind", "false") not in _FLAGS:
        raise BadRequestError(f"behind is {query['behind'][:20]!r}; write true or false")
    only_behind = query.get("behind") == "true"
    repository = Repository(query["repository"]) if query.get("repository") else None
    if only_behind:
        await administrator(call, (RepositoryPattern(repository.name) if repository else EVERY_REPOSITORY,))
    principal, database = call.caller.principal, call.services.database
    mine = [one for one in await tags(database, repository) if principal.may(Action.PULL, one.repository)]
    if only_behind:
        late = page_of(call, await behind(database, mine), lambda one: one.name)
        return _answer("behind", [row_behind(one) for one in late.items], late.headers)
    page = page_of(call, mine, name_of)
    rows = [row_now(image) for image in await images_under(database, page.items)]
    if not may_see_pulls(principal):
        rows = [{name: value for name, value in row.items() if name not in _OF_OTHERS} for row in rows]
    return _answer("images", rows, page.headers)


async def show(call: Call) -> web.StreamResponse:
    """The image's last verdict and all that it was made of; for an index, those of its images as well."""
    check_parameters(call.request.rel_url.query)
    digest = await meant(call, call.repository, parse_reference(call.parameters["reference"]))
    services = call.services
    known = await known_of(services.database, services.replay, call.repository, digest)
    return web.Response(body=await asyncio.to_thread(_documents, known), content_type="application/json")


async def diff(call: Call) -> web.StreamResponse:
    """How the image `with`, such as `team/app:1.1`, differs from this one."""
    query = call.request.rel_url.query
    check_parameters(query, "with")
    if not query.get("with"):
        raise BadRequestError("name the image to compare with: ?with=team/app:1.1")
    other = ImageReference.parse(query["with"])
    check_may_pull(call, other.repository)
    before = call.repository, await meant(call, call.repository, parse_reference(call.parameters["reference"]))
    after = other.repository, await meant(call, other.repository, other.reference)
    services = call.services
    found = await difference(services.database, services.replay, services.upstream, before, after)
    return web.Response(body=await asyncio.to_thread(encode, found), content_type="application/json")


async def sbom(call: Call) -> web.StreamResponse:
    """The image's bill of materials, `?format=cyclonedx` (unless told otherwise) or `spdx`."""
    check_parameters(call.request.rel_url.query, "format")
    form = sbom_format(call.request.rel_url.query)
    digest = await meant(call, call.repository, parse_reference(call.parameters["reference"]))
    document = await bill_of_materials(call.services.database, call.repository, digest, form)
    return web.Response(body=document, headers={hdrs.CONTENT_TYPE: media_type(form)})


def _documents(known: tuple[Known, ...]) -> bytes:
    return json.dumps({"images": [as_document(*one) for one in known]}).encode()


def _answer(name: str, rows: list[Row], headers: Mapping[str, str]) -> web.Response:
    body = {name: list(map(row_as_document, rows))}
    return web.json_response(body, headers=headers)
