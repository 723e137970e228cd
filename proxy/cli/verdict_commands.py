"""`imagegate verdict show|list|replay`: what the gate decided, and why."""

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any
from urllib.parse import quote

import typer

from config.settings import Settings
from config.wording import counted
from proxy.cli.gate_options import GateCommand, asked_gate
from proxy.cli.local_state import open_state
from proxy.cli.output import headed, print_list, printable, terminal_width
from proxy.cli.session import settings_for
from proxy.gate.report import Explained, headline, record_of, report
from proxy.gate.verdict_document import as_document
from scanning.documents import encode
from scanning.oci.digest import Digest
from scanning.oci.names import Repository
from scanning.verdict import Outcome, Verdict
from storage import verdicts

_PATH = "/api/v1/verdicts"


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    commands = typer.Typer(help="What the gate decided, and why.", no_args_is_help=True)
    commands.command("show", cls=GateCommand)(_show)
    commands.command("list", cls=GateCommand)(_list)
    commands.command("replay")(_replay)
    app.add_typer(commands, name="verdict")


def _show(
    context: typer.Context,
    verdict_id: Annotated[str, typer.Argument(metavar="ID", help="The id a refusal names.")],
    as_json: Annotated[bool, typer.Option("--json", help="The whole document.")] = False,
) -> None:
    """Explain a verdict: what to do about every reason and every warning, and what it was made of."""
    if client := asked_gate(context):
        kind = "application/json" if as_json else "text/plain"
        answer = asyncio.run(client.get(f"{_PATH}/{quote(verdict_id, safe='')}", kind=kind))
        typer.echo(printable(answer.body.decode(errors="replace")), nl=as_json)
        return
    settings = settings_for(context)
    if as_json:
        typer.echo(encode(asyncio.run(_kept(settings, verdict_id))).decode())
        return
    explained = asyncio.run(_explained(settings, verdict_id))
    is_good = explained[0].verdict.outcome is Outcome.ADMIT
    said = report(explained, record_of(explained[0]), width=terminal_width())
    typer.echo(headed(said, is_good=is_good), nl=False)


def _list(
    context: typer.Context,
    repository: Annotated[str, typer.Option(help="Only of this repository.")] = "",
    outcome: Annotated[Outcome | None, typer.Option(help="Only with this outcome.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="How many.")] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
) -> None:
    """List the newest verdicts; those of a gate that is asked over HTTP, of one repository."""
    wanted = Repository(repository) if repository else None
    if client := asked_gate(context):
        asked = {"repository": repository, "outcome": outcome or ""}
        found = asyncio.run(client.listed(_PATH, "verdicts", asked, limit))
    else:
        kept = asyncio.run(_newest(settings_for(context), wanted, outcome, limit))
        found = tuple(as_document(verdict) for verdict in kept)
    print_list(
        found, ("id", "judged (UTC)", "outcome", "image", "first reason"), _cells, "No verdicts yet.", as_json=as_json
    )


def _cells(verdict: Mapping[str, Any]) -> Iterator[str]:
    yield verdict["id"]
    yield f"{datetime.fromisoformat(verdict['judged_at']):%Y-%m-%d %H:%M:%S}"
    yield verdict["outcome"] + (" (audit)" if verdict["enforced"] != verdict["outcome"] else "")
    whole = f"{verdict['repository']}@{verdict['digest']}"
    yield f"{verdict['repository']}@{Digest.parse(verdict['digest']).abbreviated}"
    reasons = verdict["violations"] or verdict["warnings"]
    yield " ".join(part for part in _first(reasons[0]) if part != whole) if reasons else ""


def _first(reason: Mapping[str, Any]) -> tuple[str, str]:
    return reason["subject"], f"[{reason['rule']}]"


def _replay(
    context: typer.Context,
    verdict_id: Annotated[str, typer.Argument(metavar="ID", help="The verdict to make again.")],
) -> None:
    """Make a verdict again from what it names; exit status 1 if the answer differs."""
    old, new = asyncio.run(_again(settings_for(context), verdict_id))
    verdict = old.verdict
    if verdict.decision == new.verdict.decision:
        reasons, remarks = len(verdict.violations), len(verdict.warnings)
        said = f"{counted(reasons, 'reason')}, {counted(remarks, 'warning')}"
        typer.echo(f"The same answer: {headline(verdict)}, {said}.")
        if verdict != replace(new.verdict, id=verdict.id):  # a version that writes other things makes other ids of them
            typer.echo("This version of imagegate says more of it, or in other words, than the one that judged it.")
        return
    then, now = (report((one,), record_of(one)) for one in (old, new))
    typer.echo(f"A different answer.\n\nThen:\n{then}\nNow:\n{now}", nl=False)
    raise typer.Exit(1)


async def _kept(settings: Settings, verdict_id: str) -> Verdict:
    async with open_state(settings) as state:
        return await state.replay.get(verdict_id)


async def _newest(
    settings: Settings, repository: Repository | None, outcome: Outcome | None, limit: int
) -> tuple[Verdict, ...]:
    async with open_state(settings) as state, state.database.snapshot() as tx:
        return await verdicts.list_newest(tx, repository=repository, outcome=outcome, limit=limit)


async def _explained(settings: Settings, verdict_id: str) -> tuple[Explained, ...]:
    async with open_state(settings) as state:
        return await state.replay.explained(await state.replay.get(verdict_id))


async def _again(settings: Settings, verdict_id: str) -> tuple[Explained, Explained]:
    async with open_state(settings) as state:
        old = await state.replay.get(verdict_id)
        case, _ = await state.replay.case(old)
        return Explained(old, case), Explained(await state.replay.again(old), case)
