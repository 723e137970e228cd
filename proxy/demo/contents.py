"""What the demo's images hold. Real files where there are any, else a stand-in that says it is one."""

import asyncio
import shutil
import sys
import zipfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from config.errors import ImagegateError
from proxy.demo.images import File

AGENT_PATH = "usr/local/bin/backup-agent"
_SITE_PACKAGES = "usr/lib/python3/site-packages"
_OLD_WHEEL = "Jinja2-2.10-py2.py3-none-any.whl"
_OLD_JINJA2 = "jinja2==2.10 --hash=sha256:74c935a1b8bb9a3947c50a54766a969d4846290e1e788ea44c1392163723c3bd"
_FETCH_SECONDS = 30
_LARGEST_BINARY = 32 << 20
_ELF = b"\x7fELF"
_STAND_IN = _ELF + b"\0A stand-in made by imagegate demo: it cannot run, and carries the words of\nusage: ssh [-46]\n\0"

BASE: Mapping[str, File] = {
    "etc/passwd": File(b"root:x:0:0:root:/root:/sbin/nologin\napp:x:10001:10001::/srv:/sbin/nologin\n"),
    "etc/group": File(b"root:x:0:\napp:x:10001:\n"),
}


class DemoError(ImagegateError):
    """The demo cannot go on."""


@dataclass(frozen=True, slots=True)
class Content:
    """The files of one layer, and a sentence that says where they come from."""

    files: Mapping[str, File]
    origin: str


def installed_package(name: str) -> Content:
    """A Python package as it is installed in this environment. Raises `DemoError` if it is not."""
    try:
        found = distribution(name)
    except PackageNotFoundError as error:
        raise DemoError(f"the Python package {name} is not installed here; make a fresh environment") from error
    paths = [path for path in found.files or () if path.suffix != ".pyc" and ".." not in path.parts]
    files = {f"{_SITE_PACKAGES}/{path}": File(Path(str(found.locate_file(path))).read_bytes()) for path in paths}
    return Content(files, f"{name} {found.version}, {len(files)} files, as installed in this environment")


def renamed_ssh() -> Content:
    """An ssh client called backup-agent: this machine's own, or a stand-in with its words."""
    binary = _own_ssh()
    if binary is None:
        return Content({AGENT_PATH: File(_STAND_IN, 0o755)}, f"{AGENT_PATH} is a stand-in: no ssh client is here")
    path, content = binary
    return Content({AGENT_PATH: File(content, 0o755)}, f"{AGENT_PATH} is this machine's {path}, {len(content):,} bytes")


def _own_ssh() -> tuple[str, bytes] | None:
    path = shutil.which("ssh")
    if path is None:
        return None
    try:
        with Path(path).open("rb") as file:
            content = file.read(_LARGEST_BINARY + 1)
    except OSError:
        return None
    return (path, content) if content.startswith(_ELF) and len(content) <= _LARGEST_BINARY else None


async def old_jinja2(folder: Path, *, fetch: bool) -> Content:
    """Jinja2 2.10 of 2018: the real wheel if it can be fetched into `folder`, else only its metadata."""
    wheel = await _fetched(_OLD_JINJA2, _OLD_WHEEL, folder) if fetch else None
    if wheel is None:
        metadata = b"Metadata-Version: 2.1\nName: Jinja2\nVersion: 2.10\n"
        path = f"{_SITE_PACKAGES}/Jinja2-2.10.dist-info/METADATA"
        return Content({path: File(metadata)}, "jinja2 2.10, its metadata only: the wheel was not fetched")
    with zipfile.ZipFile(wheel) as archive:
        names = [info.filename for info in archive.infolist() if not info.is_dir()]
        files = {f"{_SITE_PACKAGES}/{name}": File(archive.read(name)) for name in names}
    return Content(files, f"jinja2 2.10, {len(files)} files of the real wheel, fetched with pip")


async def _fetched(requirement: str, name: str, folder: Path) -> Path | None:
    """The wheel called `name` that pip finds for a requirement with its hash, None if there is none within reach."""
    wanted = folder / "requirements.txt"
    wanted.write_text(requirement)
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "pip", "download", "--require-hashes", "--no-deps", "--only-binary=:all:", "--no-input"),
        *("--retries=0", "--timeout=10", f"--requirement={wanted}", f"--dest={folder}"),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        async with asyncio.timeout(_FETCH_SECONDS):
            await process.wait()
    except TimeoutError:
        return None
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    return folder / name if process.returncode == 0 else None
