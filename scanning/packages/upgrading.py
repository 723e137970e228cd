"""How to get a newer version of a package with the tool of its ecosystem: what a developer types, or has built."""

import re
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from packageurl import PackageURL

_RUNTIME = re.compile(r"Microsoft\.(?:NETCore|AspNetCore|WindowsDesktop)\.App\.Runtime\.", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Upgrade:
    """A package by its purl, and the first version that will do."""

    purl: str
    to: str


def upgrade_steps(upgrades: Iterable[Upgrade]) -> tuple[str, ...]:
    """Commands, or sentences where no tool does it, in the order of the ecosystems. Each names all of its packages."""
    by_type: dict[str, dict[str, str]] = {}
    for upgrade in upgrades:
        package = PackageURL.from_string(upgrade.purl)
        separator = ":" if package.type == "maven" else "/"
        name = separator.join(part for part in (_namespace(package), package.name) if part)
        by_type.setdefault(package.type, {})[name] = upgrade.to
    return tuple(
        step
        for kind, versions in sorted(by_type.items())
        for step in _STEPS.get(kind, _in_words)(sorted(versions.items()))
    )


def _namespace(package: PackageURL) -> str:
    """A distribution's packages are named without it."""
    return "" if package.type in ("apk", "deb", "rpm", "pypi") else package.namespace or ""


_Versions = Sequence[tuple[str, str]]


def _distribution(command: str) -> Callable[[_Versions], list[str]]:
    def steps(versions: _Versions) -> list[str]:
        return [f"RUN {command} {_quoted(name for name, _ in versions)}"]

    return steps


def _each(template: str) -> Callable[[_Versions], list[str]]:
    """One command for each package, `{package}` quoted together with its version."""

    def steps(versions: _Versions) -> list[str]:
        return [template.format(name=shlex.quote(name), to=shlex.quote(to)) for name, to in versions]

    return steps


def _pip(versions: _Versions) -> list[str]:
    return [f"pip install --upgrade {_quoted(f'{name}>={to}' for name, to in versions)}"]


def _npm(versions: _Versions) -> list[str]:
    return [f"npm install {_quoted(f'{name}@{to}' for name, to in versions)}"]


def _go(versions: _Versions) -> list[str]:
    modules = [(name, to) for name, to in versions if name != "stdlib"]
    steps = [
        f"build with Go {to.removeprefix('v').removeprefix('go')} or later" for name, to in versions if name == "stdlib"
    ]
    if modules:
        wanted = _quoted(f"{name}@v{to.removeprefix('v')}" for name, to in modules)
        steps.append(f"go get {wanted} && go mod tidy")
    return steps


def _dotnet(versions: _Versions) -> list[str]:
    """The runtime that is published with a program comes with the SDK, and no package of the program."""
    runtimes = {to for name, to in versions if _RUNTIME.match(name)}
    packages = [(name, to) for name, to in versions if not _RUNTIME.match(name)]
    return [
        *(f"publish it with an SDK that has the .NET runtime {to} or later" for to in sorted(runtimes)),
        *_each("dotnet add package {name} --version {to}")(packages),
    ]


def _in_words(versions: _Versions) -> list[str]:
    return [f"upgrade {name} to {to} or later" for name, to in versions]


def _quoted(words: Iterable[str]) -> str:
    return " ".join(map(shlex.quote, words))


_STEPS: Mapping[str, Callable[[_Versions], list[str]]] = MappingProxyType(
    {
        "apk": _distribution("apk add --no-cache --upgrade"),
        "cargo": _each("cargo update --package {name} --precise {to}"),
        "composer": _each("composer require {name}:^{to}"),
        "deb": _distribution("apt-get update && apt-get install -y --only-upgrade"),
        "gem": _each("bundle update {name}  # {to} or later"),
        "golang": _go,
        "npm": _npm,
        "nuget": _dotnet,
        "pypi": _pip,
        "rpm": _distribution("dnf upgrade -y"),
    }
)
