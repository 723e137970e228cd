"""Manifests (end-2, end-3, end-7, end-9): read whole, within bounds, and handed to the gate."""

import json
from dataclasses import dataclass

from aiohttp import hdrs, web

from proxy.errors import BadRequestError, TooLargeError
from proxy.identity.principal import Action, Caller
from proxy.registry.blobs import check_deletion
from proxy.registry.bodies import read_bounded
from proxy.registry.gatekeeper import Gatekeeper, Recalled
from proxy.routing import Call
from proxy.upstream.port import StoredManifest
from scanning.oci.digest import Digest
from scanning.oci.names import Repository, parse_reference
from scanning.oci.read import MAX_MANIFEST_BYTES

_MAX_WARNING_CHARACTERS = 2000
"""Quoting can double them, and a warning has at most 4,096 bytes (OCI distribution specification, "Warnings")."""


@dataclass(frozen=True, slots=True)
class Recall:
    """An answer, to find out whether somebody would get the same without anybody being asked."""

    gate: Gatekeeper
    repository: Repository
    stored: StoredManifest
    head: bool

    def __call__(self, caller: Caller) -> Recalled | None:
        """Why `caller` would; None where he may not, or it would have to be looked up."""
        may = caller.principal.may(Action.PULL, self.repository)
        return self.gate.recall_manifest(caller, self.repository, self.stored, head=self.head) if may else None


RECALL = web.RequestKey("recall", Recall)
"""What a request for a manifest was answered with, where it may be asked for again."""


async def get(call: Call) -> web.StreamResponse:
    """A manifest, exactly the bytes that were judged; for HEAD their length."""
    reference = parse_reference(call.parameters["reference"])
    head = call.request.method == hdrs.METH_HEAD
    gate, caller, repository = call.services.gate, call.caller, call.repository
    stored = await gate.pull_manifest(caller, repository, reference, head=head)
    if isinstance(reference, Digest) and call.services.repeats.is_worth_it(call.request):
        call.request[RECALL] = Recall(gate, repository, stored, head)
    return web.Response(
        body=stored.body,
        headers={
            hdrs.CONTENT_TYPE: stored.media_type,
            hdrs.ETAG: f'"{stored.digest}"',
            "Docker-Content-Digest": str(stored.digest),
        },
    )


async def put(call: Call) -> web.StreamResponse:
    """Take a manifest in, if the gate does."""
    reference = parse_reference(call.parameters["reference"])
    content_type = call.request.headers.get(hdrs.CONTENT_TYPE, "")
    if not content_type:
        raise BadRequestError("a manifest is pushed with its media type as Content-Type")
    body = await read_bounded(call.request, MAX_MANIFEST_BYTES, call.services.settings.network.read_timeout_seconds)
    if body is None:
        raise TooLargeError(f"a manifest has at most {MAX_MANIFEST_BYTES} bytes; move what is large into a blob")
    pushed = await call.services.gate.push_manifest(call.caller, call.repository, reference, content_type, body)
    response = web.Response(
        status=201,
        headers={
            hdrs.LOCATION: f"/v2/{call.repository}/manifests/{pushed.digest}",
            "Docker-Content-Digest": str(pushed.digest),
        },
    )
    if pushed.subject is not None:
        response.headers["OCI-Subject"] = str(pushed.subject)
    for warning in pushed.warnings:
        response.headers.add("Warning", _warning(warning))
    return response


async def delete(call: Call) -> web.StreamResponse:
    """Remove a manifest or a tag, where deletion is switched on."""
    reference = parse_reference(call.parameters["reference"])
    check_deletion(call)
    await call.services.gate.delete_manifest(call.caller, call.repository, reference)
    return web.Response(status=202)


def _warning(text: str) -> str:
    """A warning value of printable ASCII (RFC 7234 section 5.5, code 299)."""
    visible = "".join(character if " " <= character <= "~" else "?" for character in text.replace("…", "..."))
    return f"299 - {json.dumps(visible[:_MAX_WARNING_CHARACTERS])}"
