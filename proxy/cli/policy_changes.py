"""What `imagegate policy try` and `imagegate policy set` do beside the records of a gate."""

import asyncio
import json

import typer
from rich.table import Table

from config.policy import Policy
from config.settings import Settings
from config.wording import counted
from proxy.cli.local_database import open_database
from proxy.cli.local_state import open_state
from proxy.cli.output import complain, console, printable
from proxy.cli.session import administrator
from proxy.clock import utc_now
from proxy.gate.policy import WrittenPolicy
from proxy.gate.policy_trial import Trial, change_as_document, images_to_try, try_policy
from proxy.gate.policy_writing import replace_policy
from proxy.gate.waiving import in_force_now


def print_trial(settings: Settings, now: Policy, new: Policy, *, as_json: bool) -> bool:
    """Print what a `new` policy would change for the images behind the gate; whether it would change anything."""
    trial = asyncio.run(_tried(settings, now, new))
    if as_json:
        for change in trial.changes:
            typer.echo(json.dumps(change_as_document(change)))
    else:
        _print_table(trial)
    for left in trial.left_out:
        complain(f"Not judged: {left}")
    return bool(trial.changes)


def write(settings: Settings, new: WrittenPolicy) -> None:
    """Write a policy over the gate's own, on the record. Raises as `replace_policy` does."""
    asyncio.run(_write(settings, new))


def _print_table(trial: Trial) -> None:
    if not trial.changes:
        typer.echo(f"Nothing would change for {counted(trial.judged, 'image')}.")
        return
    table = Table("image", "digest", "now", "then", "first reason", box=None, pad_edge=False)
    for change in trial.changes:
        reasons = change.after.violations or change.before.violations
        said = "; ".join(change.unsure) or (f"{reasons[0].subject} [{reasons[0].rule}]" if reasons else "")
        cells = (
            change.image.name,
            change.image.digest.abbreviated,
            change.before.enforced,
            change.after.enforced,
            said,
        )
        table.add_row(*map(printable, cells))
    console().print(table)


async def _tried(settings: Settings, now: Policy, new: Policy) -> Trial:
    async with open_state(settings) as state:
        images = await images_to_try(state.database)
        beside = await in_force_now(state.database, utc_now)
        both = now.with_waivers(beside), new.with_waivers(beside)
        return await try_policy(state.database, state.replay, images, *both, utc_now())


async def _write(settings: Settings, new: WrittenPolicy) -> None:
    async with open_database(settings, may_be_new=True) as database:
        await replace_policy(database, settings.policy_path, new, None, administrator(), utc_now())
