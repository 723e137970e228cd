"""What `imagegate policy try` and `imagegate policy set` do: beside a gate's records, or by asking one over HTTP."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from config.policy import Policy
from config.settings import Settings
from config.wording import counted
from proxy.cli.gate_client import GateClient
from proxy.cli.local_database import open_database
from proxy.cli.local_state import open_state
from proxy.cli.output import complain, print_list, warn
from proxy.cli.session import administrator
from proxy.clock import utc_now
from proxy.gate.policy import WrittenPolicy
from proxy.gate.policy_trial import change_as_document, images_to_try, try_policy
from proxy.gate.policy_writing import replace_policy
from proxy.gate.waiving import in_force_now
from scanning.oci.digest import Digest

POLICY_PATH = "/api/v1/policy"


@dataclass(frozen=True, slots=True)
class _Told:
    """What a policy would change, in the words of the API."""

    judged: int
    changes: Sequence[Mapping[str, Any]]
    left_out: Sequence[str]


def print_trial(settings: Settings, now: Policy, new: Policy, *, as_json: bool) -> bool:
    """Print what a `new` policy would change for the images behind the gate; whether it would change anything."""
    return _print(asyncio.run(_tried(settings, now, new)), as_json=as_json)


def print_trial_at(client: GateClient, text: str, *, as_json: bool) -> bool:
    """The same, for the images that the gate of `client` says this of: those that the token may pull."""
    return _print(asyncio.run(_tried_at(client, text)), as_json=as_json)


def write(settings: Settings, new: WrittenPolicy, over: Digest | None) -> None:
    """Write a policy over the gate's own with the digest `over` (None: whatever it has), on the record. Raises as
    `replace_policy` does.
    """
    asyncio.run(_write(settings, new, over))


def write_at(client: GateClient, text: str, over: Digest | None) -> None:
    """Write a policy over the one with the digest `over` (None: whatever it has now) that the gate of `client` has, and
    say what it warns of.
    """
    warn(asyncio.run(_write_at(client, text, over)))


def _print(told: _Told, *, as_json: bool) -> bool:
    none = f"Nothing would change for {counted(told.judged, 'image')}."
    print_list(told.changes, ("image", "digest", "now", "then", "first reason"), _cells, none, as_json=as_json)
    for left in told.left_out:
        complain(f"Not judged: {left}")
    return bool(told.changes)


def _cells(change: Mapping[str, Any]) -> Iterable[str]:
    reasons = [*change["unsure"], *change["reasons"], *change["reasons_before"]]
    yield change["image"] + (" (waits)" if change["waits"] else "")
    yield Digest.parse(change["digest"]).abbreviated
    yield change["before"]
    yield change["after"]
    yield _without_remedy(reasons[0]) if reasons else ""


def _without_remedy(reason: str) -> str:
    return reason.partition("]; ")[0] + "]" if "]; " in reason else reason


async def _tried(settings: Settings, now: Policy, new: Policy) -> _Told:
    async with open_state(settings) as state:
        images = await images_to_try(state.database)
        beside = await in_force_now(state.database, utc_now)
        both = now.with_waivers(beside), new.with_waivers(beside)
        trial = await try_policy(state.database, state.replay, images, *both, utc_now())
        return _Told(trial.judged, tuple(map(change_as_document, trial.changes)), trial.left_out)


async def _tried_at(client: GateClient, text: str) -> _Told:
    names = ("judged", "changes", "left_out")
    pages = [answer.read(*names) async for answer in client.pages(f"{POLICY_PATH}/check", text)]
    changes, left_out = [[one for page in pages for one in page[name]] for name in names[1:]]
    return _Told(sum(page["judged"] for page in pages), changes, left_out)


async def _write(settings: Settings, new: WrittenPolicy, over: Digest | None) -> None:
    async with open_database(settings, may_be_new=True) as database:
        await replace_policy(database, settings.policy_path, new, over, administrator(), utc_now())


async def _write_at(client: GateClient, text: str, over: Digest | None) -> Sequence[str]:
    tag = f'"{over}"' if over is not None else (await client.get(POLICY_PATH)).etag
    warnings: Sequence[str] = (await client.put_text(POLICY_PATH, text, tag)).read("warnings")["warnings"]
    return warnings
