"""Measurements in turns, so that what disturbs the machine disturbs all alike."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from statistics import median

from bench.processes import Server

Measure = Callable[[], "Sample"]


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement: its `value` in the unit of the row, the processor time the server took for it, and what else
    it told.
    """

    value: float
    cpu: float = 0.0
    more: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Candidate:
    """Who is measured, and how."""

    name: str
    measure: Measure


def in_turns(candidates: list[Candidate], rounds: int) -> dict[str, Sample]:
    """Measure each once per round, in the same order; gives the medians by name."""
    taken: dict[str, list[Sample]] = {candidate.name: [] for candidate in candidates}
    for _ in range(rounds):
        for candidate in candidates:
            taken[candidate.name].append(candidate.measure())
    return {name: _median(samples) for name, samples in taken.items()}


def with_cpu(server: Server, measure: Callable[[], tuple[float, float, Mapping[str, float]]]) -> Sample:
    """Run `measure`, which gives a value, how much work that was, and more; adds processor seconds per work."""
    before = server.cpu_seconds()
    value, work, more = measure()
    return Sample(value, (server.cpu_seconds() - before) / work if work else 0.0, more)


def _median(samples: list[Sample]) -> Sample:
    return Sample(
        median(sample.value for sample in samples),
        median(sample.cpu for sample in samples),
        {name: median(sample.more[name] for sample in samples) for name in samples[0].more},
    )
