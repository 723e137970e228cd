"""`imagegate config` and `imagegate check-config`."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, TypeVar

import typer

from config.errors import ConfigurationError, Problem
from config.policy_file import load_policy_file
from config.reference import commented_default, settings_schema
from config.settings import Settings
from config.settings_file import find_settings_file, placed
from proxy.cli.global_options import GlobalOptions
from proxy.cli.output import complain
from proxy.cli.session import settings_for
from proxy.serving.tls import load_identity
from proxy.upstream.remote_settings import remote_options

_Loaded = TypeVar("_Loaded")


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command("config")(_config)
    app.command("check-config")(_check_config)


def _config(
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema instead.")] = False,
) -> None:
    """Print a settings file with every key, its default and what it means."""
    typer.echo(json.dumps(settings_schema(), indent=2) if schema else commented_default(), nl=schema)


def _check_config(
    context: typer.Context,
    config: Annotated[Path | None, typer.Option("--config", help="The settings file to check.")] = None,
) -> None:
    """Check the settings and the policy; print every mistake with its line, and exit with 1 if there is one."""
    problems: list[Problem] = []
    named = config or context.ensure_object(GlobalOptions).config
    settings = _or_problems(lambda: settings_for(context, config=config), problems)
    if settings is not None:
        _or_problems(lambda: remote_options(settings), problems)
        if settings.listen.tls_cert_file:
            _or_problems(lambda: load_identity(settings.listen), problems)
        _check_policy(settings, problems)
        problems = list(placed(problems, named))
    for problem in problems:
        complain(str(problem))
    if problems:
        raise typer.Exit(1)
    file = find_settings_file(named)
    typer.echo(f"Settings: {file or 'no file, defaults and environment'}: valid")


def _check_policy(settings: Settings, problems: list[Problem]) -> None:
    path = settings.policy_path
    if not settings.policy_file and not path.exists():
        typer.echo(f"Policy: {path} is not there yet; write it with: imagegate policy init")
        return
    policy = _or_problems(lambda: load_policy_file(path), problems)
    if policy is not None:
        typer.echo(f"Policy: {path}: valid ({policy.name}, rules: {len(policy.rules)})")


def _or_problems(load: Callable[[], _Loaded], problems: list[Problem]) -> _Loaded | None:
    try:
        return load()
    except ConfigurationError as error:
        problems.extend(error.problems)
        return None
