"""What refers to a manifest (end-12): always an index, empty where nothing does."""

from aiohttp import hdrs, web

from proxy.registry.paging import page
from proxy.routing import Call
from scanning.oci.digest import Digest
from scanning.oci.media_types import OCI_INDEX
from scanning.oci.referrers import referrers_list


async def list_referrers(call: Call) -> web.StreamResponse:
    """The referrers of a digest, all or those of one artifact type, paged as tags are, by digest."""
    subject = Digest.parse(call.parameters["digest"])
    found = await call.services.gate.referrers(call.caller, call.repository, subject)
    query = call.request.rel_url.query
    wanted = query.get("artifactType", "")
    chosen = {str(item.digest): item for item in found if wanted in ("", item.artifact_type)}
    kept = {"artifactType": wanted} if wanted else {}
    most = call.services.settings.registry.catalog_page
    shown = page(list(chosen), query, f"/v2/{call.repository}/referrers/{subject}", most, kept)
    # Written out, since aiohttp would add a charset, and oras takes nothing but the bare type for a list of referrers.
    headers: dict[str, str] = {hdrs.CONTENT_TYPE: OCI_INDEX}
    if wanted:
        headers["OCI-Filters-Applied"] = "artifactType"
    if shown.link:
        headers[hdrs.LINK] = shown.link
    return web.Response(body=referrers_list(chosen[name] for name in shown.names), headers=headers)
