"""Programs in Go that ask the libraries of others."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest


def go_program(source: Path, folders: pytest.TempPathFactory, what: str) -> Path:
    """The program built of the module in `source`. Skips where Go is missing: `what` cannot be asked then."""
    go = shutil.which("go")
    if go is None:
        pytest.skip(f"no go on PATH: {what} cannot be asked")
    program = folders.mktemp(source.name) / source.name
    built = subprocess.run(
        [go, "build", "-o", program, "."],
        cwd=source,
        env={**os.environ, "CGO_ENABLED": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert built.returncode == 0, built.stderr
    return program
