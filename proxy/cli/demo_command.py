"""`imagegate demo`: what the gate does, shown on four small images."""

import asyncio
from typing import Annotated

import typer
import uvloop
from rich.console import Console

from proxy.cli.output import command_name
from proxy.demo.play import play


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("demo")(_demo)


def _demo(
    offline: Annotated[
        bool, typer.Option("--offline", help="Fetch nothing: take the metadata of an old wheel, not the wheel.")
    ] = False,
    keep: Annotated[bool, typer.Option("--keep", help="Leave the gate running until Ctrl-C, to try it out.")] = False,
) -> None:
    """Push a clean, a tainted, an unpatched and an unsigned image to a temporary gate, and show what clients see.

    Needs no docker. Exit status 1 if anything comes out otherwise than it must.
    """
    console = Console(markup=False, highlight=False)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        as_it_must = runner.run(play(console, fetch=not offline, keep=keep, imagegate=command_name()))
    if not as_it_must:
        raise typer.Exit(1)
