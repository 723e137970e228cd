"""`imagegate signer list|add|remove`: whose signatures count, and in which rules of the policy."""

import asyncio
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from config.patterns import RepositoryPattern
from config.policy import Signer
from config.policy_file import load_policy_file
from config.policy_signers import SignerChangeError, is_name
from config.settings import Settings
from config.yaml_source import read_text_file
from proxy.cli.gate_options import GateCommand, asked_gate, at_gate, at_its_address
from proxy.cli.local_database import NoStateError, open_database
from proxy.cli.moments import read_end
from proxy.cli.output import command_line, minute, print_list, printable, warn
from proxy.cli.session import administrator, settings_for
from proxy.clock import utc_now
from proxy.gate import signers
from proxy.gate.policy_writing import left_elsewhere
from proxy.gate.signers import WantedSigner

_PATH = "/api/v1/signers"


def register(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    commands = typer.Typer(help="Whose signatures count, and where.", no_args_is_help=True)
    commands.command("list", cls=GateCommand)(_list)
    commands.command("add", cls=GateCommand)(_add)
    commands.command("remove", cls=GateCommand)(_remove)
    app.add_typer(commands, name="signer")


def _list(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line, with the key.")] = False,
) -> None:
    """List the signers of the policy, and the rules that count their signatures."""
    if client := asked_gate(context):
        found = asyncio.run(client.get(_PATH)).read("signers")["signers"]
    else:
        policy, now = load_policy_file(_policy_path(settings_for(context))), utc_now()
        found = [signers.as_document(policy, name, now) for name in policy.signers]
    none = "No signers yet: imagegate signer add NAME --key cosign.pub --repository PATTERN"
    print_list(found, ("name", "counts for", "trusted (UTC)", "key (SHA-256)"), _cells, none, as_json=as_json)


def _cells(signer: Mapping[str, Any]) -> Iterable[str]:
    yield signer["name"]
    yield " ".join(signer["repositories"]) or "no rule"
    yield _state(signer)
    yield signer["fingerprint"]


def _add(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the policy calls it, such as release.")],
    repository: Annotated[
        list[str], typer.Option(help="The pattern of a rule that is to count its signatures; may be repeated.")
    ],
    key: Annotated[
        Path | None, typer.Option(help="Its public key, such as cosign.pub; not needed for one that is there.")
    ] = None,
    expires: Annotated[
        str, typer.Option(help="When the key ends: after a time such as 365d, or at 2027-12-31T00:00:00Z.")
    ] = "",
) -> None:
    """Have somebody's signatures count, in rules of the policy that ask for some. In force within a second."""
    if expires and key is None:
        raise typer.BadParameter("it is the end of a key; name the key as well", param_hint="--expires")
    signer = _signer(key, expires) if key is not None else None
    wanted = WantedSigner(name, signer, tuple(map(RepositoryPattern, repository)))
    if client := asked_gate(context):
        warnings = asyncio.run(client.send("POST", _PATH, _as_wish(wanted))).read("warnings")["warnings"]
    else:
        warnings = asyncio.run(_added(settings_for(context), wanted))
    warn(warnings)
    remove = f"{command_line(context)} signer remove {name}{at_gate(context)}"
    typer.echo(printable(f"Signatures by {name} count for {', '.join(repository)}; take that back: {remove}"))


def _remove(
    context: typer.Context, name: Annotated[str, typer.Argument(metavar="NAME", help="As signer list shows it.")]
) -> None:
    """Take a signer out of the policy and all of its rules. What rests on its signatures alone is refused or waits."""
    if client := asked_gate(context):
        if not is_name(name):
            raise SignerChangeError(
                f"{name[:40]!r} cannot stand in an address, so {client.url} was not asked; take it out of the policy's"
                " text (imagegate policy show --as-written) and write that (imagegate policy set)"
            )
        warnings = asyncio.run(client.delete(f"{_PATH}/{name}")).read("warnings")["warnings"]
    else:
        warnings = asyncio.run(_removed(settings_for(context), name))
    warn(warnings)
    at = at_its_address(context)
    typer.echo(printable(f"Signatures by {name} count no more{at}; a running gate takes that up within a second."))


def _signer(file: Path, expires: str) -> Signer:
    not_after = read_end(expires, utc_now().replace(microsecond=0)) if expires else None
    try:
        return Signer(key=read_text_file(file).strip() + "\n", not_after=not_after)
    except ValidationError as error:
        first = error.errors()[0]
        place = "--key" if first["loc"][:1] == ("key",) else "--expires"
        raise typer.BadParameter(first["msg"].removeprefix("Value error, "), param_hint=place) from error


def _policy_path(settings: Settings) -> Path:
    """The policy file, which may be there before a gate has run. Raises `NoStateError` where there is none."""
    if not settings.policy_path.exists():
        raise NoStateError(
            f"there is no policy at {settings.policy_path}: name the folder of your gate with --state-dir, or its"
            " settings file with --config; imagegate policy init writes a new one"
        )
    return settings.policy_path


def _as_wish(wanted: WantedSigner) -> dict[str, Any]:
    """What the API is asked for."""
    wish = {"name": wanted.name, "repositories": list(map(str, wanted.repositories))}
    return wish | (wanted.signer.model_dump(mode="json", exclude_none=True) if wanted.signer else {})


def _state(signer: Mapping[str, Any]) -> str:
    if not signer["not_after"]:
        return "until removed"
    return f"{'until' if signer['trusted'] else 'ended'} {minute(signer['not_after'])}"


async def _added(settings: Settings, wanted: WantedSigner) -> tuple[str, ...]:
    path = _policy_path(settings)
    async with open_database(settings, may_be_new=True) as database:
        await signers.trust(database, path, wanted, None, administrator(), utc_now())
    return left_elsewhere(path, settings)


async def _removed(settings: Settings, name: str) -> tuple[str, ...]:
    path = _policy_path(settings)
    async with open_database(settings, may_be_new=True) as database:
        gone = await signers.distrust(database, path, name, None, administrator(), utc_now())
    return gone.warnings + left_elsewhere(path, settings)
