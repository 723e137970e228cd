"""The Authorization header as a value (RFC 7617, RFC 6750)."""

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass, field

from proxy.errors import BadRequestError, UnauthorizedError

_MAX_LENGTH = 32 * 1024


@dataclass(frozen=True, slots=True)
class BasicCredential:
    """A user name, which is only a label here, and a password, which is an opaque token."""

    account: str
    password: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class BearerCredential:
    """A short-lived token."""

    token: str = field(repr=False)


Credential = BasicCredential | BearerCredential


def read_authorization(headers: Sequence[str]) -> Credential | None:
    """The one credential of a request, None if it has none.

    Raises `BadRequestError` for several (threat 11) and `UnauthorizedError` for one that cannot be read.
    """
    if not headers:
        return None
    if len(headers) > 1:
        raise BadRequestError("the request has several Authorization headers; send one")
    scheme, _, value = headers[0].strip().partition(" ")
    value = value.strip()
    if len(value) <= _MAX_LENGTH and value:
        match scheme.lower():
            case "basic":
                return _read_basic(value)
            case "bearer":
                return BearerCredential(value)
            case _:
                pass
    raise UnauthorizedError("the Authorization header is neither Basic nor Bearer with a value; log in again")


def _read_basic(value: str) -> BasicCredential:
    try:
        account, colon, password = base64.b64decode(value, validate=True).decode().partition(":")
    except (binascii.Error, ValueError) as error:
        raise UnauthorizedError("the Basic credential is not base64 of name:password in UTF-8") from error
    if not colon:
        raise UnauthorizedError("the Basic credential has no colon between name and password")
    return BasicCredential(account, password)
