"""A docker daemon of the benchmark's own, and a client that talks to it."""

import base64
import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from bench.errors import BenchError
from bench.peers import tool
from bench.processes import running

_PACKAGE = "docker.io"


@dataclass(frozen=True, slots=True)
class Docker:
    """docker with a home in `folder`, where its daemon listens."""

    folder: Path

    def log_in(self, port: int, account: str, token: str) -> None:
        """Have the login of a registry on 127.0.0.1, as `docker login` would keep it."""
        login = base64.b64encode(f"{account}:{token}".encode()).decode()
        (self.folder / "config.json").write_text(json.dumps({"auths": {f"127.0.0.1:{port}": {"auth": login}}}))

    def run(self, *arguments: str) -> None:
        """Run a command. Raises `BenchError` if it fails."""
        done = self._run(*arguments)
        if done.returncode != 0:
            raise BenchError(f"docker {arguments[0]} failed: {done.stderr[-500:]}")

    def answers(self) -> bool:
        """Whether the daemon does."""
        return self._run("version").returncode == 0

    @property
    def socket(self) -> str:
        """Where the daemon listens."""
        return f"unix://{self.folder}/docker.sock"

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [tool("docker", _PACKAGE), "--host", self.socket, "--config", str(self.folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False)


@contextmanager
def dockerd(folder: Path) -> Iterator[Docker]:
    """Run a daemon without a network of its own; its images are in `folder`. It has to be started by root."""
    folder.mkdir(parents=True)
    (folder / "daemon.json").write_text("{}")  # not the machine's
    docker = Docker(folder)
    command = [
        tool("dockerd", _PACKAGE), "--config-file", f"{folder}/daemon.json", "--iptables=false", "--bridge=none",
        "--host", docker.socket, "--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec",
        "--pidfile", f"{folder}/pid",
    ]  # fmt: skip
    with running("dockerd", command, folder / "log", docker.answers):
        yield docker
