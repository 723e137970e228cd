"""Commands are imported when somebody asks for them, and none is forgotten for that."""

import os
import subprocess
import sys
from importlib import import_module
from pkgutil import iter_modules

import pytest
import typer
from typer.core import TyperGroup
from typer.testing import CliRunner

import proxy.cli
from proxy.cli import build_app


def test_every_command_that_a_module_registers_is_found_by_its_name() -> None:
    everything = typer.Typer()
    everything.callback()(lambda: None)
    for module in iter_modules(proxy.cli.__path__):
        register = getattr(import_module(f"proxy.cli.{module.name}"), "register", None)
        if register is not None:
            register(everything)
    whole, asked = typer.main.get_command(everything), typer.main.get_command(build_app())
    assert isinstance(whole, TyperGroup)
    assert isinstance(asked, TyperGroup)

    context = asked.make_context("imagegate", [], resilient_parsing=True)
    assert sorted(asked.list_commands(context)) == sorted(whole.commands)
    for name, command in whole.commands.items():
        found = asked.get_command(context, name)
        assert found is not None
        assert (found.name, found.help) == (name, command.help)


def test_help_lists_each_command_with_its_own_words() -> None:
    asked = typer.main.get_command(build_app())
    assert isinstance(asked, TyperGroup)
    context = asked.make_context("imagegate", [], resilient_parsing=True)
    listed = CliRunner().invoke(build_app(), ["--help"], env={"COLUMNS": "200", "TERMINAL_WIDTH": "200"}).stdout
    lines = {line.split()[1]: line for line in listed.splitlines() if line.startswith("│") and len(line.split()) > 1}
    for name in asked.list_commands(context):
        command = asked.get_command(context, name)
        assert command is not None
        assert command.help is not None
        assert " ".join(command.help.split("\n\n")[0].split()) in lines[name]


LIBRARIES = ("aiohttp", "alembic", "boto3", "cryptography", "pydantic", "sqlalchemy", "structlog")
"""What takes long to load."""


@pytest.mark.parametrize("option", ["--help", "--version"])
def test_what_needs_no_command_loads_none_and_no_library_of_theirs(option: str) -> None:
    loaded = loaded_by(f"CliRunner().invoke(build_app(), [{option!r}])")
    assert "proxy.cli" in loaded
    assert not {name for name in loaded if name.endswith(("_command", "_commands"))}
    assert not loaded.intersection(LIBRARIES)


@pytest.mark.parametrize("command", ["token", "audit", "clock"])
def test_a_command_about_records_loads_the_database_and_nothing_of_the_registry(command: str) -> None:
    loaded = loaded_by(f"typer.main.get_command(build_app()).get_command(None, {command!r})")
    assert [name for name in loaded if name.endswith("_commands")] == [f"proxy.cli.{command}_commands"]
    assert "storage.database" in loaded
    assert not {name for name in loaded if name.startswith(("aiohttp", "boto", "proxy.gate", "proxy.upstream"))}


def test_check_begins_without_what_it_loads_beside_its_workers() -> None:
    loaded = loaded_by("typer.main.get_command(build_app()).get_command(None, 'check')")
    assert "proxy.cli.check_command" in loaded
    assert not {name for name in loaded if name.endswith("_commands")}
    assert "proxy.inspection.nursery" in loaded
    assert not loaded.intersection((*LIBRARIES, "rich.console", "config.settings", "proxy.inspection.pool"))


def test_check_reads_layers_before_what_judges_is_loaded_and_needs_no_database_for_either() -> None:
    reading = loaded_by("import proxy.cli.reading")
    assert not reading.intersection(("sqlalchemy", "config.policy", "scanning.judge", "proxy.gate.judgement"))
    judging = loaded_by("import proxy.cli.checking, proxy.cli.check_answer")
    assert "scanning.judge" in judging
    assert "sqlalchemy" not in judging


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("ver", ["verdict"]),
        ("token ", ["create", "list", "revoke"]),
        ("verdict list --out", ["--outcome"]),
        ("verdict list --outcome ", ["admit", "quarantine", "reject"]),
        ("token create ci --role d", ["developer"]),
    ],
)
def test_the_shell_completes_commands_options_and_their_values(typed: str, offered: list[str]) -> None:
    words = f"imagegate {typed}"
    asked = {"COMP_WORDS": words, "COMP_CWORD": str(words.count(" ")), "_IMAGEGATE_COMPLETE": "complete_bash"}
    program = "import sys; sys.argv[0] = 'imagegate'; from proxy.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", program], env=os.environ | asked, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == offered


def test_completing_the_name_of_a_command_loads_none() -> None:
    loaded = loaded_by(
        "group = typer.main.get_command(build_app()); "
        "group.shell_complete(group.make_context('imagegate', [], resilient_parsing=True), 'ver')"
    )
    assert not {name for name in loaded if name.endswith(("_command", "_commands"))}


def loaded_by(statement: str) -> set[str]:
    """The modules of a new process after this statement."""
    program = (
        "import sys, typer; from typer.testing import CliRunner; from proxy.cli import build_app;"
        f"{statement}; print(*sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())
