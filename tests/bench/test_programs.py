"""What is measured of a program that is run to its end."""

import json
import os
import sys
from pathlib import Path

import pytest

from bench.errors import BenchError
from bench.gate import gate_environment
from bench.programs import run


def test_a_program_that_ends_at_once_held_memory_too() -> None:
    assert run(["true"], os.environ).peak_mib > 0


def test_what_it_prints_is_kept_and_its_status_is_looked_at() -> None:
    assert run(["sh", "-c", "echo told; exit 1"], os.environ, (0, 1)).output == b"told\n"
    with pytest.raises(BenchError, match="sh ended with 3: wrong"):
        run(["sh", "-c", "echo wrong >&2; exit 3"], os.environ)


def test_commands_of_the_gate_run_as_where_pip_has_compiled_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    monkeypatch.setenv("IMAGEGATE_LISTEN__PORT", "1")
    environment = gate_environment(tmp_path)

    said = run([sys.executable, "-c", _LOADED_FROM], environment).output
    loaded = {name: Path(place) for name, place in json.loads(said).items()}
    assert loaded.keys() >= {"proxy.cli", "config.errors"}
    assert all(place.exists() for place in loaded.values()), loaded
    assert environment["IMAGEGATE_STATE_DIR"] == str(tmp_path)
    assert not {"IMAGEGATE_LISTEN__PORT", "PYTHONDONTWRITEBYTECODE"} & environment.keys()


_LOADED_FROM = """
import json, sys
sys.dont_write_bytecode = True
import proxy.cli
ours = {name: module.__cached__ for name, module in sys.modules.items() if name.startswith(("proxy", "config"))}
print(json.dumps(ours))
"""
