"""`imagegate policy init|check|try|set|show|schema`."""

import json
from pathlib import Path
from typing import Annotated

import typer
import yaml

from config.defaults import Profile
from config.errors import ConfigurationError
from config.policy_file import load_policy_file, policy_schema
from proxy.cli.output import complain
from proxy.cli.session import settings_for
from proxy.gate.policy import read_policy, write_profile
from scanning.oci.names import Repository


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    policy = typer.Typer(help="Write, check and explain the policy.", no_args_is_help=True)
    policy.command("init")(_init)
    policy.command("check")(_check)
    policy.command("try")(_try)
    policy.command("set")(_set)
    policy.command("show")(_show)
    policy.command("schema")(_schema)
    app.add_typer(policy, name="policy")


def _init(
    context: typer.Context,
    profile: Annotated[Profile, typer.Option(help="The shipped policy to start from.")] = Profile.PRODUCTION,
    output: Annotated[
        Path | None, typer.Option(help="The file to write; else the policy file of the settings.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write one of the shipped policies. A running gate takes it up by itself."""
    path = output or settings_for(context).policy_path
    write_profile(profile, path, replace=force)
    typer.echo(f"The {profile} policy is in {path}. Read its comments, change it, then: imagegate policy check {path}")


def _check(file: Annotated[Path, typer.Argument(help="The policy to check.")]) -> None:
    """Check a policy; print every mistake with its line, and exit with 1 if there is one."""
    try:
        policy = load_policy_file(file)
    except ConfigurationError as error:
        complain(str(error))
        raise typer.Exit(1) from error
    typer.echo(f"{file}: valid ({policy.name}, rules: {len(policy.rules)})")


def _try(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The policy to try.")],
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, with every reason.")] = False,
) -> None:
    """Tell which images behind the gate another policy would treat in another way; exit with 1 if there is one.

    They are judged from what their last verdicts were made of; nothing is recorded.
    """
    from proxy.cli.policy_changes import print_trial  # noqa: PLC0415 - brings what judges, and the database's libraries

    settings = settings_for(context)
    new = load_policy_file(file)
    if print_trial(settings, load_policy_file(settings.policy_path), new, as_json=as_json):
        raise typer.Exit(1)


def _set(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The policy to put in force.")],
) -> None:
    """Check a policy and write it over the gate's own, on the record. A running gate takes it up within a second."""
    from proxy.cli.policy_changes import write  # noqa: PLC0415 - brings the database's libraries

    settings = settings_for(context)
    write(settings, read_policy(file))
    typer.echo(f"{settings.policy_path} has the text of {file} now; a running gate takes it up within a second.")


def _show(
    context: typer.Context,
    repository: Annotated[str, typer.Option(help="Show the rule that holds for this repository alone.")] = "",
) -> None:
    """Print the policy in force, or the one rule that holds for a repository, with every default filled in."""
    path = settings_for(context).policy_path
    policy = load_policy_file(path)
    if not repository:
        typer.echo(_as_yaml(policy.model_dump(mode="json", exclude_none=True)), nl=False)
        return
    name = Repository(repository).name
    pattern = policy.pattern_for(name)
    rule = policy.rule_for(name)
    if pattern is None or rule is None:
        complain(f"No rule of {path} covers {repository}, so everything in it is refused; add a pattern that does.")
        raise typer.Exit(1)
    typer.echo(f"# {repository} is judged by {pattern}, in {path}")
    typer.echo(_as_yaml(rule.model_dump(mode="json", exclude_none=True)), nl=False)


def _schema() -> None:
    """Print the JSON Schema of the policy, for editors."""
    typer.echo(json.dumps(policy_schema(), indent=2))


def _as_yaml(document: dict[str, object]) -> str:
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)
