"""Package URLs (purl specification), as they stand in policies, findings and lists.

pkg:deb/debian/openssl@3.0.20-1~deb12u2?arch=amd64&distro=debian-12
pkg:apk/alpine/musl@1.2.5-r0?arch=x86_64&distro=alpine-3.20.1
pkg:rpm/almalinux/bash@5.1.8-9.el9?arch=x86_64&distro=almalinux-9.4 (an epoch is a qualifier: epoch=1)
pkg:alpm/arch/pacman@6.1.0-3?arch=x86_64
pkg:maven/org.apache.commons/commons-text@1.9 (the package is called org.apache.commons:commons-text)
pkg:pypi/jinja2@2.10
pkg:npm/%40scope/name@1
pkg:cargo/itoa@1.0.15, pkg:generic/nginx@1.25.1, pkg:nix/hello@2.12.1, pkg:ebuild/app-misc/jq@1.6-r4
"""

from functools import lru_cache
from itertools import chain

from packageurl import PackageURL

from scanning.facts import OsRelease, Package

DISTRIBUTED = frozenset({"deb", "apk", "rpm", "alpm"})
"""The types of packages that come with a distribution, whose name is in their purl."""


_LONGEST_KEPT = 300
"""Characters: others may be as long as the file they stand in, and there are few."""


def type_of(purl: str) -> str:
    """The type of a canonical purl: `deb`, `npm`."""
    return purl.removeprefix("pkg:").partition("/")[0]


def purl(package: Package, distribution: OsRelease | None) -> str:
    """The canonical purl of `package`. A distribution's package that no os-release places has no namespace."""
    if package.type in DISTRIBUTED:
        qualifiers = {"arch": package.architecture}
        version = package.version
        if package.type == "rpm" and ":" in version:
            qualifiers["epoch"], _, version = version.partition(":")
        if distribution and distribution.version_id:
            qualifiers["distro"] = f"{distribution.id}-{distribution.version_id}"
        namespace = distribution.id if distribution else ""
        given = chain.from_iterable(pair for pair in qualifiers.items() if pair[1])
        return _written(package.type, namespace, package.name, version, *given)
    scope, _, name = package.name.rpartition(":" if package.type == "maven" else "/")
    return _written(package.type, scope, name, package.version)


def _written(*parts: str) -> str:
    """The purl of a type, namespace, name, version, and keys and values of qualifiers in turns: kept for a while, since
    images hold much the same packages.
    """
    return _written_before(*parts) if sum(map(len, parts)) <= _LONGEST_KEPT else _write(*parts)


def _write(type_: str, namespace: str, name: str, version: str, *qualifiers: str) -> str:
    given = dict(zip(qualifiers[::2], qualifiers[1::2], strict=True))
    return PackageURL(type_, namespace or None, name, version or None, given).to_string()


_written_before = lru_cache(maxsize=1 << 14)(_write)
