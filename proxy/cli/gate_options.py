"""`--gate` and `--token`: a command asks a gate over HTTP instead of looking into the state folder of this machine."""

import shlex
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from config.errors import ImagegateError
from proxy.cli.global_options import GlobalOptions

if TYPE_CHECKING:
    from proxy.cli.gate_client import GateClient

_GATE = "proxy.cli.gate"
_TOKEN = "proxy.cli.token"  # noqa: S105 - where it is kept


class TwoGatesError(ImagegateError):
    """Both a gate elsewhere and one on this machine are named."""


def _keep_gate(context: typer.Context, url: str) -> None:
    context.meta[_GATE] = url


def _keep_token(context: typer.Context, token: str) -> None:
    context.meta[_TOKEN] = token


def _options(
    _gate: Annotated[
        str,
        typer.Option(
            "--gate",
            envvar="IMAGEGATE_GATE",
            help="Ask this gate over HTTP, such as https://gate.example.com.",
            callback=_keep_gate,
            expose_value=False,
            show_default=False,
        ),
    ] = "",
    _token: Annotated[
        str,
        typer.Option(
            "--token",
            envvar="IMAGEGATE_TOKEN",
            help="The token to ask it with.",
            callback=_keep_token,
            expose_value=False,
            show_default=False,
        ),
    ] = "",
) -> None:
    """What a command has beside its own options."""


class GateCommand(TyperCommand):
    """A command with `--gate` and `--token`, which asks `asked_gate` for what they name."""

    def __init__(self, *arguments: Any, params: list[Any] | None = None, **more: Any) -> None:
        app = typer.Typer(add_completion=False)
        app.command()(_options)
        super().__init__(*arguments, params=[*(params or ()), *typer.main.get_command(app).params], **more)


def asked_gate(context: typer.Context) -> "GateClient | None":
    """A client for the gate that `--gate` and `--token` name; None if none is named, or a gate on this machine is.

    Raises `GateUnreachableError` and `TwoGatesError`.
    """
    url = _url(context)
    if not url:
        return None
    from proxy.cli.gate_client import gate_client  # noqa: PLC0415 - brings an HTTP client, which few commands need

    return gate_client(url, context.meta[_TOKEN])


def at_gate(context: typer.Context) -> str:
    """What a suggested command needs, to ask the same gate; "" where none is asked. Its token is not repeated."""
    url = _url(context)
    return f" --gate {shlex.quote(url)}" if url else ""


def at_its_address(context: typer.Context) -> str:
    """Where something was changed, to be said after what was: ` at` the gate that was asked; "" where none was."""
    url = _url(context)
    return f" at {url.rstrip('/')}" if url else ""


def _url(context: typer.Context) -> str:
    """The address of the gate that is asked. The options before the command name one on this machine: that is meant
    where only a variable names one elsewhere, and goes with no `--gate`.
    """
    url: str = context.meta[_GATE]
    options = context.ensure_object(GlobalOptions)
    here = [name for name, given in (("--config", options.config), ("--state-dir", options.state_dir)) if given]
    if not url or not here:
        return url
    source = context.get_parameter_source("_gate")
    if source is not None and source.name == "ENVIRONMENT":
        return ""
    raise TwoGatesError(
        f"--gate names the gate at {url}, {' and '.join(here)} one on this machine; leave one of them out"
    )
