"""Programs as Debian builds them, out of packages that are downloaded and not installed. Kept between test runs."""

import fcntl
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.debian_roots import cache_folder

_SIGNED = "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian"
_SOURCES = f"{_SIGNED} bookworm main\n{_SIGNED} bookworm-backports main\n"


def debian_program(package: str, path: str) -> Path:
    """The file at `path` (`usr/bin/gdb`) of a package of Debian 12, or of its backports.

    Skips the test where packages cannot be downloaded.
    """
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        pytest.skip("Debian packages are downloaded with apt-get and opened with dpkg-deb")
    folder = cache_folder() / "debs"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        unpacked = folder / package
        if not unpacked.exists():
            new = folder / f"{package}.new"
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir()
            _download(package, new, _own_lists(folder))
            (archive,) = new.glob("*.deb")
            _run("dpkg-deb", "--extract", str(archive), str(new / "root"), where=new)
            (new / "root").rename(unpacked)
            shutil.rmtree(new)
    return unpacked / path


def _download(package: str, where: Path, options: tuple[str, ...]) -> None:
    try:
        _run("apt-get", "--quiet", *options, "download", package, where=where)
    except subprocess.CalledProcessError as error:
        pytest.skip(f"{package} cannot be downloaded: {error.stderr.strip()[-300:]}")


def _own_lists(folder: Path) -> tuple[str, ...]:
    """Options by which apt-get reads the lists of this folder, and leaves those of the host alone."""
    lists = folder / "lists"
    sources = folder / "sources.list"
    options: tuple[str, ...] = ("-o", f"Dir::Etc::sourcelist={sources}", "-o", "Dir::Etc::sourceparts=/dev/null")
    options += ("-o", f"Dir::State::lists={lists}", "-o", f"Dir::Cache={folder / 'cache'}")
    if not lists.exists():
        (folder / "cache" / "archives" / "partial").mkdir(parents=True, exist_ok=True)
        (lists / "partial").mkdir(parents=True)
        sources.write_text(_SOURCES)
        try:
            _run("apt-get", "--quiet", *options, "update", where=folder)
        except subprocess.CalledProcessError as error:
            shutil.rmtree(lists)
            pytest.skip(f"the lists of Debian's packages cannot be read: {error.stderr.strip()[-300:]}")
    return options


def _run(*command: str, where: Path) -> None:
    subprocess.run(command, cwd=where, check=True, capture_output=True, text=True)
