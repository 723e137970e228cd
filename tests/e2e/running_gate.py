"""A gate as a user runs it: the `imagegate` command in a process of its own, with its own state folder."""

import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.ports import free_port
from tests.tokens import new_token

START_SECONDS = 120


@dataclass
class RunningGate:
    """One gate. `upstream` is the address of a registry to stand in front of, "" for the embedded one.

    `authority` is the file of who issued its certificate, where `extra` tells it to serve TLS.
    """

    state: Path
    upstream: str = ""
    port: int = field(default_factory=free_port)
    extra: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    authority: Path | None = None

    @property
    def host(self) -> str:
        """What stands before the repository in a reference."""
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        """Its address."""
        return f"{'https' if self.authority else 'http'}://{self.host}"

    @property
    def database_url(self) -> str:
        """Where it keeps its records."""
        return self.extra.get("IMAGEGATE_DATABASE_URL", f"sqlite+aiosqlite:///{self.state}/imagegate.sqlite3")

    @property
    def log(self) -> str:
        """What it has written so far."""
        return (self.state.parent / f"gate-{self.port}.log").read_text()

    def environment(self) -> dict[str, str]:
        """The environment of the server and of commands beside it."""
        settings = {
            "IMAGEGATE_STATE_DIR": str(self.state),
            "IMAGEGATE_LISTEN__PORT": str(self.port),
            "IMAGEGATE_LOGGING__FORMAT": "json",
        }
        if self.upstream:
            settings |= {"IMAGEGATE_UPSTREAM__KIND": "remote", "IMAGEGATE_UPSTREAM__URL": self.upstream}
        return (
            {name: value for name, value in os.environ.items() if not name.startswith("IMAGEGATE_")}
            | settings
            | self.extra
        )

    def start(self) -> "RunningGate":
        """Start it and wait until it answers."""
        with (self.state.parent / f"gate-{self.port}.log").open("ab") as log:
            self.process = subprocess.Popen(
                [*_IMAGEGATE, "serve"], env=self.environment(), stdout=log, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            assert self.process.poll() is None, f"the gate ended while starting:\n{self.log}"
            try:
                with self.open("/healthz") as answer:
                    if answer.status == 200:
                        return self
            except (urllib.error.URLError, OSError):
                time.sleep(0.05)
        raise AssertionError(f"the gate does not answer:\n{self.log}")

    def open(self, path: str) -> http.client.HTTPResponse:
        """Ask it for an address that is open to all."""
        trusted = ssl.create_default_context(cafile=self.authority) if self.authority else None
        answer: http.client.HTTPResponse = urllib.request.urlopen(  # noqa: S310 (our own server)
            self.url + path, timeout=START_SECONDS, context=trusted
        )
        return answer

    def stop(self, signal_number: int = signal.SIGTERM) -> int:
        """Stop it; gives its exit status."""
        assert self.process is not None
        self.process.send_signal(signal_number)
        status = self.process.wait(timeout=120)
        self.process = None
        return status

    def command(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run an `imagegate` command beside it."""
        return subprocess.run(
            [*_IMAGEGATE, *arguments], env=self.environment(), capture_output=True, text=True, check=False, timeout=120
        )

    def token(self, name: str, role: str, *repositories: str) -> str:
        """A new token for what the patterns match, as `imagegate token create` makes it."""
        return new_token(self.database_url, name, role, *repositories)

    def audit(self, *arguments: str) -> list[dict[str, Any]]:
        """The newest audit records, newest first, once the gate has handed all of them to the database."""
        if self.process is not None:
            self._wait_for_the_audit()
        done = self.command("audit", "list", "--json", "--limit", "1000", *arguments)
        assert done.returncode == 0, done.stderr
        return [json.loads(line) for line in done.stdout.splitlines()]

    def metric(self, name: str) -> float:
        """The value of a metric without labels."""
        with self.open("/metrics") as answer:
            lines = answer.read().decode().splitlines()
        return next(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name} "))

    def _wait_for_the_audit(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if not self.metric("imagegate_audit_waiting_bytes"):
                return
            time.sleep(0.05)
        raise AssertionError(f"audit records still wait for the database:\n{self.log}")


_IMAGEGATE = [sys.executable, "-c", "from proxy.cli import main; main()"]
