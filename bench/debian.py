"""Real layers of Debian 12: a system, runtimes installed on it, and compilers on those. Made once, and kept."""

import fcntl
import gzip
import hashlib
import shutil
import time
from pathlib import Path

from bench.content import Layer
from bench.errors import BenchError
from scanning.oci.digest import Digest
from tests import debian_roots
from tests.debian_roots import DebianRoot, DebianRootError

INSTALLED = {
    "base": (),
    "runtimes": ("python3", "python3-pip", "nodejs", "npm"),
    "compilers": ("default-jdk-headless", "maven", "build-essential", "skopeo", "docker-registry"),
}
"""What each layer adds to those before it."""

_CHUNK = 1 << 20
_CLOCK_SECONDS = 1.1
"""Longer than the coarsest clock of a file system: what is installed now is newer than what was a moment ago."""


def layers() -> dict[str, Layer]:
    """The layers of `INSTALLED`. Raises as `files` does."""
    return {name: read(packed) for name, packed in files().items()}


def files() -> dict[str, Path]:
    """The same as files, compressed as image builders do. Raises `BenchError` where they cannot be made."""
    folder = debian_roots.cache_folder() / "bench"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not all(_packed(folder, name).exists() for name in INSTALLED):
            _make(folder)
    return {name: _packed(folder, name) for name in INSTALLED}


def read(packed: Path) -> Layer:
    """The gzip layer of a file."""
    plain = hashlib.sha256()
    with gzip.open(packed, "rb") as archive:
        while chunk := archive.read(_CHUNK):
            plain.update(chunk)
    return Layer(packed.read_bytes(), Digest("sha256", plain.hexdigest()))


def _packed(folder: Path, name: str) -> Path:
    return folder / f"{name}.tar.gz"


def _make(folder: Path) -> None:
    if reason := debian_roots.missing():
        raise BenchError(f"the images of this row cannot be made: {reason}")
    plain, since = folder / "layer.tar", folder / "since"
    try:
        root = DebianRoot(folder / "root")
        root.upgrade()
        root.pack(plain)
        _compress(plain, _packed(folder, "base"))
        for name, packages in INSTALLED.items():
            if packages:
                since.touch()
                time.sleep(_CLOCK_SECONDS)
                root.install(*packages)
                root.pack_changes(plain, since)
                _compress(plain, _packed(folder, name))
        root.remove()
    except DebianRootError as error:
        raise BenchError(f"the images of this row cannot be made: {error}") from error


def _compress(plain: Path, target: Path) -> None:
    new = target.with_suffix(".new")
    with plain.open("rb") as source, gzip.open(new, "wb", compresslevel=6) as packed:
        shutil.copyfileobj(source, packed, _CHUNK)
    plain.unlink()
    new.rename(target)
