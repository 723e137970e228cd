"""What refers to a manifest (end-12): always an index, empty where nothing does."""

import json
from typing import Any

from aiohttp import hdrs, web

from proxy.routing import Call
from scanning.oci.digest import Digest
from scanning.oci.manifest import Descriptor
from scanning.oci.media_types import OCI_INDEX


async def list_referrers(call: Call) -> web.StreamResponse:
    """The referrers of a digest, all or those of one artifact type."""
    subject = Digest.parse(call.parameters["digest"])
    found = await call.services.gate.referrers(call.caller, call.repository, subject)
    wanted = call.request.rel_url.query.get("artifactType", "")
    # Written out, since aiohttp would add a charset, and oras takes nothing but the bare type for a list of referrers.
    headers = {hdrs.CONTENT_TYPE: OCI_INDEX} | ({"OCI-Filters-Applied": "artifactType"} if wanted else {})
    index = {
        "schemaVersion": 2,
        "mediaType": OCI_INDEX,
        "manifests": [_written(item) for item in found if wanted in ("", item.artifact_type)],
    }
    return web.Response(body=json.dumps(index).encode(), headers=headers)


def _written(item: Descriptor) -> dict[str, Any]:
    written: dict[str, Any] = {"mediaType": item.media_type, "digest": str(item.digest), "size": item.size}
    if item.artifact_type:
        written["artifactType"] = item.artifact_type
    if item.annotations:
        written["annotations"] = dict(item.annotations)
    return written
