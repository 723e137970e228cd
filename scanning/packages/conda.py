"""Conda packages: what conda notes of each package in an environment.

.../conda-meta/NAME-VERSION-BUILD.json      {"name": "numpy", "version": "1.26.4", "license": "BSD-3-Clause",
                                             "paths_data": {"paths": [{"_path": "lib/x.so", "sha256": ...}]}}
"""

import re

from scanning.facts import Ownership, Package
from scanning.packages.documents import json_object, text_field
from scanning.packages.fields import checked_name, checked_version

_RECORD = re.compile(r"(?:^|.*/)conda-meta/[^/]+\.json")


def matches(path: str) -> bool:
    """Whether `path` is conda's record of an installed package."""
    return path.endswith(".json") and _RECORD.fullmatch(path) is not None


def read(path: str, content: bytes) -> tuple[Package, ...]:
    """The one package recorded. Raises `InvalidContentError` if it has no name or no version."""
    document = json_object(path, content)
    name = checked_name(text_field(path, document, "name"), path)
    version = checked_version(text_field(path, document, "version"), name, path)
    licence = document.get("license")
    licences = (licence,) if isinstance(licence, str) and licence else ()
    architecture = document.get("subdir")
    return (
        Package(
            "conda", name, version, name, version, path,
            architecture=architecture if isinstance(architecture, str) else "", licences=licences,
        ),
    )  # fmt: skip


def ownership(path: str, content: bytes) -> tuple[Ownership, ...]:
    """What the package installed, and the digests of it. Raises as `read` does."""
    document = json_object(path, content)
    name = checked_name(text_field(path, document, "name"), path)
    prefix = path.rpartition("conda-meta/")[0]
    listed = document.get("files")
    files = {f"{prefix}{file}": "" for file in listed if isinstance(file, str)} if isinstance(listed, list) else {}
    data = document.get("paths_data")
    paths = data.get("paths") if isinstance(data, dict) else None
    for entry in paths if isinstance(paths, list) else ():
        if isinstance(entry, dict) and isinstance(entry.get("_path"), str):
            stated = entry.get("sha256_in_prefix") or entry.get("sha256")
            files[f"{prefix}{entry['_path']}"] = stated if isinstance(stated, str) else ""
    return (Ownership(name, tuple(files), "sha256", tuple(files.values()), type="conda"),) if files else ()
