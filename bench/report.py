"""Results as a table for people and as JSON for machines."""

import json
import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from bench.turns import Sample


@dataclass(frozen=True, slots=True)
class Goal:
    """`candidate` is to reach `ratio` of `against`; where less is better, not to exceed it."""

    candidate: str
    against: str
    ratio: float


@dataclass(frozen=True, slots=True)
class Result:
    """A row: the medians by name, in `unit`; `cpu_unit` says what processor seconds are counted for.

    Where `less_is_better` (times, memory), so are smaller ratios. `limits` are goals without a peer.
    """

    title: str
    unit: str
    samples: Mapping[str, Sample]
    cpu_unit: str = ""
    goals: tuple[Goal, ...] = ()
    limits: Mapping[str, float] | None = None
    less_is_better: bool = False

    def ratio(self, name: str, against: str) -> float:
        """How `name` compares with `against`."""
        return self.samples[name].value / self.samples[against].value

    def reached(self) -> list[tuple[str, bool]]:
        """Every goal as a sentence, and whether it is reached."""
        sign = "<=" if self.less_is_better else ">="
        said: list[tuple[str, bool]] = []
        for goal in self.goals:
            ratio = self.ratio(goal.candidate, goal.against)
            good = ratio <= goal.ratio if self.less_is_better else ratio >= goal.ratio
            said.append((f"{goal.candidate}: {ratio:.2f} of {goal.against}, goal {sign} {goal.ratio:g}", good))
        for name, limit in (self.limits or {}).items():
            subject, _, detail = name.partition("/")
            sample = self.samples[subject]
            value = sample.more[detail] if detail else sample.value
            said.append((f"{subject}: {detail or self.unit} {value:.2f}, goal <= {limit:g}", value <= limit))
        return said


def show(results: Sequence[Result], console: Console) -> None:
    """Print every row with its ratios to the first candidate, and its goals."""
    for result in results:
        first = next(iter(result.samples))
        table = Table(title=result.title, title_justify="left", box=None, pad_edge=False)
        for heading in ("", result.unit, f"of {first}", *((f"CPU {result.cpu_unit}",) if result.cpu_unit else ()), ""):
            table.add_column(heading, justify="left" if not heading else "right")
        for name, sample in result.samples.items():
            cpu = (f"{sample.cpu:.3g}",) if result.cpu_unit else ()
            more = "  ".join(f"{key} {value:.3g}" for key, value in sample.more.items())
            table.add_row(name, f"{sample.value:,.1f}", f"{result.ratio(name, first):.2f}", *cpu, more)
        console.print(table)
        for sentence, good in result.reached():
            console.print(f"  {'reached' if good else 'missed '}  {sentence}", highlight=False)
        console.print()


def write(results: Sequence[Result], path: Path, amount: str) -> None:
    """Write everything to a JSON file."""
    rows = [
        asdict(result) | {"goals": [{"goal": text, "reached": good} for text, good in result.reached()]}
        for result in results
    ]
    path.write_text(json.dumps({"machine": machine(), "amount": amount, "rows": rows}, indent=2) + "\n")


def machine() -> dict[str, Any]:
    """The machine in general terms."""
    return {
        "processors": os.cpu_count(),
        "architecture": platform.machine(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
    }
