"""Every row of the benchmark runs and compares what it says; how fast things are is not asserted here."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.peers import tool
from bench.processes import free_or_refuse
from bench.report import Goal, Result
from bench.rows import ROWS
from bench.turns import Candidate, Sample, in_turns
from tests.ports import free_ports

_TOOLS = {"docker-registry": "docker-registry", "nginx": "nginx-light", "wrk": "wrk", "skopeo": "skopeo"}
_DOCKER = {"docker": "docker.io", "dockerd": "docker.io"}
_ROOT = Path(__file__).parents[2]


@pytest.fixture
def tools(row: str) -> None:
    """Everything the row needs."""
    for name, package in (_TOOLS | (_DOCKER if row == "docker" else {})).items():
        try:
            tool(name, package)
        except BenchError as missing:
            pytest.skip(str(missing))


@pytest.mark.real
@pytest.mark.timeout(600)
@pytest.mark.parametrize("row", ROWS)
def test_a_row_runs_and_says_what_it_measured(tools: None, tmp_path: Path, row: str) -> None:
    command = [sys.executable, "-m", "bench", "--tiny", "--row", row, "--first-port", str(free_ports(8))]
    command += ["--json", str(tmp_path / "b.json")]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False, env=dict(os.environ))
    assert done.returncode == 0, done.stdout + done.stderr

    rows = json.loads((tmp_path / "b.json").read_text())["rows"]
    assert rows
    for measured in rows:
        assert measured["goals"], measured["title"]
        assert all(sample["value"] > 0 for sample in measured["samples"].values()), measured


def test_a_port_that_is_in_use_is_refused() -> None:
    with socket.socket() as stray:
        stray.bind(("127.0.0.1", 0))
        stray.listen()
        with pytest.raises(BenchError, match="is in use"):
            free_or_refuse(stray.getsockname()[1])


def test_candidates_are_measured_in_turns_and_the_median_counts() -> None:
    order: list[str] = []
    values = {"a": [1.0, 100.0, 3.0], "b": [5.0, 5.0, 5.0]}

    def candidate(name: str) -> Candidate:
        def measure() -> Sample:
            order.append(name)
            return Sample(values[name].pop(0), more={"p99": 1.0})

        return Candidate(name, measure)

    taken = in_turns([candidate("a"), candidate("b")], 3)
    assert order == ["a", "b"] * 3
    assert {name: sample.value for name, sample in taken.items()} == {"a": 3.0, "b": 5.0}


def test_goals_are_ratios_and_limits_and_say_when_they_are_missed() -> None:
    samples = {"direct": Sample(100.0), "gate": Sample(90.0, more={"p99 ms": 4.0})}
    more = Result("a rate", "MB/s", samples, goals=(Goal("gate", "direct", 0.95),), limits={"gate/p99 ms": 3.0})
    assert more.reached() == [
        ("gate: 0.90 of direct, goal >= 0.95", False),
        ("gate: p99 ms 4.00, goal <= 3", False),
    ]
    less = Result("a time", "s", samples, goals=(Goal("gate", "direct", 1.1),), less_is_better=True)
    assert less.reached() == [("gate: 0.90 of direct, goal <= 1.1", True)]
