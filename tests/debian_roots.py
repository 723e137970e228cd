"""Root file systems of Debian 12, made with debootstrap and changed by Debian's own tools. Needs root and apt sources.

Knows nothing of tests: benchmarks make their images with it, too.
"""

import os
import shutil
import subprocess
from pathlib import Path

_SUITE = "bookworm"
_NOT_IN_AN_IMAGE = ("dev", "proc", "sys", "run", "tmp", "var/cache/apt", "var/lib/apt/lists", "var/log")
_QUICKLY = ("-o", "Dpkg::Options::=--force-unsafe-io")  # nobody minds if a power cut takes what is being made
_PATH = "/usr/sbin:/usr/bin:/sbin:/bin"


class DebianRootError(Exception):
    """A command that makes a root file system failed."""


def cache_folder() -> Path:
    """Where what is expensive to make is kept between runs: `IMAGEGATE_TEST_CACHE`, or the user's cache."""
    chosen = os.environ.get("IMAGEGATE_TEST_CACHE")
    folder = Path(chosen) if chosen else Path.home() / ".cache" / "imagegate-tests"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def missing() -> str:
    """Why no root can be made here, "" if one can."""
    if shutil.which("debootstrap") is None:
        return "debootstrap is not installed (Debian package debootstrap)"
    if os.geteuid() != 0:
        return "debootstrap needs root"
    if not any(Path("/etc/apt").glob("sources.list*/*")) and not Path("/etc/apt/sources.list").exists():
        return "the host has no apt sources to upgrade from"
    return ""


class DebianRoot:
    """A new minbase system with openssl in `folder`, from the main archive alone. Raises `DebianRootError`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        _run("debootstrap", "--variant=minbase", "--include=openssl", _SUITE, str(folder))

    def upgrade(self) -> None:
        """Bring it up to date from every suite that the host itself uses, security among them."""
        for source in ("sources.list", "sources.list.d", "apt.conf.d"):
            _copy(Path("/etc/apt") / source, self.folder / "etc/apt" / source)
        for leftover in (self.folder / "etc/apt/sources.list.d").glob("*"):
            if "debian" not in leftover.name:
                leftover.unlink()
        _copy(Path("/etc/resolv.conf"), self.folder / "etc/resolv.conf")
        _copy(Path("/etc/ssl/certs"), self.folder / "etc/ssl/certs")
        self._run_inside("apt-get", "update")
        self._run_inside("apt-get", "upgrade", "-y")

    def install(self, *packages: str) -> None:
        """Install packages, without those they only recommend."""
        self._run_inside("apt-get", "install", "-y", "--no-install-recommends", *_QUICKLY, *packages)
        self._run_inside("apt-get", "clean")

    def pack(self, target: Path) -> None:
        """Write all of it to the archive `target`."""
        self._tar(target, ".")

    def pack_changes(self, target: Path, since: Path) -> None:
        """Write to the archive `target` what was made or changed after the file `since` was written."""
        listed = target.with_suffix(".changed")
        with listed.open("wb") as names:
            command = ["find", ".", "-cnewer", str(since), "-print0"]
            subprocess.run(command, cwd=self.folder, stdout=names, check=True)
        self._tar(target, "--no-recursion", "--null", f"--files-from={listed}")
        listed.unlink()

    def remove(self) -> None:
        """Remove the folder."""
        shutil.rmtree(self.folder)

    def _tar(self, target: Path, *what: str) -> None:
        excluded = [f"--exclude=./{path}/*" for path in _NOT_IN_AN_IMAGE]
        new = target.with_suffix(".new")
        options = ["--numeric-owner", "--sort=name", *excluded, "-C", str(self.folder), "-cf", str(new)]
        _run("tar", *options, *what)
        new.rename(target)

    def _run_inside(self, *command: str) -> None:
        environment = {"PATH": _PATH, "DEBIAN_FRONTEND": "noninteractive", "LC_ALL": "C"}
        # Java's installation asks for /proc: a new one, which is gone with the command.
        namespace = ["unshare", "--mount", "--pid", "--fork", f"--mount-proc={self.folder / 'proc'}"]
        _run(*namespace, "chroot", str(self.folder), *command, environment=environment)


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target)
    elif source.exists():
        shutil.copy(source.resolve(), target)


def _run(*command: str, environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        raise DebianRootError(f"{' '.join(command)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}")
