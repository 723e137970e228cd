"""Real Debian 12 root file systems, made once with debootstrap and kept outside the checkout.

unpatched   minbase from the main archive alone
patched     the same, upgraded from every suite the host itself uses (security among them)
ssh         patched, with openssh-client installed
"""

import fcntl
import gzip
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from scanning.oci import media_types
from scanning.oci.digest import Digest
from tests.images import TestImage, image_of_layers

KINDS = ("unpatched", "patched", "ssh")
_SUITE = "bookworm"
_NOT_IN_AN_IMAGE = ("dev", "proc", "sys", "run", "tmp", "var/cache/apt", "var/lib/apt/lists", "var/log")


def cache_folder() -> Path:
    """Where what is expensive to make is kept between runs: `IMAGEGATE_TEST_CACHE`, or the user's cache."""
    chosen = os.environ.get("IMAGEGATE_TEST_CACHE")
    folder = Path(chosen) if chosen else Path.home() / ".cache" / "imagegate-tests"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def missing() -> str:
    """Why real images cannot be made here, "" if they can."""
    if all((cache_folder() / f"debian-{kind}.tar").exists() for kind in KINDS):
        return ""
    if shutil.which("debootstrap") is None:
        return "debootstrap is not installed (Debian package debootstrap)"
    if os.geteuid() != 0:
        return "debootstrap needs root"
    if not any(Path("/etc/apt").glob("sources.list*/*")) and not Path("/etc/apt/sources.list").exists():
        return "the host has no apt sources to upgrade from"
    return ""


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
    root = folder / "root"
    shutil.rmtree(root, ignore_errors=True)
    _run("debootstrap", "--variant=minbase", "--include=openssl", _SUITE, str(root))
    _pack(root, folder / "debian-unpatched.tar")
    for source in ("sources.list", "sources.list.d", "apt.conf.d"):
        _copy(Path("/etc/apt") / source, root / "etc/apt" / source)
    for leftover in (root / "etc/apt/sources.list.d").glob("*"):
        if "debian" not in leftover.name:
            leftover.unlink()
    _copy(Path("/etc/resolv.conf"), root / "etc/resolv.conf")
    _copy(Path("/etc/ssl/certs"), root / "etc/ssl/certs")
    _in(root, "apt-get", "update")
    _in(root, "apt-get", "upgrade", "-y")
    _pack(root, folder / "debian-patched.tar")
    _in(root, "apt-get", "install", "-y", "--no-install-recommends", "openssh-client")
    _pack(root, folder / "debian-ssh.tar")
    shutil.rmtree(root)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target)
    elif source.exists():
        shutil.copy(source.resolve(), target)


def _pack(root: Path, target: Path) -> None:
    excluded = [f"--exclude=./{path}/*" for path in _NOT_IN_AN_IMAGE]
    new = target.with_suffix(".new")
    _run("tar", "--numeric-owner", "--sort=name", *excluded, "-C", str(root), "-cf", str(new), ".")
    new.rename(target)


def _in(root: Path, *command: str) -> None:
    environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
    _run("chroot", str(root), *command, environment=environment)


def _run(*command: str, environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    assert done.returncode == 0, f"{' '.join(command)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
