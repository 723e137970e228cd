"""What single settings may be: how people write them, and what is wrong with what they wrote."""

from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from platformdirs import user_data_path
from pydantic import AfterValidator, BeforeValidator, PlainValidator, SecretStr, WithJsonSchema
from pydantic_settings import NoDecode

from config.patterns import is_repository_name


def _split_at_commas(value: object) -> object:
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _base_url(value: str) -> str:
    if not value:
        return value
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
        raise ValueError("write an address such as https://registry.example.com")
    if parts.username is not None:
        raise ValueError("leave the credentials out of the address; there are keys for them")
    return value.rstrip("/")


def _bucket_prefix(value: str) -> str:
    if value.startswith("/"):
        raise ValueError("write it without a slash in front")
    return value if not value or value.endswith("/") else f"{value}/"


def _origin(value: str) -> str:
    """An address without a path: what a registry's API is at, and what a login may be shown to."""
    parts = urlsplit(_base_url(value))
    if value and (parts.path or not parts.netloc):
        raise ValueError(f"{value[:200]!r} must be http[s]://host[:port] and nothing more")
    return value.rstrip("/")


def _network(value: object) -> IPv4Network | IPv6Network:
    return ip_network(str(value))


def _clamd_address(value: str) -> str:
    parts = urlsplit(value)
    if value and not (
        (parts.scheme == "unix" and parts.path.startswith("/") and not parts.netloc)
        or (parts.scheme == "tcp" and parts.hostname and parts.port and not parts.path and not parts.username)
    ):
        raise ValueError("write unix:/run/clamav/clamd.ctl or tcp://clamd.example.com:3310")
    return value


def _database_url(value: SecretStr) -> SecretStr:
    scheme = value.get_secret_value().partition("://")[0]
    if scheme not in ("", "postgresql+asyncpg", "sqlite+aiosqlite"):
        raise ValueError("write postgresql+asyncpg://USER:PASSWORD@HOST/NAME or sqlite+aiosqlite:////PATH")
    return value


def _repository_prefix(value: str) -> str:
    if value and not is_repository_name(value):
        raise ValueError("write a repository name such as hub or mirrors/hub: lower-case, without a slash at its ends")
    return value


def _state_folder(value: object) -> object:
    return default_state_folder() if value == "" else Path(str(value)).expanduser()


def default_state_folder() -> Path:
    """Where a gate keeps its own things, unless it is told."""
    return user_data_path("imagegate", appauthor=False)


ClamdAddress = Annotated[str, AfterValidator(_clamd_address)]
BaseUrl = Annotated[str, AfterValidator(_base_url)]
OriginUrl = Annotated[str, AfterValidator(_origin)]
Origins = Annotated[tuple[OriginUrl, ...], NoDecode, BeforeValidator(_split_at_commas)]
BucketPrefix = Annotated[str, AfterValidator(_bucket_prefix)]
StateFolder = Annotated[Path, BeforeValidator(_state_folder)]
FilePath = Annotated[str, AfterValidator(lambda value: str(Path(value).expanduser()) if value else value)]
RepositoryPrefix = Annotated[str, AfterValidator(_repository_prefix)]
Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split_at_commas)]
ProxyNetwork = Annotated[
    IPv4Network | IPv6Network, PlainValidator(_network), WithJsonSchema({"type": "string", "examples": ["10.0.0.0/8"]})
]
ProxyNetworks = Annotated[tuple[ProxyNetwork, ...], NoDecode, BeforeValidator(_split_at_commas)]
DatabaseUrl = Annotated[SecretStr, AfterValidator(_database_url)]
