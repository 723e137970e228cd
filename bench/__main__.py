"""The command: `python -m bench`."""

import signal
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bench.errors import BenchError
from bench.plan import Amount, Plan
from bench.processes import free_or_refuse
from bench.report import Result, machine, show, write
from bench.rows import ROWS

_PORTS = 8


def main(
    quick: Annotated[bool, typer.Option(help="Measure less, of smaller content.")] = False,
    tiny: Annotated[bool, typer.Option(help="Only see that everything runs.")] = False,
    row: Annotated[list[str] | None, typer.Option(help=f"Measure only this row: {', '.join(ROWS)}.")] = None,
    json: Annotated[Path, typer.Option(help="Where to write the results.")] = Path("bench.json"),
    first_port: Annotated[int, typer.Option(help="The first of the ports to use.")] = 5610,
) -> None:
    """Measure the gate beside the registry alone and nginx in front of it."""
    console = Console()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # by way of the ends of all servers
    amount = Amount.TINY if tiny else Amount.QUICK if quick else Amount.FULL
    results: list[Result] = []
    try:
        chosen = [ROWS[name] for name in row or ROWS]
        for number in range(_PORTS):
            free_or_refuse(first_port + number)
        console.print("  ".join(f"{name} {value}" for name, value in machine().items()), highlight=False)
        for measure in chosen:
            with tempfile.TemporaryDirectory(prefix="imagegate-bench-") as folder:
                found = measure(Plan(amount, Path(folder), first_port))
            show(found, console)
            results += found
    except KeyError as error:
        console.print(f"there is no row {error}; there are: {', '.join(ROWS)}", style="red")
        raise typer.Exit(2) from error
    except BenchError as error:
        console.print(f"not measured: {error}", style="red", highlight=False)
        raise typer.Exit(1) from error
    write(results, json, amount)
    console.print(f"written to {json}")


if __name__ == "__main__":
    typer.run(main)
