"""Real rpm databases in every format rpm has had.

Debian's rpm writes SQLite. It no longer writes Berkeley DB, so the same headers are put into one by Berkeley DB's own
loader, under the keys rpm used: the package's number, little-endian. It is built without ndb, which is laid out here.
"""

import os
import shutil
import sqlite3
import struct
import subprocess
import zlib
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True, slots=True)
class RpmSpec:
    """A package to build; `big` pads its header over several pages of a database, `program` is the text of a script it
    installs as usr/bin/NAME, beside a configuration file etc/NAME.conf of one line.
    """

    name: str
    version: str
    release: str
    epoch: int = 0
    licence: str = "MIT"
    source: str = ""
    big: bool = False
    program: str = ""

    def text(self) -> str:
        """A spec file. A sub-package has its own name and the source's."""
        lines = [
            f"Name: {self.source or self.name}",
            f"Version: {self.version}",
            f"Release: {self.release}",
            *([f"Epoch: {self.epoch}"] if self.epoch else []),
            f"License: {self.licence}",
            "BuildArch: noarch",
            "Summary: made for a test",
            "%description",
            "long description " * (3000 if self.big else 1),
            *(
                [f"%package -n {self.name}", "Summary: a part", f"%description -n {self.name}", "part"]
                * bool(self.source)
            ),
            *(self._installation() if self.program else []),
            f"%files -n {self.name}",
            *([f"/usr/bin/{self.name}", f"%config /etc/{self.name}.conf"] if self.program else []),
        ]
        return "\n".join(lines) + "\n"

    def _installation(self) -> list[str]:
        return [
            "%install",
            "mkdir -p %{buildroot}/usr/bin %{buildroot}/etc",
            f"echo '{self.program}' > %{{buildroot}}/usr/bin/{self.name}",
            f"echo '{self.name}' > %{{buildroot}}/etc/{self.name}.conf",
        ]


def need_rpm() -> None:
    """Skip where rpm's tools are missing, and say which."""
    for tool in ("rpm", "rpmbuild", "db5.3_load"):
        if shutil.which(tool) is None:
            pytest.skip(f"{tool} is not installed (Debian's packages rpm and db5.3-util)")


def build(folder: Path, *specs: RpmSpec) -> list[Path]:
    """Build the packages; gives their files."""
    for spec in specs:
        path = folder / f"{spec.name}.spec"
        path.write_text(spec.text())
        _run(folder, "rpmbuild", "-bb", "--quiet", "--define", f"_topdir {folder}", str(path))
    return sorted((folder / "RPMS").rglob("*.rpm"))


def install(folder: Path, packages: list[Path], *, with_files: bool = False) -> Path:
    """Install packages into a new root, `with_files` or in the database alone; gives its SQLite database, closed in
    good order.
    """
    root = folder / "root"
    _run(
        folder, "rpm", "--root", str(root), "--dbpath", "/var/lib/rpm", "--define", "_db_backend sqlite",
        "--install", *([] if with_files else ["--justdb"]),
        "--nodeps", "--noscripts", "--nosignature", *map(str, packages),
    )  # fmt: skip
    database = root / "var/lib/rpm/rpmdb.sqlite"
    with closing(sqlite3.connect(database)) as opened:
        opened.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return database


def berkeley(folder: Path, database: Path) -> bytes:
    """The packages of an SQLite database as a Berkeley DB hash."""
    dump = ["VERSION=3", "format=bytevalue", "type=hash", "db_pagesize=4096", "HEADER=END"]
    for number, blob in [(0, b"\x63\0\0\0"), *_headers(database)]:
        dump += [f" {number.to_bytes(4, 'little').hex()}", f" {blob.hex()}"]
    file = folder / "Packages"
    _run(folder, "db5.3_load", str(file), text="\n".join([*dump, "DATA=END", ""]))
    return file.read_bytes()


def ndb(database: Path) -> bytes:
    """The packages of an SQLite database as ndb lays them out (rpm, lib/backend/ndb/rpmpkg.c): one page of slots."""
    rows = _headers(database)
    slots, blobs = [(0, 0, 0)], b""
    for number, blob in rows:
        body = struct.pack("<4sIII", b"BlbS", number, 1700000000, len(blob)) + blob
        body += bytes(-(len(body) + 12) % 16)
        body += struct.pack("<II4s", zlib.adler32(body), len(blob), b"BlbE")
        slots.append((number, (4096 + len(blobs)) // 16, len(body) // 16))
        blobs += body
    slots += [(0, 0, 0)] * (254 - len(slots))
    head = struct.pack("<4sIIII12x", b"RpmP", 0, len(rows), 1, len(rows) + 1)
    return head + b"".join(struct.pack("<4sIII", b"Slot", *slot) for slot in slots) + blobs


def _headers(database: Path) -> list[tuple[int, bytes]]:
    with closing(sqlite3.connect(database)) as opened:
        return opened.execute("SELECT hnum, blob FROM Packages ORDER BY hnum").fetchall()


def _run(folder: Path, *command: str, text: str | None = None) -> None:
    environment = {"PATH": os.environ["PATH"], "HOME": str(folder), "LC_ALL": "C.UTF-8"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=folder, input=text)
    assert done.returncode == 0, f"{' '.join(command)} failed:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
