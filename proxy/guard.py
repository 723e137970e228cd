"""What is refused before anything else looks at a request: whatever two readers could understand differently.

Only raw values are looked at, as they came over the wire. Every check is a function from a request to nothing or an
error, so that each can be read, and tested, alone.
"""

import re
import secrets

from aiohttp import HttpVersion11, hdrs, web

from proxy.errors import BadRequestError, NotFoundError, UnsupportedMediaTypeError

_ONCE = (
    hdrs.AUTHORIZATION,
    hdrs.CONTENT_ENCODING,
    hdrs.CONTENT_LENGTH,
    hdrs.CONTENT_RANGE,
    hdrs.CONTENT_TYPE,
    hdrs.EXPECT,
    hdrs.HOST,
    hdrs.RANGE,
    hdrs.TRANSFER_ENCODING,
)
CONTINUE = "100-continue"
"""The one expectation of a client that is met."""
_REPEATABLE_PARAMETERS = {"scope"}
_ENDS_IN_SLASH = re.compile(r"/|/v2/|/v2/.+/blobs/uploads/|/console/")
_REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_OCTETS = "application/octet-stream"
_UPLOAD_PATH = re.compile(r"/v2/.+/blobs/uploads/[^/]*")


def check_request(request: web.BaseRequest) -> str:
    """The raw path of a request that can only mean one thing.

    Raises `BadRequestError`, `NotFoundError` or `UnsupportedMediaTypeError` for every other.
    """
    path = _raw_path(request.raw_path)
    _check_headers(request)
    _check_path(path)
    _check_parameters(request)
    _check_body(request, path)
    return path


def request_id(request: web.BaseRequest) -> str:
    """The id the client gave, if it is a plain one, else a new one."""
    given = request.headers.get("X-Request-ID", "")
    return given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(16)


def _raw_path(target: str) -> str:
    if not target.startswith("/") or "#" in target:
        raise BadRequestError("the request target is not a path; send it as /v2/...")
    return target.partition("?")[0]


def _check_headers(request: web.BaseRequest) -> None:
    for name in _ONCE:
        if len(request.headers.getall(name, ())) > 1:
            raise BadRequestError(f"the request has several {name} headers; send one")
    if request.version >= HttpVersion11 and not request.headers.get(hdrs.HOST):
        raise BadRequestError("the request has no Host header")
    if hdrs.CONTENT_LENGTH in request.headers and hdrs.TRANSFER_ENCODING in request.headers:
        raise BadRequestError("the request has both Content-Length and Transfer-Encoding; send one")
    if request.headers.get(hdrs.EXPECT, CONTINUE).lower() != CONTINUE:
        raise BadRequestError(f"the request expects what is not done here; only {CONTINUE} is")


def _check_path(path: str) -> None:
    if "%" in path:
        raise BadRequestError("the path holds a % escape; names, tags and digests need none: send them as they are")
    parts = path.split("/")[1:]
    if any(part in ("", ".", "..") for part in parts[:-1]) or parts[-1] in (".", ".."):
        raise NotFoundError("the path holds an empty part, . or ..; send the address in its plain form")
    if path.endswith("/") and _ENDS_IN_SLASH.fullmatch(path) is None:
        raise NotFoundError("there is nothing at this address with a slash at its end")


def _check_parameters(request: web.BaseRequest) -> None:
    if "?" not in request.raw_path:
        return
    query = request.rel_url.query
    for name in set(query) - _REPEATABLE_PARAMETERS:
        if len(query.getall(name)) > 1:
            raise BadRequestError(f"the query parameter {name[:40]!r} is repeated; send it once")


def _check_body(request: web.BaseRequest, path: str) -> None:
    """No body that somebody behind the gate could inflate or take parameters from (threats 14, 15 and 28)."""
    if request.headers.get(hdrs.CONTENT_ENCODING, "identity").lower() != "identity":
        raise UnsupportedMediaTypeError("the request's body has a Content-Encoding; send the bytes as they are")
    if _UPLOAD_PATH.fullmatch(path) is None or hdrs.CONTENT_TYPE not in request.headers:
        return
    kind = request.headers[hdrs.CONTENT_TYPE].partition(";")[0].strip().lower()
    # With an empty body the type says nothing (go-containerregistry opens uploads as application/json).
    harmless = not request.can_read_body and not _is_form(kind)
    if kind != _OCTETS and not harmless:
        raise UnsupportedMediaTypeError(f"a blob is uploaded as {_OCTETS}, not as {kind[:100]!r}")


def _is_form(kind: str) -> bool:
    return kind == "application/x-www-form-urlencoded" or kind.startswith("multipart/")
