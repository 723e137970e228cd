"""What every client can do, and how its commands and daemons are run."""

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Protocol, runtime_checkable

from tests.images import TestImage


@dataclass(frozen=True, slots=True)
class Said:
    """What a client did: its exit status and everything it printed."""

    status: int
    text: str

    @property
    def ok(self) -> bool:
        """Whether the client was content."""
        return self.status == 0


class Client(Protocol):
    """A registry client at a terminal. References are `host/name:tag` or `host/name@digest`."""

    name: str

    def login(self, host: str, token: str) -> Said:
        """Log in with a token as password."""
        ...

    def push(self, image: TestImage, reference: str) -> Said:
        """Push an image."""
        ...

    def pull(self, reference: str) -> Said:
        """Pull an image."""
        ...

    def copy(self, source: str, target: str) -> Said:
        """Give an image of the gate a second name there."""
        ...

    def holds(self, reference: str) -> str:
        """What `pull` brought: the digest of the manifest or of the configuration, as the client names images."""
        ...


@runtime_checkable
class Curator(Client, Protocol):
    """A client that also lists and deletes."""

    def tags(self, repository: str) -> list[str]:
        """The tags of `host/name`."""
        ...

    def delete(self, reference: str) -> Said:
        """Delete an image at the gate."""
        ...


class Daemon:
    """A client's server, with its own socket and data below `folder`."""

    program: ClassVar[str]

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None

    def options(self) -> list[str]:
        """How it is told to keep to its folder."""
        raise NotImplementedError

    def answers(self) -> bool:
        """Whether a client reaches it."""
        raise NotImplementedError

    def start(self) -> None:
        """Start it and wait until it answers."""
        with (self._folder / "log").open("wb") as log:
            self._process = subprocess.Popen([self.program, *self.options()], stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 120
        while not self.answers():
            log_text = (self._folder / "log").read_text()
            assert self._process.poll() is None, f"{self.program} ended:\n{log_text}"
            assert time.monotonic() < deadline, f"{self.program} does not answer:\n{log_text}"
            time.sleep(0.1)

    def stop(self) -> None:
        """Stop it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=60)


def run(*command: str, environment: dict[str, str] | None = None, cwd: Path | None = None) -> Said:
    """Run a client's command."""
    done = subprocess.run(
        command,
        env=os.environ | (environment or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        text=True,
        check=False,
        timeout=240,
        cwd=cwd,
    )
    return Said(done.returncode, done.stdout)


def spoken(said: Said) -> str:
    """What a command printed that must not fail."""
    assert said.ok, said.text
    return said.text


def layout_of(home: Path, image: TestImage, name: str = "image") -> Path:
    """An image as an OCI layout below a client's home."""
    return image.write_layout(home / "layouts" / image.digest.hex[:16], name)
