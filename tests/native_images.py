"""Programs as GraalVM's native-image lays them out: the bill of materials where its symbols lead to."""

import gzip
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

COMPONENTS: tuple[dict[str, Any], ...] = (
    {"type": "library", "group": "io.micronaut", "name": "micronaut-core", "version": "4.2.1"},
    {"type": "library", "group": "org.yaml", "name": "snakeyaml", "version": "1.33"},
)


def bill_of(components: tuple[dict[str, Any], ...] = COMPONENTS) -> bytes:
    """A bill of materials as GraalVM embeds it."""
    document = {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "components": list(components)}
    return gzip.compress(json.dumps(document, separators=(",", ":")).encode(), mtime=0)


def native_image(folder: Path, packed: bytes) -> bytes:
    """A library with `packed` at the symbols of GraalVM, in the section .data."""
    if shutil.which("gcc") is None:
        pytest.skip("gcc is not installed")
    source, library = folder / "image.c", folder / "image.so"
    numbers = ",".join(map(str, packed))
    source.write_text(
        f"unsigned char sbom[] = {{{numbers}}};\nunsigned long sbom_length = {len(packed)};\n"
        'char __svm_version_info[] = "GraalVM 22.0.2+9.1";\nint main(void) { return 0; }\n'
    )
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", library, source], check=True, capture_output=True)
    return library.read_bytes()
