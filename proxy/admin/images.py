"""/api/v1/images: what is in an image, for whoever may pull it."""

from aiohttp import hdrs, web

from proxy.admin.parameters import check_parameters
from proxy.errors import BadRequestError
from proxy.gate.inventory import bill_of_materials
from proxy.routing import Call
from scanning.oci.names import parse_reference
from scanning.sbom import SbomFormat, media_type


async def sbom(call: Call) -> web.StreamResponse:
    """The image's bill of materials, `?format=cyclonedx` (unless told otherwise) or `spdx`."""
    check_parameters(call.request.rel_url.query, "format")
    wanted = call.request.rel_url.query.get("format", SbomFormat.CYCLONEDX)
    if wanted not in tuple(SbomFormat):
        raise BadRequestError(f"there is no format {wanted[:40]!r}; there are {' and '.join(SbomFormat)}")
    form = SbomFormat(wanted)
    reference = parse_reference(call.parameters["reference"])
    # Whoever may not have the image is told so, and why, as for a pull.
    stored = await call.services.gate.pull_manifest(call.caller, call.repository, reference, head=True)
    document = await bill_of_materials(call.services.database, call.repository, stored.digest, form)
    return web.Response(body=document, headers={hdrs.CONTENT_TYPE: media_type(form)})
