"""How two images differ: what the second has that the first has not, the other way round, and what changed between."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from scanning.advisories.model import AdvisoryReport, Finding
from scanning.contents import FileState
from scanning.facts import ChangedFile, ImageFacts, Package, Secret, Tool, UnownedFile, Weakness
from scanning.files.secrets import find_in_text
from scanning.oci.manifest import ImageConfig

_NONE = "none"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Change:
    """Something that both images have, and not alike: the versions of a package, the user."""

    what: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Side:
    """One of the two images. `config` and `programs` (by path) are None where they are not at hand any more; `base` is
    the approved base image it is built on.
    """

    facts: ImageFacts
    advisories: AdvisoryReport
    base: str = ""
    config: ImageConfig | None = None
    programs: Mapping[str, FileState] | None = None


@dataclass(frozen=True, slots=True)
class Difference:
    """What one image has beyond another, and what changed. Every part is in a fixed order.

    `left_out` says what could not be compared.
    """

    configuration: tuple[Change, ...] = ()
    packages_added: tuple[Package, ...] = ()
    packages_removed: tuple[Package, ...] = ()
    packages_changed: tuple[Change, ...] = ()
    licences: tuple[Change, ...] = ()
    files: tuple[Change, ...] = ()
    unowned_added: tuple[UnownedFile, ...] = ()
    unowned_removed: tuple[UnownedFile, ...] = ()
    altered_added: tuple[ChangedFile, ...] = ()
    altered_removed: tuple[ChangedFile, ...] = ()
    tools_added: tuple[Tool, ...] = ()
    tools_removed: tuple[Tool, ...] = ()
    secrets_added: tuple[Secret, ...] = ()
    secrets_removed: tuple[Secret, ...] = ()
    weaknesses_added: tuple[Weakness, ...] = ()
    weaknesses_removed: tuple[Weakness, ...] = ()
    findings_added: tuple[Finding, ...] = ()
    findings_removed: tuple[Finding, ...] = ()
    left_out: tuple[str, ...] = ()

    @property
    def is_empty(self) -> bool:
        """Whether the images are alike in all that was compared."""
        return self == Difference(left_out=self.left_out)


def compare(before: Side, after: Side) -> Difference:
    """How the second image differs from the first. Where a thing lies in the layers makes no difference."""
    old, new = before.facts, after.facts
    old_packages, new_packages = _by_name(old.packages), _by_name(new.packages)
    only_old, only_new = old_packages.keys() - new_packages.keys(), new_packages.keys() - old_packages.keys()
    both = sorted(old_packages.keys() & new_packages.keys())
    return Difference(
        configuration=tuple(_settings(before, after)),
        packages_added=tuple(package for key in sorted(only_new) for package in new_packages[key]),
        packages_removed=tuple(package for key in sorted(only_old) for package in old_packages[key]),
        packages_changed=tuple(_changes(both, old_packages, new_packages, _versions)),
        licences=tuple(_changes(both, old_packages, new_packages, _licences)),
        files=tuple(_files(before.programs or {}, after.programs or {})) if _have_programs(before, after) else (),
        unowned_added=_beyond(new.unowned, old.unowned, _content),
        unowned_removed=_beyond(old.unowned, new.unowned, _content),
        altered_added=_beyond(new.changed, old.changed, _content),
        altered_removed=_beyond(old.changed, new.changed, _content),
        tools_added=_beyond(new.tools, old.tools, lambda tool: (tool.name, tool.path)),
        tools_removed=_beyond(old.tools, new.tools, lambda tool: (tool.name, tool.path)),
        secrets_added=_beyond(new.secrets, old.secrets, lambda secret: (secret.kind, secret.where, secret.line)),
        secrets_removed=_beyond(old.secrets, new.secrets, lambda secret: (secret.kind, secret.where, secret.line)),
        weaknesses_added=_beyond(new.weaknesses, old.weaknesses, lambda one: (one.check, one.where, one.detail)),
        weaknesses_removed=_beyond(old.weaknesses, new.weaknesses, lambda one: (one.check, one.where, one.detail)),
        findings_added=_beyond(
            after.advisories.findings, before.advisories.findings, lambda one: (one.name, one.package)
        ),
        findings_removed=_beyond(
            before.advisories.findings, after.advisories.findings, lambda one: (one.name, one.package)
        ),
        left_out=tuple(_left_out(before, after)),
    )


def _by_name(packages: Iterable[Package]) -> dict[tuple[str, str], list[Package]]:
    found: dict[tuple[str, str], list[Package]] = {}
    for package in packages:
        found.setdefault((package.type, package.name), []).append(package)
    return found


_ByName = Mapping[tuple[str, str], Sequence[Package]]


def _changes(
    names: Iterable[tuple[str, str]], old: _ByName, new: _ByName, told: Callable[[Iterable[Package]], str]
) -> Iterator[Change]:
    for kind, name in names:
        before, after = told(old[kind, name]), told(new[kind, name])
        if before != after:
            yield Change(f"{kind} {name}", before, after)


def _versions(packages: Iterable[Package]) -> str:
    return ", ".join(sorted({package.version for package in packages}))


def _licences(packages: Iterable[Package]) -> str:
    return ", ".join(sorted({licence for package in packages for licence in package.licences})) or _NONE


def _beyond(these: Iterable[_T], those: Iterable[_T], identity: Callable[[_T], object]) -> tuple[_T, ...]:
    """What is among `these` and not among `those`."""
    known = {identity(one) for one in those}
    return tuple(one for one in these if identity(one) not in known)


def _content(file: UnownedFile | ChangedFile) -> tuple[str, str]:
    return file.path, file.sha256


def _files(old: Mapping[str, FileState], new: Mapping[str, FileState]) -> Iterator[Change]:
    for path in sorted(old.keys() | new.keys()):
        before, after = old.get(path), new.get(path)
        if before != after:
            yield Change(path, str(before or _NONE), str(after or _NONE))


def _have_programs(before: Side, after: Side) -> bool:
    return before.programs is not None and after.programs is not None


def _left_out(before: Side, after: Side) -> Iterator[str]:
    if not _have_programs(before, after):
        yield "the files: a layer is not on record as this version reads it; pull the image through the gate once"
    if before.config is None or after.config is None:
        yield "most of the configuration: the registry does not have it any more"


def _settings(before: Side, after: Side) -> Iterator[Change]:
    yield from _unlike(_settings_of(before), _settings_of(after))
    if before.config is not None and after.config is not None:
        yield from _configured(before, before.config, after, after.config)


_Setting = tuple[str, str | tuple[str, ...]]


def _unlike(old: Iterable[_Setting], new: Iterable[_Setting]) -> Iterator[Change]:
    """What differs of the same settings in the same order."""
    for (what, before), (_, after) in zip(old, new, strict=True):
        if before != after:
            yield Change(what, _written(before), _written(after))


def _settings_of(side: Side) -> Iterator[_Setting]:
    facts = side.facts
    yield "distribution", facts.distribution.pretty_name or facts.distribution.id if facts.distribution else ""
    yield "platform", str(facts.platform)
    yield "base image", side.base
    yield "user", facts.user
    yield "size", f"{facts.size} bytes"


def _configured(before: Side, old: ImageConfig, after: Side, new: ImageConfig) -> Iterator[Change]:
    """Everything else that a runtime is told (OCI image specification, config.md)."""
    yield from _unlike(_configured_of(old), _configured_of(new))
    for what, ours, theirs in (
        ("env", _environment(old), _environment(new)),
        ("label", dict(old.labels), dict(new.labels)),
    ):
        for name in sorted(ours.keys() | theirs.keys()):
            if ours.get(name) != theirs.get(name):
                place = f"{what} {name}"
                yield Change(place, _value(before, place, ours.get(name)), _value(after, place, theirs.get(name)))


def _configured_of(config: ImageConfig) -> Iterator[_Setting]:
    yield "entrypoint", config.entrypoint
    yield "cmd", config.command
    yield "exposed ports", tuple(sorted(config.exposed_ports))
    yield "volumes", tuple(sorted(config.volumes))
    yield "healthcheck", config.healthcheck
    yield "working directory", config.working_directory
    yield "stop signal", config.stop_signal


def _environment(config: ImageConfig) -> dict[str, str]:
    pairs = (entry.partition("=") for entry in config.environment)
    return {name: value for name, _, value in pairs}


def _value(side: Side, place: str, value: str | None) -> str:
    """What a variable or label holds, but never a secret."""
    if value is None:
        return _NONE
    if any(secret.where == place for secret in side.facts.secrets) or find_in_text(f"{place}={value}"):
        return "a secret"
    return value


def _written(value: str | tuple[str, ...]) -> str:
    """A list as it stands in a build file; a secret in it is never told."""
    if not value:
        return _NONE
    words = (value,) if isinstance(value, str) else value
    if any(find_in_text(word) for word in (*words, " ".join(words))):
        return "something with a secret in it"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
