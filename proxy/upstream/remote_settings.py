"""What the settings mean to the adapters of remote registries."""

import ssl
from collections.abc import Iterator
from pathlib import Path

from config.errors import ConfigurationError, Problem
from config.settings import Settings
from config.settings import Upstream as UpstreamSettings
from proxy.upstream.connection import RemoteOptions
from proxy.upstream.docker_config import DockerConfigError, DockerConfigLogin
from proxy.upstream.ecr_names import region_of
from proxy.upstream.login import Login, LoginSource, is_token
from proxy.upstream.origin import Origin
from proxy.upstream.retries import RetryPolicy


def remote_options(settings: Settings) -> dict[str, RemoteOptions]:
    """What the settings mean to the remote adapters, by the place of each. Raises `ConfigurationError` with all
    that is wrong.
    """
    found: dict[str, RemoteOptions] = {}
    problems: list[Problem] = []
    for place, upstream in places(settings):
        if upstream.kind == "remote":
            try:
                found[place] = _options(upstream)
            except _MistakeError as mistake:
                problems.append(mistake.below(place))
    if problems:
        raise ConfigurationError(tuple(problems))
    return found


def token_origins(settings: UpstreamSettings) -> frozenset[Origin]:
    """The token services that are trusted. Raises `ConfigurationError`."""
    try:
        return _token_origins(settings)
    except _MistakeError as mistake:
        raise ConfigurationError((mistake.below("upstream"),)) from mistake


class _MistakeError(Exception):
    """A key of an upstream, and what is wrong with it."""

    def __init__(self, key: str, message: str) -> None:
        super().__init__(f"{key}: {message}")
        self._key = key
        self._message = message

    def below(self, place: str) -> Problem:
        """The mistake in the upstream at `place` of the settings."""
        return Problem(f"{place}.{self._key}", 0, 0, self._message)


def places(settings: Settings) -> Iterator[tuple[str, UpstreamSettings]]:
    """Every upstream, and where in the settings it stands."""
    yield "upstream", settings.upstream
    for index, upstream in enumerate(settings.upstreams):
        yield f"upstreams[{index}]", upstream


def _options(settings: UpstreamSettings) -> RemoteOptions:
    origin = _origin("url", settings.url)
    return RemoteOptions(
        origin=origin,
        login=_login(settings, origin),
        tls=_tls(settings),
        connect_timeout=settings.connect_timeout_seconds,
        read_timeout=settings.read_timeout_seconds,
        redirect_hosts=frozenset(host.lower() for host in settings.redirect_hosts),
        client_redirect_hosts=frozenset(host.lower() for host in settings.client_redirect_hosts),
        token_origins=_token_origins(settings),
        max_connections=settings.max_connections,
        retry=RetryPolicy(settings.retries, settings.retry_seconds),
        breaker_failures=settings.breaker_failures,
        breaker_seconds=settings.breaker_seconds,
    )


def _token_origins(settings: UpstreamSettings) -> frozenset[Origin]:
    return frozenset(_origin("token_origins", text) for text in settings.token_origins)


def _origin(key: str, text: str) -> Origin:
    try:
        return Origin.parse(text)
    except ValueError as error:
        raise _MistakeError(key, str(error)) from error


def _login(settings: UpstreamSettings, origin: Origin) -> LoginSource:
    """Where the login comes from; the settings see to it that it is one place."""
    if settings.ecr:
        region = settings.ecr_region or region_of(origin.host)
        if region is None:
            raise _MistakeError("ecr_region", f"name the region of {origin.host}, whose name does not say it")
        from proxy.upstream.ecr import Ecr, EcrLogin  # noqa: PLC0415 - boto3 is large, and most gates need none

        return EcrLogin(Ecr(region, settings.ecr_endpoint).fetch)
    if settings.docker_config_file:
        try:
            return DockerConfigLogin(Path(settings.docker_config_file), origin)
        except DockerConfigError as error:
            raise _MistakeError("docker_config_file", f"{settings.docker_config_file}: {error}") from error
    token = settings.token.get_secret_value()
    if token and not is_token(token):
        raise _MistakeError("token", "it holds characters that cannot be sent in a header (RFC 6750)")
    return Login(settings.username, settings.password.get_secret_value(), token)


def _tls(settings: UpstreamSettings) -> ssl.SSLContext | None:
    """What to trust besides the system's certificates; None for these alone."""
    if not settings.ca_file and not settings.unsafe_skip_verify:
        return None
    context = ssl.create_default_context()
    if settings.ca_file:
        try:
            context.load_verify_locations(Path(settings.ca_file))
        except OSError as error:
            raise _MistakeError("ca_file", f"{settings.ca_file} cannot be read as PEM: {error}") from error
    if settings.unsafe_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
