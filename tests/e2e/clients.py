"""Real clients, each with a home of its own: log in, push an OCI layout, pull, all by the client's own commands."""

import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

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
    """A registry client at a terminal."""

    name: str

    def login(self, host: str, token: str) -> Said:
        """Log in with a token as password."""
        ...

    def push(self, image: TestImage, reference: str) -> Said:
        """Push an image to `host/name:tag`."""
        ...

    def pull(self, reference: str) -> Said:
        """Pull `host/name:tag` or `host/name@digest`."""
        ...


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


class Skopeo:
    """skopeo copies between a folder and the gate."""

    name = "skopeo"

    def __init__(self, home: Path) -> None:
        self._home = home
        self._auth = home / "auth.json"

    def login(self, host: str, token: str) -> Said:
        return run(
            "skopeo", "login", "--tls-verify=false", "--authfile", str(self._auth), "-u", "someone", "-p", token, host
        )

    def push(self, image: TestImage, reference: str) -> Said:
        layout = image.write_layout(self._home / "layouts" / image.digest.hex[:16], "image")
        return run(
            "skopeo", "copy", "--all", "--authfile", str(self._auth), "--dest-tls-verify=false",
            f"oci:{layout}:image", f"docker://{reference}",
        )  # fmt: skip

    def pull(self, reference: str) -> Said:
        target = self._home / "pulled"
        shutil.rmtree(target, ignore_errors=True)
        return run(
            "skopeo", "copy", "--authfile", str(self._auth), "--src-tls-verify=false",
            f"docker://{reference}", f"oci:{target}:image",
        )  # fmt: skip


class Podman:
    """podman keeps images in a store of its own."""

    name = "podman"

    def __init__(self, home: Path) -> None:
        self._home = home
        self._auth = str(home / "auth.json")

    def _podman(self, *arguments: str) -> Said:
        storage = ("--root", str(self._home / "root"), "--runroot", str(self._home / "run"), "--storage-driver", "vfs")
        return run("podman", *storage, *arguments, environment={"TMPDIR": str(self._home)})

    def login(self, host: str, token: str) -> Said:
        return self._podman(
            "login", "--tls-verify=false", "--authfile", self._auth, "--username", "someone", "--password", token, host
        )

    def push(self, image: TestImage, reference: str) -> Said:
        layout = image.write_layout(self._home / "layouts" / image.digest.hex[:16], "image")
        loaded = self._podman("pull", "--quiet", f"oci:{layout}:image")
        assert loaded.ok, loaded.text
        identity = loaded.text.strip().splitlines()[-1]
        return self._podman("push", "--tls-verify=false", "--authfile", self._auth, identity, f"docker://{reference}")

    def pull(self, reference: str) -> Said:
        return self._podman("pull", "--tls-verify=false", "--authfile", self._auth, f"docker://{reference}")


class Docker:
    """docker, through a daemon of the test's own."""

    name = "docker"

    def __init__(self, home: Path, socket: str) -> None:
        self._home = home
        self._socket = socket

    def _docker(self, *arguments: str) -> Said:
        return run("docker", "--host", self._socket, "--config", str(self._home), *arguments)

    def login(self, host: str, token: str) -> Said:
        return self._docker("login", "--username", "someone", "--password", token, host)

    def push(self, image: TestImage, reference: str) -> Said:
        layout = image.write_layout(self._home / "layouts" / image.digest.hex[:16], "image")
        loaded = run(
            "skopeo", "copy", "--dest-daemon-host", self._socket, f"oci:{layout}:image", f"docker-daemon:{reference}"
        )
        assert loaded.ok, loaded.text
        return self._docker("push", reference)

    def pull(self, reference: str) -> Said:
        return self._docker("pull", reference)


class DockerDaemon:
    """dockerd without a network of its own, with its own socket and data."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.socket = f"unix://{folder}/docker.sock"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it and wait until it answers."""
        folder = self._folder
        with (folder / "dockerd.log").open("wb") as log:
            self._process = subprocess.Popen(
                [
                    "dockerd", "--iptables=false", "--bridge=none", "--storage-driver=vfs", "--host", self.socket,
                    "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec", "--pidfile", f"{folder}/pid",
                ],
                stdout=log,
                stderr=subprocess.STDOUT,
            )  # fmt: skip
        deadline = time.monotonic() + 60
        while not run("docker", "--host", self.socket, "version").ok:
            log_text = (folder / "dockerd.log").read_text()
            assert self._process.poll() is None, f"dockerd ended:\n{log_text}"
            assert time.monotonic() < deadline, f"dockerd does not answer:\n{log_text}"
            time.sleep(0.1)

    def stop(self) -> None:
        """Stop it."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(timeout=60)
