"""Package URLs (purl specification), as they stand in policies, findings and lists.

pkg:deb/debian/openssl@3.0.20-1~deb12u2?arch=amd64&distro=debian-12
pkg:apk/alpine/musl@1.2.5-r0?arch=x86_64&distro=alpine-3.20.1
pkg:pypi/jinja2@2.10
pkg:npm/%40scope/name@1
"""

from packageurl import PackageURL

from scanning.facts import OsRelease, Package

_DISTRIBUTED = frozenset({"deb", "apk"})


def purl(package: Package, distribution: OsRelease | None) -> str:
    """The canonical purl of `package`. A distribution's package that no os-release places has no namespace."""
    if package.type in _DISTRIBUTED:
        qualifiers = {"arch": package.architecture}
        if distribution and distribution.version_id:
            qualifiers["distro"] = f"{distribution.id}-{distribution.version_id}"
        namespace = distribution.id if distribution else None
        return _text(package, namespace, package.name, {key: value for key, value in qualifiers.items() if value})
    scope, _, name = package.name.rpartition("/")
    return _text(package, scope or None, name, None)


def _text(package: Package, namespace: str | None, name: str, qualifiers: dict[str, str] | None) -> str:
    return PackageURL(package.type, namespace, name, package.version or None, qualifiers).to_string()
