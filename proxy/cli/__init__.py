"""The command line: `imagegate [--config FILE] [--state-dir DIR] COMMAND`.

Each module of this package registers its commands; errors become one sentence here and nowhere else. Exit
status: 0 done, 1 the answer is no, 2 it could not be done.
"""

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, NamedTuple, cast

import typer
from typer.core import TyperCommand, TyperGroup

from config.errors import ImagegateError
from proxy.cli.global_options import GlobalOptions
from proxy.cli.output import complain


class _Registered(NamedTuple):
    """The module of this package that registers a command, and what the list of commands says of it."""

    module: str
    summary: str


_COMMANDS: Mapping[str, _Registered] = MappingProxyType(
    {
        "serve": _Registered(
            "serve_command", "Serve until SIGTERM or Ctrl-C. The first start makes an admin token and prints it."
        ),
        "check": _Registered(
            "check_command",
            "Ask what the gate would say about an image. Status 0: admitted, 1: refused or quarantined, 2: cannot"
            " judge.",
        ),
        "token": _Registered("token_commands", "Access tokens: who may push and pull."),
        "policy": _Registered("policy_commands", "Write, check and explain the policy."),
        "signer": _Registered("signer_commands", "Whose signatures count, and where."),
        "waiver": _Registered("waiver_commands", "Exceptions beside the policy: what is accepted for a while."),
        "feeds": _Registered("feeds_commands", "The advisories that findings rest on."),
        "verdict": _Registered("verdict_commands", "What the gate decided, and why."),
        "image": _Registered("image_commands", "What is in the images behind the gate."),
        "base": _Registered("base_commands", "Approved base images: what others may be built on."),
        "package": _Registered("package_commands", "Packages that count as vetted because an admin approved them."),
        "audit": _Registered("audit_commands", "The audit trail."),
        "registry": _Registered("registry_commands", "The embedded registry: its room, and what nobody needs."),
        "clock": _Registered("clock_commands", "The latest time on record, which the gate never goes behind."),
        "config": _Registered(
            "config_commands", "Print a settings file with every key, its default and what it means."
        ),
        "check-config": _Registered(
            "config_commands",
            "Check the settings and the policy; print every mistake with its line, and exit with 1 if there is one.",
        ),
        "demo": _Registered(
            "demo_command",
            "Push a clean, a tainted, an unpatched and an unsigned image to a temporary gate, and show what clients"
            " see.",
        ),
    }
)
"""In the order in which help lists them."""


class _Gate(TyperGroup):
    """Imports a command when it is asked for: each needs other libraries, and they take longer than most commands.

    Turns the errors the gate raises on purpose into a sentence and exit status 2.
    """

    _is_listing = False

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except ImagegateError as error:
            complain(str(error))
            raise typer.Exit(2) from error

    def format_help(self, ctx: Any, formatter: Any) -> None:
        with self._listing():
            super().format_help(ctx, formatter)

    def shell_complete(self, ctx: Any, incomplete: str) -> Any:
        """The commands and options that begin with `incomplete`, without waiting for libraries."""
        with self._listing():
            return super().shell_complete(ctx, incomplete)

    @contextmanager
    def _listing(self) -> Iterator[None]:
        self._is_listing = True
        try:
            yield
        finally:
            self._is_listing = False

    def list_commands(self, ctx: Any) -> list[str]:
        """All there are."""
        return list(_COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of this name, None if there is none. While commands are listed, what the list says."""
        if self._is_listing:
            return TyperCommand(cmd_name, help=_COMMANDS[cmd_name].summary)
        for name in (cmd_name,) if cmd_name in _COMMANDS else _COMMANDS:  # an unknown name is compared with all
            if name not in self.commands:
                self.commands.update(_registered_by(_COMMANDS[name].module))
        return super().get_command(ctx, cmd_name)


def _registered_by(module: str) -> Mapping[str, Any]:
    app = typer.Typer()
    app.callback()(_global_options)  # with one, even a single command stays one of a group
    with _nothing_collected():
        import_module(f"proxy.cli.{module}").register(app)
    return cast("TyperGroup", typer.main.get_command(app)).commands


@contextmanager
def _nothing_collected() -> Iterator[None]:
    """Loading libraries makes hundreds of thousands of values that stay: looking for garbage among them again and again
    takes a fifth of the time.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def build_app() -> typer.Typer:
    """Put the command line together."""
    app = typer.Typer(
        name="imagegate",
        cls=_Gate,
        help="The gatekeeper in front of an image registry.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
        add_completion=True,
    )
    app.callback()(_global_options)
    return app


def main() -> None:
    """Run the command line of this process."""
    try:
        build_app()()
    finally:
        gc.freeze()  # the end of the process looks for garbage once more; after a large image that took half a second


def _print_version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version  # noqa: PLC0415 - as large as all that most commands load before their own

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
