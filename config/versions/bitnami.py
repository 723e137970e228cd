"""Bitnami's versions: a program's, by semantic versioning, and the revision of the image that brought it (`1.2.3-4`).

Semantic versioning alone would take the revision for something before the release.
"""

import re

from config.versions import semver

_REVISION = re.compile(r"-([0-9]{1,9})\Z")


def compare(one: str, other: str) -> int:
    """-1, 0 or 1. Without a revision comes before all revisions. Raises `InvalidVersionError`."""
    ordered = semver.compare(program_version(one), program_version(other))
    return ordered or (_revision(one) > _revision(other)) - (_revision(one) < _revision(other))


def program_version(version: str) -> str:
    """The version without its revision."""
    return _REVISION.sub("", version)


def _revision(version: str) -> int:
    match = _REVISION.search(version)
    return int(match[1]) if match else -1
