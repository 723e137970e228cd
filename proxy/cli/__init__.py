"""The command line: `imagegate [--config FILE] [--state-dir DIR] COMMAND`.

Each module of this package registers its commands; errors become one sentence here and nowhere else. Exit
status: 0 done, 1 the answer is no, 2 it could not be done.
"""

from collections.abc import Mapping
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, cast

import typer
from typer.core import TyperGroup

from config.errors import ImagegateError
from proxy.cli.output import complain
from proxy.cli.session import GlobalOptions

_MODULES: Mapping[str, str] = MappingProxyType(
    {
        "serve": "serve_command",
        "check": "check_command",
        "token": "token_commands",
        "policy": "policy_commands",
        "feeds": "feeds_commands",
        "verdict": "verdict_commands",
        "image": "image_commands",
        "base": "base_commands",
        "package": "package_commands",
        "audit": "audit_commands",
        "registry": "registry_commands",
        "clock": "clock_commands",
        "config": "config_commands",
        "check-config": "config_commands",
        "demo": "demo_command",
    }
)
"""Which module of this package registers a command, in the order in which help lists them."""


class _Gate(TyperGroup):
    """Imports a command when it is asked for: each needs other libraries, and they take longer than most commands.

    Turns the errors the gate raises on purpose into a sentence and exit status 2.
    """

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except ImagegateError as error:
            complain(str(error))
            raise typer.Exit(2) from error

    def list_commands(self, ctx: Any) -> list[str]:
        """All there are."""
        return list(_MODULES)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of this name, None if there is none."""
        for name in (cmd_name,) if cmd_name in _MODULES else _MODULES:  # an unknown name is compared with all
            if name not in self.commands:
                self.commands.update(_registered_by(_MODULES[name]))
        return super().get_command(ctx, cmd_name)


def _registered_by(module: str) -> Mapping[str, Any]:
    app = typer.Typer()
    app.callback()(_global_options)  # with one, even a single command stays one of a group
    import_module(f"proxy.cli.{module}").register(app)
    return cast("TyperGroup", typer.main.get_command(app)).commands


def build_app() -> typer.Typer:
    """Put the command line together."""
    app = typer.Typer(
        name="imagegate",
        cls=_Gate,
        help="The gatekeeper in front of an image registry.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    app.callback()(_global_options)
    return app


def main() -> None:
    """Run the command line of this process."""
    build_app()()


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"imagegate {version('imagegate')}")
        raise typer.Exit


def _global_options(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config", help="Settings file; else $IMAGEGATE_CONFIG, ./imagegate.yaml, /etc/imagegate/imagegate.yaml."
        ),
    ] = None,
    state_dir: Annotated[
        Path | None, typer.Option("--state-dir", help="Folder for everything that survives a restart.")
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", help="Print the version and leave.", is_eager=True, callback=_print_version)
    ] = False,
) -> None:
    context.obj = GlobalOptions(config, state_dir)
