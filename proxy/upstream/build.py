"""Makes the upstream the settings ask for."""

import ssl
from pathlib import Path

from config.errors import ConfigurationError, Problem
from config.settings import Upstream as UpstreamSettings
from proxy.upstream.connection import RemoteOptions
from proxy.upstream.credentials import Login
from proxy.upstream.embedded import EmbeddedUpstream
from proxy.upstream.origin import Origin
from proxy.upstream.port import Upstream
from proxy.upstream.remote import RemoteUpstream
from storage.content.port import ContentStore
from storage.database import Database


def build_upstream(settings: UpstreamSettings, database: Database, content: ContentStore) -> Upstream:
    """Make the upstream; call it inside the event loop that will use it.

    `database` and `content` serve the embedded registry only. Raises `ConfigurationError`.
    """
    if settings.kind == "embedded":
        return EmbeddedUpstream(database, content)
    return RemoteUpstream(remote_options(settings))


def remote_options(settings: UpstreamSettings) -> RemoteOptions:
    """What the settings mean to the remote adapter. Raises `ConfigurationError`."""
    return RemoteOptions(
        origin=_origin("upstream.url", settings.url),
        login=_login(settings),
        tls=_tls(settings),
        connect_timeout=settings.connect_timeout_seconds,
        read_timeout=settings.read_timeout_seconds,
        redirect_hosts=frozenset(host.lower() for host in settings.redirect_hosts),
        token_origins=token_origins(settings),
    )


def token_origins(settings: UpstreamSettings) -> frozenset[Origin]:
    """The token services that are trusted. Raises `ConfigurationError`."""
    return frozenset(_origin("upstream.token_origins", text) for text in settings.token_origins)


def _origin(key: str, text: str) -> Origin:
    try:
        return Origin.parse(text)
    except ValueError as error:
        raise _mistake(key, str(error)) from error


def _login(settings: UpstreamSettings) -> Login:
    if ":" in settings.username:
        raise _mistake("upstream.username", "a user name cannot hold a colon (RFC 7617)")
    return Login(settings.username, settings.password.get_secret_value())


def _tls(settings: UpstreamSettings) -> ssl.SSLContext | None:
    """The certificates to trust; None for the system's."""
    if not settings.ca_file and not settings.unsafe_skip_verify:
        return None
    context = ssl.create_default_context()
    if settings.ca_file:
        try:
            context.load_verify_locations(Path(settings.ca_file))
        except OSError as error:
            raise _mistake("upstream.ca_file", f"{settings.ca_file} cannot be read as PEM: {error}") from error
    if settings.unsafe_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


def _mistake(key: str, message: str) -> ConfigurationError:
    return ConfigurationError((Problem(key, 0, 0, message),))
