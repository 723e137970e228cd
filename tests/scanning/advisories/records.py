"""OSV records and packages in a line each."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from scanning.advisories.osv import Advisory, parse
from scanning.facts import OsRelease, Package

BOOKWORM = OsRelease("debian", "12", "bookworm")


def affected(
    ecosystem: str, name: str, *ranges: Sequence[Mapping[str, str]], versions: Sequence[str] = (), **more: Any
) -> dict[str, Any]:
    """One `affected` entry; each range is its list of events."""
    return {
        "package": {"ecosystem": ecosystem, "name": name},
        "ranges": [{"type": "ECOSYSTEM", "events": [*events]} for events in ranges],
        "versions": [*versions],
        **more,
    }


def fixed(version: str, introduced: str = "0") -> list[dict[str, str]]:
    """The events of a range that is affected from `introduced` until `version`."""
    return [{"introduced": introduced}, {"fixed": version}]


def record(identifier: str, *entries: Mapping[str, Any], **more: Any) -> bytes:
    """An OSV record as a feed gives it."""
    return json.dumps({"id": identifier, "modified": "2026-01-02T03:04:05Z", "affected": [*entries], **more}).encode()


def advisory(identifier: str, *entries: Mapping[str, Any], **more: Any) -> Advisory:
    """An OSV record, parsed."""
    return parse(record(identifier, *entries, **more))


def deb(name: str, version: str, source: str = "", source_version: str = "") -> Package:
    """A Debian package."""
    purl = f"pkg:deb/debian/{name}@{version}"
    return Package("deb", name, version, source or name, source_version or version, "var/lib/dpkg/status", purl=purl)


def python(name: str, version: str) -> Package:
    """A Python package."""
    return Package(
        "pypi", name, version, name, version, f"{name}.dist-info/METADATA", purl=f"pkg:pypi/{name}@{version}"
    )
