"""Logins that docker or podman have kept: config.json and auth.json, by registry.

    {"auths": {"registry.example.com": {"auth": "<base64 of user:password>"}}}

Read: `auth`, `username` with `password`, and `registrytoken`. Not read: `identitytoken`, an OAuth2 refresh token; and
`credsStore` and `credHelpers`, which name programs to run, for a gate runs no program that a mounted file names.
"""

import asyncio
import base64
import json
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import structlog

from config.errors import ImagegateError
from proxy.upstream.login import Login, is_token
from proxy.upstream.origin import Origin

_MAX_BYTES = 1 << 20
_LOOK_AGAIN_SECONDS = 30.0
_DOCKER_HUB = frozenset({"registry-1.docker.io", "index.docker.io", "docker.io"})
"""Docker Hub is kept under https://index.docker.io/v1/, whichever of its names it was reached by."""
_log = structlog.get_logger(__name__)


class DockerConfigError(ImagegateError):
    """The file holds no login for the registry that can be used here."""


def read_login(text: str, registry: Origin) -> Login:
    """The login for `registry` in the text of a config.json. Raises `DockerConfigError`."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DockerConfigError(f"it is not JSON: {error}") from error
    if not isinstance(document, dict):
        raise DockerConfigError("it is not a JSON object")
    names = _names(registry)
    for key, entry in _mapping(document, "auths").items():
        if _host(key) in names and isinstance(entry, dict) and entry:
            return _login(key, entry)
    helpers = [helper for key, helper in _mapping(document, "credHelpers").items() if _host(key) in names]
    if store := document.get("credsStore"):
        helpers.append(store)
    if helpers:
        raise DockerConfigError(
            f"it keeps the login for {registry.host} in the program docker-credential-{helpers[0]}, and no program is"
            " run here; write the login under auths"
        )
    raise DockerConfigError(f"it has no login for {registry.host} under auths")


def _login(key: str, entry: Mapping[str, Any]) -> Login:
    if entry.get("identitytoken"):
        raise DockerConfigError(f"its login for {key} is an identitytoken, which is not supported; use a password")
    if token := entry.get("registrytoken"):
        if not is_token(token):
            raise DockerConfigError(f"its registrytoken for {key} cannot be sent in a header")
        return Login(token=token)
    username, password = entry.get("username"), entry.get("password")
    if kept := entry.get("auth"):
        try:
            username, _, password = base64.b64decode(kept, validate=True).decode().rstrip("\0").partition(":")
        except (ValueError, TypeError) as error:
            raise DockerConfigError(f"its auth for {key} is not base64 of user:password") from error
    if not (isinstance(username, str) and isinstance(password, str) and username and password) or ":" in username:
        raise DockerConfigError(f"its login for {key} has no user name or no password")
    return Login(username, password)


def _mapping(document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    found = document.get(key) or {}
    if not isinstance(found, dict):
        raise DockerConfigError(f"its {key} is not a JSON object")
    return found


def _names(registry: Origin) -> frozenset[str]:
    """The keys that mean this registry, without scheme and path."""
    return frozenset(_with_port(registry.host, registry.port)) | (
        _DOCKER_HUB if registry.host in _DOCKER_HUB else frozenset()
    )


def _with_port(host: str, port: int) -> Iterator[str]:
    bracketed = f"[{host}]" if ":" in host else host
    yield f"{bracketed}:{port}"
    if port in {80, 443}:
        yield bracketed


def _host(key: str) -> str:
    """`registry.example.com` of `https://registry.example.com/v1/`. A key with another path is not for all of it."""
    name = key.removeprefix("https://").removeprefix("http://").lower()
    return name.removesuffix("/").removesuffix("/v1").removesuffix("/v2")


class DockerConfigLogin:
    """`LoginSource` that reads a mounted file, and again when it may have changed: mounted secrets are renewed."""

    def __init__(self, path: Path, registry: Origin, monotonic: Callable[[], float] = time.monotonic) -> None:
        """Reads the file. Raises `DockerConfigError`."""
        self._path = path
        self._registry = registry
        self._monotonic = monotonic
        self._login = self._read()
        self._read_at = monotonic()

    async def login(self, refused: Login | None = None) -> Login:
        """See `LoginSource`. A file that cannot be read any more leaves the login that was read before."""
        now = self._monotonic()
        if now - self._read_at >= _LOOK_AGAIN_SECONDS or self._login == refused:
            self._read_at = now
            try:
                self._login = await asyncio.to_thread(self._read)
            except DockerConfigError as error:
                _log.warning("login not read again", file=str(self._path), problem=str(error))
        return self._login

    def _read(self) -> Login:
        try:
            with self._path.open("rb") as file:
                content = file.read(_MAX_BYTES + 1)
            if len(content) > _MAX_BYTES:
                raise DockerConfigError(f"it is longer than {_MAX_BYTES} bytes")
            text = content.decode()
        except (OSError, ValueError) as error:
            raise DockerConfigError(f"it cannot be read: {error}") from error
        return read_login(text, self._registry)
