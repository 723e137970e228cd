"""The ETag of a policy, by which whoever changes it says which text they have read (RFC 9110, 13.1.1)."""

from aiohttp import hdrs

from proxy.errors import PreconditionFailedError
from proxy.routing import Call
from scanning.oci.digest import Digest


def tag_of(digest: Digest) -> str:
    """The ETag of the text with this digest."""
    return f'"{digest}"'


def expected(call: Call) -> Digest | None:
    """The digest that If-Match names; None where the request has none. Raises `PreconditionFailedError`."""
    given = call.request.headers.getall(hdrs.IF_MATCH, ())
    if not given:
        return None
    if len(given) > 1 or not _is_tag(given[0]):
        raise PreconditionFailedError("If-Match is not the ETag of a policy; GET /api/v1/policy has that of today's")
    return Digest.parse(given[0].strip('"'))


def _is_tag(text: str) -> bool:
    return text.startswith('"sha256:') and text.endswith('"') and len(text) == len('"sha256:"') + 64
