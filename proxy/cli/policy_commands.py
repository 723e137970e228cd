"""`imagegate policy init|check|try|set|show|schema`."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Annotated

import typer
import yaml

from config.defaults import Profile
from config.errors import ConfigurationError
from config.policy_file import load_policy, load_policy_file, policy_schema
from config.yaml_source import read_text_file
from proxy.cli.gate_options import GateCommand, asked_gate, at_gate
from proxy.cli.output import command_line, complain, printable
from proxy.cli.session import settings_for
from proxy.gate.policy import read_policy, write_profile
from scanning.errors import InvalidDigestError
from scanning.oci.digest import Digest
from scanning.oci.names import Repository


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    policy = typer.Typer(help="Write, check and explain the policy.", no_args_is_help=True)
    policy.command("init")(_init)
    policy.command("check")(_check)
    policy.command("try", cls=GateCommand)(_try)
    policy.command("set", cls=GateCommand)(_set)
    policy.command("show", cls=GateCommand)(_show)
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
    from proxy.cli import policy_changes  # noqa: PLC0415 - brings what judges, and the database's libraries

    new = read_policy(file)
    if client := asked_gate(context):
        changes_any = policy_changes.print_trial_at(client, new.text, as_json=as_json)
    else:
        settings = settings_for(context)
        now = load_policy_file(settings.policy_path)
        changes_any = policy_changes.print_trial(settings, now, new.policy, as_json=as_json)
    if changes_any:
        raise typer.Exit(1)


def _set(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="The policy to put in force.")],
    over: Annotated[
        str,
        typer.Option(
            metavar="DIGEST",
            help="Over nothing but the text with this digest, which policy show --as-written says. Left out: over the"
            " newest, whoever has changed it meanwhile.",
            show_default=False,
        ),
    ] = "",
) -> None:
    """Check a policy and write it over the gate's own, on the record. A running gate takes it up within a second."""
    from proxy.cli import policy_changes  # noqa: PLC0415 - brings the database's libraries

    base = _read_digest(over) if over else None
    new = read_policy(file)
    if client := asked_gate(context):
        policy_changes.write_at(client, new.text, base)
        typer.echo(f"{client.url} has the text of {file} now, and takes it up within a second.")
        return
    settings = settings_for(context)
    policy_changes.write(settings, new, base)
    typer.echo(f"{settings.policy_path} has the text of {file} now; a running gate takes it up within a second.")


def _read_digest(text: str) -> Digest:
    try:
        return Digest.parse(text)
    except InvalidDigestError as error:
        raise typer.BadParameter(str(error), param_hint="--over") from error


def _show(
    context: typer.Context,
    repository: Annotated[str, typer.Option(help="Show the rule that holds for this repository alone.")] = "",
    as_written: Annotated[
        bool, typer.Option("--as-written", help="The text of the policy file, with its comments, to change it.")
    ] = False,
) -> None:
    """Print the policy in force, or the one rule that holds for a repository, with every default filled in."""
    if as_written and repository:
        raise typer.BadParameter("it shows the whole file; leave out --repository", param_hint="--as-written")
    text, source, digest = _policy_text(context)
    if as_written:
        typer.echo(printable(text) if sys.stdout.isatty() else text, nl=False)
        put_back = f"{command_line(context)} policy set FILE --over {digest}{at_gate(context)}"
        typer.echo(printable(f"To write over this text and no other: {put_back}"), err=True)
        return
    policy = load_policy(text, source)
    if not repository:
        typer.echo(_as_yaml(policy.model_dump(mode="json", exclude_none=True)), nl=False)
        return
    name = Repository(repository).name
    pattern = policy.pattern_for(name)
    rule = policy.rule_for(name)
    if pattern is None or rule is None:
        complain(f"No rule of {source} covers {repository}, so everything in it is refused; add a pattern that does.")
        raise typer.Exit(1)
    typer.echo(f"# {repository} is judged by {pattern}, in {source}")
    typer.echo(_as_yaml(rule.model_dump(mode="json", exclude_none=True)), nl=False)


def _policy_text(context: typer.Context) -> tuple[str, str, str]:
    """The text of the policy file, where that is, and the digest of what is there."""
    if client := asked_gate(context):
        answer = asyncio.run(client.get("/api/v1/policy"))
        return str(answer.read("text")["text"]), f"the policy of {client.url}", answer.etag.strip('"')
    path = settings_for(context).policy_path
    text = read_text_file(path)
    return text, str(path), str(Digest.of(text.encode()))


def _schema() -> None:
    """Print the JSON Schema of the policy, for editors."""
    typer.echo(json.dumps(policy_schema(), indent=2))


def _as_yaml(document: dict[str, object]) -> str:
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)
