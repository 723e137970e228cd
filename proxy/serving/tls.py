"""The gate's own TLS: its certificate, read again when it is renewed; a broken new pair is refused, the old one stays.

Every connection keeps the context it began with, so a renewal cuts nobody off.
"""

import asyncio
import ssl
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from cryptography import x509

from config.errors import ConfigurationError, Problem
from config.settings import Listen
from proxy.clock import Clock

_MINIMUM = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_WARN_BEFORE = timedelta(days=14)
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ServerIdentity:
    """What one certificate makes: the context of its connections, and when it ends."""

    context: ssl.SSLContext
    expires_at: datetime


def load_identity(listen: Listen) -> ServerIdentity:
    """Read the files that `listen` names. Raises `ConfigurationError` naming the key and the file that is wrong."""
    certificate = _certificate(listen.tls_cert_file)
    _readable("tls_key_file", listen.tls_key_file)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = _MINIMUM[listen.tls_minimum_version]
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(listen.tls_cert_file, listen.tls_key_file, _no_passphrase)
    except (OSError, ValueError) as error:
        raise _mistake("tls_key_file", _why_unusable(listen, error)) from error
    if listen.tls_client_ca_file:
        _readable("tls_client_ca_file", listen.tls_client_ca_file)
        try:
            context.load_verify_locations(listen.tls_client_ca_file)
        except OSError as error:
            reason = f"{listen.tls_client_ca_file} holds no PEM certificate that can be read"
            raise _mistake("tls_client_ca_file", reason) from error
        context.verify_mode = ssl.CERT_REQUIRED
    return ServerIdentity(context, certificate.not_valid_after_utc)


class ServerTls:
    """Keeps the certificate of the settings in use. `problem` says why the newest files are not, "" if they are."""

    def __init__(self, listen: Listen, clock: Clock) -> None:
        """Read the files. Raises `ConfigurationError`: without a certificate there is no TLS to begin with."""
        self._listen = listen
        self._clock = clock
        self._seen = self._stamps()
        self._current = load_identity(listen)
        self.problem = ""

    @property
    def context(self) -> ssl.SSLContext:
        """What new connections use."""
        return self._current.context

    def warnings(self) -> tuple[str, ...]:
        """What an operator should know of the certificate, in sentences."""
        said: list[str] = []
        if self.problem:
            said.append(f"the TLS certificate read before stays in use: {self.problem}")
        expires_at = self._current.expires_at
        if self._clock() >= expires_at:
            said.append(f"the TLS certificate has expired on {expires_at:%Y-%m-%d %H:%M} UTC; renew it")
        elif self._clock() >= expires_at - _WARN_BEFORE:
            said.append(f"the TLS certificate expires on {expires_at:%Y-%m-%d %H:%M} UTC; renew it")
        return tuple(said)

    async def watch(self, seconds: float = 1.0) -> None:
        """Look at the files every `seconds` for ever."""
        while True:
            await asyncio.sleep(seconds)
            if await asyncio.to_thread(self._stamps) != self._seen:
                await self.reload()

    async def reload(self) -> None:
        """Read the files again. Connections that are there already keep what they have."""
        # Looked at before they are read: what changes meanwhile is read once more.
        self._seen = await asyncio.to_thread(self._stamps)
        try:
            self._current = await asyncio.to_thread(load_identity, self._listen)
        except ConfigurationError as error:
            self.problem = str(error)
            _log.error("certificate refused, the old one stays in use", problem=self.problem)
            return
        self.problem = ""
        _log.info("certificate in use", expires_at=self._current.expires_at.isoformat())

    def _stamps(self) -> tuple[tuple[int, int, int] | None, ...]:
        named = (self._listen.tls_cert_file, self._listen.tls_key_file, self._listen.tls_client_ca_file)
        return tuple(_stamp(Path(name)) for name in named if name)


def _stamp(path: Path) -> tuple[int, int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _certificate(file: str) -> x509.Certificate:
    """The gate's own certificate: the first of the file."""
    content = _readable("tls_cert_file", file)
    try:
        return x509.load_pem_x509_certificate(content)
    except ValueError as error:
        raise _mistake("tls_cert_file", f"{file} does not begin with a PEM certificate: {error}") from error


def _readable(key: str, file: str) -> bytes:
    try:
        return Path(file).read_bytes()
    except OSError as error:
        raise _mistake(key, f"{file} cannot be read: {error.strerror or error}") from error


def _no_passphrase() -> str:
    """Asked for by OpenSSL, which would otherwise wait for somebody to type."""
    raise ValueError("it is encrypted; write it without a passphrase, readable by the gate alone")


def _why_unusable(listen: Listen, error: Exception) -> str:
    reason = getattr(error, "reason", "") or str(error)
    if reason == "KEY_VALUES_MISMATCH":
        return f"{listen.tls_key_file} is not the key of the certificate in {listen.tls_cert_file}; give one pair"
    return f"{listen.tls_key_file} and {listen.tls_cert_file} cannot be used together: {reason}"


def _mistake(key: str, message: str) -> ConfigurationError:
    return ConfigurationError((Problem(f"listen.{key}", 0, 0, message, ("listen", key)),))
