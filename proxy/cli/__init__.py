"""The command line: `imagegate [--config FILE] [--state-dir DIR] COMMAND`.

Each module of this package registers its commands; errors become one sentence here and nowhere else. Exit
status: 0 done, 1 the answer is no, 2 it could not be done.
"""

from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from config.errors import ImagegateError
from proxy.cli import (
    audit_commands,
    base_commands,
    check_command,
    config_commands,
    demo_command,
    feeds_commands,
    image_commands,
    package_commands,
    policy_commands,
    registry_commands,
    serve_command,
    token_commands,
    verdict_commands,
)
from proxy.cli.output import complain
from proxy.cli.session import GlobalOptions


class _Gate(TyperGroup):
    """Turns the errors the gate raises on purpose into a sentence and exit status 2."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except ImagegateError as error:
            complain(str(error))
            raise typer.Exit(2) from error


def build_app() -> typer.Typer:
    """Put all commands together."""
    app = typer.Typer(
        name="imagegate",
        cls=_Gate,
        help="The gatekeeper in front of an image registry.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=False,
    )
    app.callback()(_global_options)
    for commands in (
        serve_command,
        check_command,
        token_commands,
        policy_commands,
        feeds_commands,
        verdict_commands,
        image_commands,
        base_commands,
        package_commands,
        audit_commands,
        registry_commands,
        config_commands,
        demo_command,
    ):
        commands.register(app)
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
