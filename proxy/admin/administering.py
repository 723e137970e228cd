"""What every change over HTTP begins with: an admin, and a document of a bounded size that says what is wanted."""

from collections.abc import Iterable
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from config.patterns import RepositoryPattern
from proxy.errors import BadRequestError, DeniedError, TooLargeError
from proxy.identity.administrator import Administrator
from proxy.identity.authority import as_administrator
from proxy.registry.bodies import read_bounded
from proxy.routing import Call

_Wanted = TypeVar("_Wanted", bound=BaseModel)
_MOST_BYTES = 64 << 10


async def administrator(call: Call, repositories: Iterable[RepositoryPattern] = ()) -> Administrator:
    """The caller, if it is an admin of all of `repositories`. Raises `DeniedError`, on the record."""
    try:
        return as_administrator(call.caller, repositories)
    except DeniedError as error:
        await call.services.record_denied(call.caller, f"{call.request.method} {call.request.path}: {error}")
        raise


async def read_body(call: Call, name: str, most: int = _MOST_BYTES) -> bytes:
    """The request's body. `name` is what it is, for people. Raises `TooLargeError` for more than `most` bytes."""
    body = await read_bounded(call.request, most, call.services.settings.network.read_timeout_seconds)
    if body is None:
        raise TooLargeError(f"what you sent is too large: the body of a request for {name} has at most {most} bytes")
    return body


async def read_document(call: Call, model: type[_Wanted], name: str, *, most: int = _MOST_BYTES) -> _Wanted:
    """The request's body as `model`. `name` is what it is, for people. Raises `BadRequestError` or `TooLargeError`."""
    try:
        return model.model_validate_json(await read_body(call, name, most))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise BadRequestError(f"this is no {name}: {f'{place}: ' if place else ''}{first['msg']}") from error
