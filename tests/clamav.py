"""A real clamd with a database of a few bytes: Debian's carries none, and the real one has 200 MB."""

import hashlib
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from subprocess import DEVNULL, Popen

import pytest

EICAR = rb"X5O!P%@AP[4\PZX54(P^)7CC)7}$" + b"EICAR-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"
"""The file that every scanner knows, and that does no harm."""
MARKER = b"imagegate-test-malware-marker"
_START_SECONDS = 60.0


@contextmanager
def running_clamd(folder: Path, markers: Mapping[str, bytes] | None = None, /, **settings: str) -> Iterator[str]:
    """Run clamd with its files in `folder`, which is new; gives its address. It knows EICAR, and files with `markers`
    in them by name. Skips where clamd is not installed.
    """
    program = shutil.which("clamd") or shutil.which("clamd", path="/usr/sbin")
    if program is None:
        pytest.skip("no clamd is here: apt-get install clamav-daemon")
    (folder / "db").mkdir(parents=True)
    (folder / "db" / "eicar.hdb").write_text(
        f"{hashlib.md5(EICAR, usedforsecurity=False).hexdigest()}:{len(EICAR)}:Eicar-Test-Signature\n"
    )
    known = {"Test.Marker": MARKER} if markers is None else markers
    (folder / "db" / "marker.ndb").write_text("".join(f"{name}:0:*:{mark.hex()}\n" for name, mark in known.items()))
    socket = folder / "clamd.ctl"
    lines = {"DatabaseDirectory": folder / "db", "LocalSocket": socket, "Foreground": "yes", "User": "root"}
    lines |= {"AlertExceedsMax": "yes"} | settings
    (folder / "clamd.conf").write_text("".join(f"{name} {value}\n" for name, value in lines.items()))
    with Popen([program, "-c", str(folder / "clamd.conf")], stdout=DEVNULL, stderr=DEVNULL) as process:
        try:
            end = time.monotonic() + _START_SECONDS
            while not socket.exists():
                assert process.poll() is None, "clamd ended at once"
                assert time.monotonic() < end, "clamd did not come up"
                time.sleep(0.05)  # clamd tells nobody when it is ready
            yield f"unix:{socket}"
        finally:
            process.terminate()
