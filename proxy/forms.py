"""Forms as browsers and OAuth2 clients send them (application/x-www-form-urlencoded)."""

import asyncio
from collections.abc import Mapping
from urllib.parse import parse_qsl

from aiohttp import web

from proxy.errors import BadRequestError, RequestTimeoutError, TooLargeError, UnsupportedMediaTypeError
from proxy.registry.bodies import read_bounded

_MOST_BYTES = 64 * 1024
_MOST_FIELDS = 32
_FORM = "application/x-www-form-urlencoded"


async def read_form(request: web.Request, patience: float, most: int = _MOST_BYTES) -> Mapping[str, str]:
    """The fields of a form of at most `most` bytes, each sent once.

    `patience` is in seconds, for all of it: whoever sends it may not be known yet (threat 72). Raises
    `UnsupportedMediaTypeError`, `RequestTimeoutError`, `TooLargeError` or `BadRequestError`.
    """
    if request.content_type != _FORM:
        raise UnsupportedMediaTypeError(f"send the form as {_FORM}")
    try:
        async with asyncio.timeout(patience):
            body = await read_bounded(request, most, patience)
    except TimeoutError as error:
        raise RequestTimeoutError(f"the form was not complete after {patience:g} seconds") from error
    if body is None:
        raise TooLargeError(f"the form has more than {most} bytes")
    try:
        fields = parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS, errors="strict")
    except ValueError as error:
        raise BadRequestError("the form cannot be read; send names and values in UTF-8") from error
    form = dict(fields)
    if len(form) != len(fields):
        raise BadRequestError("the form holds a field twice; send each once")
    return form
