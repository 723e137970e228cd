"""Commands are imported when somebody asks for them, and none is forgotten for that."""

import subprocess
import sys
from importlib import import_module
from pkgutil import iter_modules

import typer
from typer.core import TyperGroup

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


def test_a_command_is_imported_without_the_others_and_without_what_only_few_gates_need() -> None:
    program = (
        "import sys, typer; from proxy.cli import build_app;"
        "typer.main.get_command(build_app()).get_command(None, 'check');"
        "print(*(name for name in sys.modules if name.startswith(('proxy.cli.', 'boto'))))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    imported = set(done.stdout.split())
    assert "proxy.cli.check_command" in imported
    assert not {name for name in imported if name.startswith("boto")}
    assert not {name for name in imported if name.endswith("_commands")}
