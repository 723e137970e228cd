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
    for tool in ("as", "ld"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed (Debian's binutils)")
    packed_file, source, made, library = (folder / name for name in ("sbom.gz", "image.s", "image.o", "image.so"))
    packed_file.write_bytes(packed)
    source.write_text(
        ".data\n.globl sbom, sbom_length, __svm_version_info\n"
        f'sbom: .incbin "{packed_file}"\n.balign 8\nsbom_length: .quad {len(packed)}\n'
        '__svm_version_info: .asciz "GraalVM 22.0.2+9.1"\n'
    )
    subprocess.run(["as", "-o", made, source], check=True, capture_output=True)
    subprocess.run(["ld", "-shared", "-o", library, made], check=True, capture_output=True)
    return library.read_bytes()
