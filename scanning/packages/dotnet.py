""".NET packages: the dependencies that lie beside a published program (.NET, "runtime configuration files").

    *.deps.json     {"libraries": {"Newtonsoft.Json/13.0.1": {"type": "package", ...}}}

Libraries of the type `project` are the program's own. One of the type `runtimepack` is the runtime that was published
with the program, as the package at NuGet that advisories name, behind `runtimepack.`.
"""

from typing import Any

from scanning.errors import InvalidContentError
from scanning.facts import Package
from scanning.packages.documents import json_object
from scanning.packages.fields import checked_name, checked_version

_RUNTIME = "runtimepack."


def matches(path: str) -> bool:
    """Whether `path` lists what a .NET program depends on."""
    return path.endswith(".deps.json")


def read(path: str, content: bytes) -> tuple[Package, ...]:
    """The packages listed. Raises `InvalidContentError` if the list cannot be understood."""
    libraries = json_object(path, content).get("libraries", {})
    if not isinstance(libraries, dict):
        raise InvalidContentError(f"{path} has libraries that are no object; publish the program again")
    return tuple(
        _package(path, key.removeprefix(_RUNTIME)) for key, entry in libraries.items() if _is_package(path, key, entry)
    )


def _is_package(path: str, key: str, entry: Any) -> bool:
    if not isinstance(entry, dict):
        raise InvalidContentError(f"{path} lists {key[:80]!r}, which is no library; publish the program again")
    return entry.get("type") != "project"


def _package(path: str, key: str) -> Package:
    name, slash, version = key.partition("/")
    if not slash:
        raise InvalidContentError(f"{path} lists {key[:80]!r} without a version; publish the program again")
    name = checked_name(name, path)
    version = checked_version(version, name, path)
    return Package("nuget", name, version, name, version, path)
