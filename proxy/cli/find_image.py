"""Finds the image that a person names at the terminal: a layout folder, an archive, or a reference to a registry."""

import os
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from config.errors import ImagegateError
from config.settings import Settings
from proxy.upstream.connection import RemoteOptions
from proxy.upstream.docker_config import DockerConfigError, read_login
from proxy.upstream.layout import OciLayout, open_layout
from proxy.upstream.login import Login
from proxy.upstream.origin import Origin
from proxy.upstream.port import ContentSource
from proxy.upstream.remote import RemoteUpstream
from proxy.upstream.remote_settings import remote_options, token_origins
from scanning.oci.names import ImageReference, Reference, Repository

_LOCAL = re.compile(r"(localhost|127(\.[0-9]+){3}|\[::1\])(?P<port>:[0-9]+)?")
_A_PATH = re.compile(r"([./~].*)|(.*(/|\.tar))", re.DOTALL)
"""What can only be meant as one, or is hardly ever anything else: a reference ends in a tag, which it can be given."""
_NOT_IN_A_NAME = re.compile(r"[^a-z0-9]+")


class ImageNotFoundError(ImagegateError):
    """What a person named is no image that can be read."""


@dataclass(frozen=True, slots=True)
class FoundImage:
    """An image, where to read it, and the repository to judge it under."""

    source: ContentSource
    repository: Repository
    reference: Reference
    judged_as: Repository


@asynccontextmanager
async def find_image(settings: Settings, named: str, repository: str) -> AsyncIterator[FoundImage]:
    """Open what `named` means: an existing path, `host/name:tag`, or `name:tag` of the configured upstream.

    `repository` is the name to judge it under; "" takes the image's own, for a path one made of the file's name.
    Raises the `ImagegateError` family.
    """
    host, rest = _split(named)
    judged_as = Repository(repository) if repository else None
    if local := _local_image(named, judged_as):
        yield local
    elif host:
        image = ImageReference.parse(rest)
        remote = RemoteUpstream(_options(settings, host))
        try:
            yield FoundImage(remote, image.repository, image.reference, judged_as or image.repository)
        finally:
            await remote.close()
    else:
        image = ImageReference.parse(named)
        async with _behind_gate(settings) as upstream:
            yield FoundImage(upstream, image.repository, image.reference, judged_as or image.repository)


@asynccontextmanager
async def _behind_gate(settings: Settings) -> AsyncIterator[ContentSource]:
    """The upstreams of the settings. They need the gate's database, which most images that are asked for do not."""
    from proxy.cli.local_database import open_database  # noqa: PLC0415 - brings the database's libraries
    from proxy.cli.local_state import open_upstream  # noqa: PLC0415

    async with open_database(settings, may_be_new=True) as database, open_upstream(settings, database) as upstream:
        yield upstream


def behind_gate(gate: str, named: str) -> ImageReference:
    """The image behind the gate at the address `gate` that `named` means: `team/app:1`, or that with the gate's host in
    front, as clients write it.

    Raises `ImageNotFoundError` if the host is another one, `InvalidDigestError` or `InvalidNameError`.
    """
    host, rest = _split(named)
    own = gate.partition("://")[2]
    if host and _plain(host) != _plain(own):
        raise ImageNotFoundError(
            f"{named} is in another registry than this gate, which is at {own}; an image of this gate needs no address:"
            f" {rest}"
        )
    return ImageReference.parse(rest)


def _split(named: str) -> tuple[str, str]:
    """The registry's host, "" if `named` begins with none, and the rest."""
    host, slash, rest = named.partition("/")
    return (host, rest) if slash and (_LOCAL.fullmatch(host) or "." in host or ":" in host) else ("", named)


def _plain(host: str) -> str:
    """This machine by one of its names."""
    local = _LOCAL.fullmatch(host)
    return f"localhost{local['port'] or ''}" if local else host


def _local_image(named: str, judged_as: Repository | None) -> FoundImage | None:
    path = Path(named)
    try:
        if not path.exists():
            if _A_PATH.fullmatch(named):
                raise ImageNotFoundError(f"there is no file or folder {named}")
            return None
    except OSError:  # too long for a file's name; a reference may be that long
        return None
    layout = open_layout(path)
    name = Repository(_name_of(path))
    return FoundImage(layout, name, _only_root(layout, path), judged_as or name)


def _only_root(layout: OciLayout, path: Path) -> Reference:
    roots = layout.roots()
    if len(set(roots.values())) != 1:
        raise ImageNotFoundError(
            f"{path} holds {len(roots)} images ({', '.join(roots)}); make a layout of the one to check"
        )
    return next(iter(roots.values()))


def _name_of(path: Path) -> str:
    name = _NOT_IN_A_NAME.sub("-", path.resolve().name.removesuffix(".tar").lower()).strip("-")
    return name or "image"


def _options(settings: Settings, host: str) -> RemoteOptions:
    scheme = "http" if _LOCAL.fullmatch(host) else "https"
    try:
        origin = Origin.parse(f"{scheme}://{host}")
    except ValueError as error:
        raise ImageNotFoundError(f"{host} is not a registry's address: {error}") from error
    login = _login(origin)
    known = next((options for options in remote_options(settings).values() if options.origin == origin), None)
    if known is not None:  # as the gate reaches it, and as the gate where nobody is logged in
        return replace(known, login=known.login if login == Login() else login)
    return RemoteOptions(origin=origin, login=login, token_origins=token_origins(settings.upstream))


def _login(registry: Origin) -> Login:
    """What `docker login` or `podman login` has kept for this registry."""
    folder = os.environ.get("DOCKER_CONFIG") or str(Path.home() / ".docker")
    files = (os.environ.get("REGISTRY_AUTH_FILE", ""), f"{folder}/config.json")
    for file in filter(None, files):
        try:
            return read_login(Path(file).read_text(encoding="utf-8"), registry)
        except (OSError, ValueError, DockerConfigError):
            continue
    return Login()
