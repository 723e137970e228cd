"""The gate under test: the `imagegate` command with its defaults, everything on that a user has on."""

import asyncio
import base64
import compileall
import json
import os
import ssl
import sys
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from urllib.parse import urlencode

from bench.errors import BenchError
from bench.processes import Server, serving
from proxy.demo.client import Client
from proxy.demo.images import Image
from proxy.upstream.origin import Origin
from scanning.oci.names import Reference, Repository
from tests.tokens import new_token

REPOSITORY = Repository("bench/app")
IMAGEGATE = [sys.executable, "-c", "from proxy.cli import main; main()"]
"""The command, as this Python runs it."""

_PACKAGES = ("config", "proxy", "scanning", "storage")
_LEFT_OUT = "PYTHONDONTWRITEBYTECODE"
"""Container images set it for what they only start. A checkout is then compiled anew by each process, where pip has
compiled what it installs.
"""


def gate_environment(state: Path) -> dict[str, str]:
    """The environment in which a command of the gate runs as if installed, with its state in the folder `state`."""
    _compile()
    kept = {key: value for key, value in os.environ.items() if not key.startswith("IMAGEGATE_") and key != _LEFT_OUT}
    return kept | {"IMAGEGATE_STATE_DIR": str(state)}


@cache
def _compile() -> None:
    """Compile the gate's own modules, as pip does."""
    for package in _PACKAGES:
        folder = Path(__file__).parents[1] / package
        if not compileall.compile_dir(folder, quiet=1):
            raise BenchError(f"{folder} cannot be compiled")


@dataclass(frozen=True, slots=True)
class Gate:
    """A running gate, and a token of each role; `environment` is for commands beside it."""

    server: Server
    developer: str = field(repr=False)
    operator: str = field(repr=False)
    environment: Mapping[str, str] = field(repr=False)

    def bearer(self, *actions: str) -> str:
        """An Authorization header as clients have it after logging in: a developer's if `actions` hold push."""
        token = self.developer if "push" in actions else self.operator
        query = urlencode({"service": "imagegate", "scope": f"repository:{REPOSITORY}:{','.join(actions)}"})
        login = base64.b64encode(f"bench:{token}".encode()).decode()
        request = urllib.request.Request(  # noqa: S310 - our own server
            f"{self.server.url}/auth/token?{query}", headers={"Authorization": f"Basic {login}"}
        )
        with urllib.request.urlopen(request, timeout=60, context=self.server.tls) as answer:  # noqa: S310
            return f"Bearer {json.load(answer)['token']}"

    def push(self, image: Image, reference: Reference) -> None:
        """Push an image, which must be admitted."""
        asyncio.run(self._push([(image, reference)]))

    def push_all(self, images: list[tuple[Image, Reference]]) -> None:
        """Push many, over one connection."""
        asyncio.run(self._push(images))

    async def _push(self, images: list[tuple[Image, Reference]]) -> None:
        async with Client(Origin.parse(self.server.url), "bench", self.developer) as client:
            for image, reference in images:
                answer = await client.push(REPOSITORY, reference, image)
                if answer.status != 201:
                    raise BenchError(f"the gate did not take the image of the benchmark: {answer.line}")


@contextmanager
def gate(
    folder: Path, port: int, upstream: Server, tls: ssl.SSLContext | None = None, **settings: str
) -> Iterator[Gate]:
    """Run a gate in front of `upstream`. `settings` are variables without their IMAGEGATE_; `tls` trusts the
    certificate they give it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    environment = gate_environment(folder / "state") | {
        "IMAGEGATE_LISTEN__PORT": str(port),
        "IMAGEGATE_UPSTREAM__KIND": "remote",
        "IMAGEGATE_UPSTREAM__URL": upstream.url,
        "IMAGEGATE_TOKENS__LIFETIME_SECONDS": "3600",
        **{f"IMAGEGATE_{name}": value for name, value in settings.items()},
    }
    with serving(
        "imagegate", [*IMAGEGATE, "serve"], port, folder / "log", ready="/healthz", environment=environment, tls=tls
    ) as server:
        database = f"sqlite+aiosqlite:///{folder / 'state'}/imagegate.sqlite3"
        developer, operator = (new_token(database, f"bench-{role}", role, "**") for role in ("developer", "operator"))
        yield Gate(server, developer, operator, environment)
