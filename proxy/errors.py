"""The one place where an error becomes an OCI error body (OCI distribution specification, "Error Codes").

Errors of the lower floors are mapped here by class; those that only the proxy raises are declared here as well.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from config.errors import ImagegateError
from proxy.identity.errors import LastAdministratorError, UnusableTokenError
from proxy.upstream.port import (
    BrokenContentError,
    DigestMismatchError,
    QuotaExceededError,
    UploadOffsetError,
    UploadUnknownError,
    UpstreamError,
    UpstreamRateLimitedError,
    UpstreamReadOnlyError,
    UpstreamRefusedError,
    UpstreamSuspendedError,
    UpstreamTimeoutError,
    UpstreamUnavailableError,
)
from scanning.errors import InvalidContentError, InvalidDigestError, InvalidManifestError, InvalidNameError
from storage.errors import StorageError


class BadRequestError(ImagegateError):
    """The request itself is malformed or ambiguous."""


class UnauthorizedError(ImagegateError):
    """No credential, or one that is not valid (any more). `scope` is what the client should ask a token for."""

    def __init__(self, message: str, *, scope: str = "", error: str = "") -> None:
        super().__init__(message)
        self.scope = scope
        self.error = error


class DeniedError(ImagegateError):
    """The caller is known, and may not. `detail` is a JSON object that says why (verdict, violations).

    `retry_after` is after how many seconds asking again may help, 0 if it will not.
    """

    def __init__(self, message: str, *, detail: Mapping[str, Any] | None = None, retry_after: int = 0) -> None:
        super().__init__(message)
        self.detail = dict(detail or {})
        self.retry_after = retry_after


class FixedTagError(DeniedError):
    """A tag would be moved or deleted that must stay what it is."""


class ConflictError(ImagegateError):
    """What is asked for goes against how things are here, and is not done."""


class PreconditionFailedError(ImagegateError):
    """Somebody else has changed meanwhile what would be changed."""


class NameUnknownError(ImagegateError):
    """The repository is not known."""


class ManifestUnknownError(ImagegateError):
    """The manifest or tag is not known."""


class ManifestBlobUnknownError(ImagegateError):
    """A manifest refers to a blob or manifest that is not there."""


class BlobUnknownError(ImagegateError):
    """The blob is not known to this repository."""


class UploadInvalidError(ImagegateError):
    """A chunk that does not say, or does not hold, what it should."""


class NotFoundError(ImagegateError):
    """There is nothing at this path."""


class MethodNotAllowedError(ImagegateError):
    """The path exists, the method does not, or is switched off."""

    def __init__(self, message: str, *, allowed: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.allowed = allowed


class TooLargeError(ImagegateError):
    """A body is larger than its kind may be."""


class RequestTimeoutError(ImagegateError):
    """The client fell silent in the middle of its request."""


class UnsupportedMediaTypeError(ImagegateError):
    """A request body of a kind that is not taken here."""


class RangeNotSatisfiableError(ImagegateError):
    """A Range or Content-Range that cannot be met. `size` is the length there is."""

    def __init__(self, message: str, *, size: int) -> None:
        super().__init__(message)
        self.size = size


class TooManyRequestsError(ImagegateError):
    """Too many failures or requests; try again after `retry_after` seconds."""

    def __init__(self, message: str, *, retry_after: int) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class BusyError(ImagegateError):
    """The gate cannot do this now and did not do it; try again."""


class SignaturesChangedError(BusyError):
    """A signature that a judgement rests on went before that was recorded, so nothing was."""


_TABLE: tuple[tuple[type[ImagegateError], str, int], ...] = (
    # The first class that fits decides, so subclasses stand before their bases.
    (UnauthorizedError, "UNAUTHORIZED", 401),
    (FixedTagError, "DENIED", 409),
    (LastAdministratorError, "DENIED", 409),
    (ConflictError, "DENIED", 409),
    (PreconditionFailedError, "DENIED", 412),
    (DeniedError, "DENIED", 403),
    (TooManyRequestsError, "TOOMANYREQUESTS", 429),
    (NameUnknownError, "NAME_UNKNOWN", 404),
    (ManifestUnknownError, "MANIFEST_UNKNOWN", 404),
    (ManifestBlobUnknownError, "MANIFEST_BLOB_UNKNOWN", 404),
    (BlobUnknownError, "BLOB_UNKNOWN", 404),
    (UploadUnknownError, "BLOB_UPLOAD_UNKNOWN", 404),
    (UploadOffsetError, "BLOB_UPLOAD_INVALID", 416),
    (UploadInvalidError, "BLOB_UPLOAD_INVALID", 400),
    (RangeNotSatisfiableError, "BLOB_UPLOAD_INVALID", 416),
    (DigestMismatchError, "DIGEST_INVALID", 400),
    (NotFoundError, "UNSUPPORTED", 404),
    (MethodNotAllowedError, "UNSUPPORTED", 405),
    (TooLargeError, "SIZE_INVALID", 413),
    (RequestTimeoutError, "UNSUPPORTED", 408),
    (UnsupportedMediaTypeError, "UNSUPPORTED", 415),
    (BadRequestError, "UNSUPPORTED", 400),
    (UnusableTokenError, "UNSUPPORTED", 400),
    (InvalidDigestError, "DIGEST_INVALID", 400),
    (InvalidNameError, "NAME_INVALID", 400),
    (InvalidManifestError, "MANIFEST_INVALID", 400),
    (InvalidContentError, "MANIFEST_INVALID", 400),
    (UpstreamTimeoutError, "UNAVAILABLE", 504),
    (UpstreamRateLimitedError, "TOOMANYREQUESTS", 429),
    (UpstreamSuspendedError, "UNAVAILABLE", 503),
    (UpstreamUnavailableError, "UNAVAILABLE", 502),
    (UpstreamReadOnlyError, "DENIED", 403),
    (QuotaExceededError, "DENIED", 403),
    (BrokenContentError, "UNAVAILABLE", 502),
    (UpstreamError, "UNAVAILABLE", 502),
    (StorageError, "UNAVAILABLE", 503),
    (BusyError, "UNAVAILABLE", 503),
    (ImagegateError, "UNKNOWN", 500),
)
_PASSED_ON = {"DIGEST_INVALID": 400, "MANIFEST_INVALID": 400, "TAG_INVALID": 400, "UNSUPPORTED": 405}
"""What an upstream may refuse because of what the client asked for: passed on as its own refusal would be. Whatever
else it refuses is between it and the gate."""
_RETRY_AFTER_WHEN_DOWN = 5


@dataclass(frozen=True, slots=True)
class WireError:
    """An error as a client sees it. `headers` holds Retry-After and Allow; the challenge is added by the caller."""

    status: int
    code: str
    message: str
    detail: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def body(self) -> dict[str, Any]:
        """The OCI error body. Exactly one error: clients show only the first, and print even an empty detail."""
        error: dict[str, Any] = {"code": self.code, "message": self.message}
        return {"errors": [error | ({"detail": dict(self.detail)} if self.detail else {})]}


def to_wire(error: ImagegateError) -> WireError:
    """Map any of our errors to what a registry client understands."""
    if isinstance(error, UpstreamRefusedError) and error.code in _PASSED_ON:
        code, status = error.code, _PASSED_ON[error.code]
    else:
        code, status = next((code, status) for kind, code, status in _TABLE if isinstance(error, kind))
    headers: dict[str, str] = {}
    if isinstance(error, TooManyRequestsError | DeniedError | UpstreamUnavailableError) and error.retry_after:
        headers["Retry-After"] = str(error.retry_after)
    elif status == 503:
        headers["Retry-After"] = str(_RETRY_AFTER_WHEN_DOWN)
    if isinstance(error, MethodNotAllowedError) and error.allowed:
        headers["Allow"] = ", ".join(error.allowed)
    if isinstance(error, RangeNotSatisfiableError):
        headers["Content-Range"] = f"bytes */{error.size}"
    if isinstance(error, UploadOffsetError):
        headers["Range"] = f"0-{max(error.offset - 1, 0)}"
    detail = error.detail if isinstance(error, DeniedError) else {}
    return WireError(status, code, str(error), detail, headers)
