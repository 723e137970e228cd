"""Real Debian 12 root file systems, made once with debootstrap and kept outside the checkout.

unpatched   minbase from the main archive alone
patched     the same, upgraded from every suite the host itself uses (security among them)
ssh         patched, with openssh-client installed
"""

import fcntl
import gzip
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scanning.oci import media_types
from scanning.oci.digest import Digest
from tests import debian_roots
from tests.debian_roots import DebianRoot, cache_folder
from tests.images import TestImage, image_of_layers

KINDS = ("unpatched", "patched", "ssh")


def missing() -> str:
    """Why real images cannot be made here, "" if they can."""
    if all((cache_folder() / f"debian-{kind}.tar").exists() for kind in KINDS):
        return ""
    return debian_roots.missing()


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def real_image(kind: str) -> TestImage:
    """One of `KINDS` as an image of one layer. Skips the test where it cannot be made."""
    reason = missing()
    if reason:
        pytest.skip(reason)
    folder = cache_folder()
    with _locked(folder):
        if not (folder / f"debian-{kind}.tar").exists():
            _make_all(folder)
        packed = folder / f"debian-{kind}.tar.gz"
        if not packed.exists():
            packed.with_suffix(".new").write_bytes(
                gzip.compress((folder / f"debian-{kind}.tar").read_bytes(), compresslevel=1, mtime=0)
            )
            packed.with_suffix(".new").rename(packed)
    plain = (folder / f"debian-{kind}.tar").read_bytes()
    return image_of_layers(
        [(packed.read_bytes(), Digest.of(plain))], user="nobody", media_type=media_types.OCI_MANIFEST
    )


def _make_all(folder: Path) -> None:
    root = DebianRoot(folder / "root")
    root.pack(folder / "debian-unpatched.tar")
    root.upgrade()
    root.pack(folder / "debian-patched.tar")
    root.install("openssh-client")
    root.pack(folder / "debian-ssh.tar")
    root.remove()
