"""The demo from start to end."""

import asyncio
import signal
import tempfile
from pathlib import Path

from rich.console import Console

from proxy.demo.client import Client
from proxy.demo.gate import SIGNER, DemoGate, temporary_gate
from proxy.demo.scenes import Cast, signed_and_clean, ssh_inside, unpatched, unsigned
from proxy.demo.signing import SigningKey
from proxy.demo.stage import Stage

_NEXT = """
What to try next:

  {imagegate} serve
      a gate that stays: its folder, an admin token, the evaluation policy
  {imagegate} feeds update
      real advisories, so that every unpatched package is found
  {imagegate} check IMAGE
      ask before pushing: an OCI folder or archive, or a reference
  {imagegate} policy init --help
      from evaluation to production: signatures and vetted packages required
"""


async def play(console: Console, *, fetch: bool, keep: bool, imagegate: str = "imagegate") -> bool:
    """Play all scenes; True if every step came out as it must.

    `fetch` allows pip to download one old wheel; `keep` leaves the gate running until Ctrl-C; `imagegate` is
    what to call the command in suggestions. Raises `DemoError`.
    """
    stage = Stage(console)
    with tempfile.TemporaryDirectory(prefix="imagegate-demo-") as name:
        folder, key = Path(name), SigningKey()
        async with temporary_gate(folder, key.public) as gate:
            stage.say(f"A temporary gate at {gate.origin}, with the embedded registry.", "bold")
            stage.say(f"Its policy: the evaluation profile, and what is in release/** must be signed by {SIGNER!r}.")
            await _scenes(stage, gate, key, folder, fetch=fetch)
            _conclude(stage, imagegate)
            if keep:
                await _wait(stage, gate)
    return not stage.deviations


async def _scenes(stage: Stage, gate: DemoGate, key: SigningKey, folder: Path, *, fetch: bool) -> None:
    developer = Client(gate.origin, "developer", gate.developer)
    operator = Client(gate.origin, "operator", gate.operator)
    async with developer, operator:
        cast = Cast(gate.origin, developer, operator, key)
        await signed_and_clean(stage, cast)
        await ssh_inside(stage, cast)
        await unpatched(stage, cast, folder, fetch=fetch)
        await unsigned(stage, cast)


def _conclude(stage: Stage, imagegate: str) -> None:
    stage.say()
    if stage.deviations:
        stage.say(f"{stage.deviations} of {stage.steps} steps came out otherwise than they must.", "bold red")
    else:
        stage.say(f"All {stage.steps} steps came out as they must.", "bold green")
    stage.say(_NEXT.format(imagegate=imagegate))


async def _wait(stage: Stage, gate: DemoGate) -> None:
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, told.set)
    host = f"{gate.origin.host}:{gate.origin.port}"
    stage.say("The gate stays until Ctrl-C; then it is gone with all it holds. In another terminal:\n", "bold")
    stage.say(f"  docker login {host} -u developer -p {gate.developer}")
    stage.say(f"  docker login {host} -u operator -p {gate.operator}")
    stage.say(f"  imagegate --state-dir {gate.state} verdict list")
    stage.say(f"  tail {gate.log}\n")
    await told.wait()
