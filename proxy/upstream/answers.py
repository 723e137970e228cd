"""What the upstream answers, read within bounds and turned into this boundary's errors."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC
from email.utils import parsedate_to_datetime
from math import ceil
from typing import Any

import aiohttp

from proxy.clock import utc_now
from proxy.upstream.port import (
    BrokenContentError,
    UpstreamError,
    UpstreamRateLimitedError,
    UpstreamRefusedError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
)

_MAX_ERROR_BODY = 64 * 1024
_MAX_SENTENCE = 300
_DAY = 86400.0
_SECONDS = re.compile(r"[0-9]{1,9}")
_CODE = re.compile(r"[A-Z][A-Z_]{0,63}")
_NEXT = re.compile(r'<([^<>]{1,4096})>\s*;\s*rel="?next"?')


@contextmanager
def translated(doing: str) -> Iterator[None]:
    """Raise what goes wrong on the wire as the `UpstreamError` family; `doing` says what was being done."""
    try:
        yield
    except TimeoutError as error:
        raise UpstreamTimeoutError(
            f"the upstream did not answer in time when {doing}; try again, or raise its read_timeout_seconds"
        ) from error
    except aiohttp.ClientConnectorCertificateError as error:
        raise UpstreamUnavailableError(
            f"the upstream's certificate is not trusted when {doing}:"
            f" {_printable(str(error.certificate_error))}; put the authority that issued it into its ca_file"
        ) from error
    except (aiohttp.ClientError, OSError) as error:
        raise UpstreamUnavailableError(
            f"the upstream cannot be reached when {doing}: {_printable(str(error) or type(error).__name__)};"
            " see that it runs and that its url is right"
        ) from error


@contextmanager
def receiving(doing: str) -> Iterator[None]:
    """Like `translated`, once an answer has begun: what breaks off now is content cut short (threat 66)."""
    try:
        with translated(doing):
            yield
    except UpstreamTimeoutError:
        raise
    except UpstreamUnavailableError as error:
        raise BrokenContentError(f"the upstream cut its answer short when {doing}; try again") from error.__cause__


def refuse_encoded(response: aiohttp.ClientResponse, doing: str) -> None:
    """Refuse an answer under a Content-Encoding: none was asked for, and its bytes are not the content (threat 29)."""
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding.strip().lower() not in {"", "identity"}:
        raise BrokenContentError(
            f"the upstream answered with Content-Encoding {_printable(encoding)!r} when {doing}, though none was"
            " asked for; switch compression off in front of it"
        )


async def read_body(response: aiohttp.ClientResponse, limit: int, doing: str) -> bytes:
    """Read an answer of at most `limit` bytes. Raises `BrokenContentError` if it is longer or cut short."""
    body = bytearray()
    with receiving(doing):
        async for chunk in response.content.iter_any():
            body += chunk
            if len(body) > limit:
                raise BrokenContentError(f"the upstream answered with more than {limit} bytes when {doing}")
    return bytes(body)


async def read_json(response: aiohttp.ClientResponse, limit: int, doing: str) -> dict[str, Any]:
    """Read an answer that must be a JSON object of at most `limit` bytes."""
    body = await read_body(response, limit, doing)
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BrokenContentError(f"the upstream's answer is not JSON when {doing}") from error
    if not isinstance(document, dict):
        raise BrokenContentError(f"the upstream's answer is not a JSON object when {doing}")
    return document


async def failure(response: aiohttp.ClientResponse, doing: str) -> UpstreamError:
    """The error that an answer of an unexpected status stands for."""
    status = response.status
    code, message = await _first_error(response)
    said = f"{status}{f' {code}' if code else ''}{f': {message}' if message else ''}"
    if status == 429:
        return UpstreamRateLimitedError(
            f"the upstream allows the gate no more requests for now when {doing} ({said}); try again later",
            retry_after=ceil(retry_after(response)),
        )
    if status >= 500:
        return UpstreamUnavailableError(
            f"the upstream could not do it when {doing} ({said}); try again later",
            retry_after=ceil(retry_after(response)),
        )
    if 300 <= status < 400:
        place = _printable(response.headers.get("Location", ""))
        return UpstreamRefusedError(
            f"the upstream redirects to {place!r} when {doing}, which is not followed;"
            " set its url to where it really is",
            code=code,
            status=status,
        )
    advice = "; see the login that the settings give it, and what that may do" if status in {401, 403} else ""
    return UpstreamRefusedError(f"the upstream refused when {doing} ({said}){advice}", code=code, status=status)


def retry_after(response: aiohttp.ClientResponse) -> float:
    """The seconds a Retry-After asks for (RFC 9110, 10.2.3), at most a day; 0 without one that can be read."""
    text = response.headers.get("Retry-After", "").strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), _DAY)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return 0.0
    if at.tzinfo is None:  # RFC 9110 knows no other zone
        at = at.replace(tzinfo=UTC)
    return min(max((at - utc_now()).total_seconds(), 0.0), _DAY)


async def _first_error(response: aiohttp.ClientResponse) -> tuple[str, str]:
    """Code and message of the first error of an OCI error body; empty where there are none to be read."""
    try:
        errors = (await read_json(response, _MAX_ERROR_BODY, "reading its error")).get("errors")
    except UpstreamError:
        return "", ""
    first = errors[0] if isinstance(errors, list) and errors else None
    if not isinstance(first, dict):
        return "", ""
    code, message = first.get("code"), first.get("message")
    return (
        code if isinstance(code, str) and _CODE.fullmatch(code) else "",
        _printable(message) if isinstance(message, str) else "",
    )


def next_page(response: aiohttp.ClientResponse) -> str | None:
    """The target of the Link to the next page (RFC 8288), None on the last page."""
    for header in response.headers.getall("Link", []):
        if (found := _NEXT.search(header)) is not None:
            return found[1]
    return None


def _printable(text: str) -> str:
    return "".join(sign if sign.isprintable() else " " for sign in text[:_MAX_SENTENCE])
