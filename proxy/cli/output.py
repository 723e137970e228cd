"""How commands speak to the person at the terminal."""

import json
import shlex
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from config.wording import as_sentence
from proxy.cli.global_options import GlobalOptions
from storage.printable import printable as escaped

if TYPE_CHECKING:
    from rich.console import Console

_WIDTH_OF_A_FILE = 240
"""Rich takes 80 columns where there is no terminal, which cuts tables that are written to a file or a pipe."""


def complain(message: str) -> None:
    """Write an error to standard error, red on a terminal, with nothing in it that could steer the terminal."""
    typer.secho(printable(message), fg=typer.colors.RED, err=True)


def warn(warnings: Iterable[str]) -> None:
    """Write what a gate warns of to standard error, each as a sentence."""
    for warning in warnings:
        complain(as_sentence(warning))


def printable(text: str) -> str:
    """`text` with every control character but the line feed written as an escape."""
    return "\n".join(map(escaped, text.split("\n")))


def minute(instant: str) -> str:
    """An instant as documents write it (ISO 8601), in UTC for people."""
    return f"{datetime.fromisoformat(instant).astimezone(UTC):%Y-%m-%d %H:%M}"


def console() -> "Console":
    """Standard output for tables. What an image put into a cell is text, never markup."""
    from rich.console import Console  # noqa: PLC0415 - takes longer than all that `imagegate` loads of its own

    found = Console(markup=False, highlight=False)
    return found if found.is_terminal else Console(markup=False, highlight=False, width=_WIDTH_OF_A_FILE)


def print_list(
    found: Sequence[Mapping[str, Any]],
    headings: Iterable[str],
    cells: Callable[[Mapping[str, Any]], Iterable[str]],
    none: str,
    *,
    as_json: bool,
) -> None:
    """Write a list of documents: each on a line as JSON, or as a table, of which `cells` gives a row; `none` stands for
    an empty one.
    """
    if as_json:
        for one in found:
            typer.echo(json.dumps(one))
        return
    from rich.table import Table  # noqa: PLC0415 - as for `console`

    table = Table(*headings, box=None, pad_edge=False)
    for one in found:
        table.add_row(*map(printable, cells(one)))
    console().print(table if found else none)


def terminal_width() -> int:
    """The columns of standard output; many where it is no terminal."""
    return console().width


def headed(text: str, *, is_good: bool) -> str:
    """`text` with its first line in colour; typer takes that out where no terminal reads it."""
    first, line_end, rest = text.partition("\n")
    return f"{typer.style(first, fg=typer.colors.GREEN if is_good else typer.colors.RED, bold=True)}{line_end}{rest}"


def command_name() -> str:
    """How the person at the terminal called this program, so that what is suggested can be pasted."""
    called = Path(sys.argv[0])
    return str(called) if called.name == "imagegate" else "imagegate"


def command_line(context: typer.Context) -> str:
    """How to call this program in another terminal, so that it finds the same gate: what is suggested can be pasted."""
    options = context.ensure_object(GlobalOptions)
    given = (("--config", options.config), ("--state-dir", options.state_dir))
    return " ".join((command_name(), *(f"{name} {shlex.quote(str(path))}" for name, path in given if path)))
