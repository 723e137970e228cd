"""A gate for the length of the demo: its own folder, port, policy, advisory and tokens; then it is gone."""

import asyncio
import copy
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import yaml

from config.defaults import Profile, profile_text
from config.patterns import EVERY_REPOSITORY
from config.settings import Inspection, Listen, Settings
from proxy.clock import utc_now
from proxy.demo.contents import DemoError
from proxy.feeds.importer import import_path
from proxy.identity import tokens
from proxy.identity.administrator import Administrator
from proxy.identity.principal import Role
from proxy.identity.tokens import NewGrant
from proxy.running import running
from proxy.server import listening
from proxy.telemetry.logging import configure_logging
from proxy.upstream.origin import Origin
from storage.database import Database
from storage.snapshots import Snapshots

SIGNER = "demo"
_ADVISORIES = Path(__file__).with_name("advisories")
_TOKENS_LIVE = timedelta(days=1)
_WORKERS = 2


@dataclass(frozen=True, slots=True)
class DemoGate:
    """A gate that answers, and a token for each of the two who use it."""

    origin: Origin
    state: Path
    log: Path
    developer: str
    operator: str


@asynccontextmanager
async def temporary_gate(folder: Path, public_key: str) -> AsyncIterator[DemoGate]:
    """Run a gate with the embedded registry in `folder`; it trusts signatures by `public_key` (PEM).

    The settings file and environment of the machine do not matter to it.
    """
    settings = Settings(
        state_dir=folder / "state", listen=Listen(port=_free_port()), inspection=Inspection(workers=_WORKERS)
    )
    settings.state_dir.mkdir(mode=0o700)
    settings.policy_path.write_text(policy_text(public_key), encoding="utf-8")
    await asyncio.to_thread(_import_advisories, settings.advisories_path)
    log = folder / "gate.log"
    with log.open("w", encoding="utf-8") as stream:
        configure_logging("info", "text", stream)
        async with running(settings) as services:
            developer = await _token(services.database, Role.DEVELOPER)
            operator = await _token(services.database, Role.OPERATOR)
            async with listening(services):
                yield DemoGate(Origin.parse(settings.public_origin), settings.state_dir, log, developer, operator)


def policy_text(public_key: str) -> str:
    """The evaluation profile, and one rule more: what is in release/** must be signed with the demo's key."""
    policy = yaml.safe_load(profile_text(Profile.EVALUATION))
    release = copy.deepcopy(policy["rules"][0])
    release["repositories"] = ["release/**"]
    release["require"]["signatures"] = {"of": [SIGNER], "effect": "quarantine"}
    policy |= {"name": "demo", "signers": {SIGNER: {"key": public_key}}, "rules": [*policy["rules"], release]}
    return yaml.safe_dump(policy, sort_keys=False)


def _import_advisories(path: Path) -> None:
    report = import_path(_ADVISORIES, Snapshots(path), utc_now())
    if report.failed:
        raise DemoError(f"the advisory of the demo was not taken in: {report.results[0].problem}")


async def _token(database: Database, role: Role) -> str:
    now = utc_now()
    new = NewGrant(f"demo-{role}", role, (EVERY_REPOSITORY,), now + _TOKENS_LIVE)
    _, token = await tokens.create(database, new, Administrator("imagegate demo", ""), now)
    return token.text


def _free_port() -> int:
    """A port nobody listens on: the gate must know it before it listens, to tell clients its own address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
