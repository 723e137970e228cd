"""What the documentation shows is true: commands and their options exist, settings and policies are valid.

Commands are taken from fenced blocks: every line of `sh` blocks, the lines after `$ ` of the others. A `yaml` block is
settings, a policy, or one rule of a policy, which its keys tell; what belongs to another program says so by naming
its file in a comment on the first line.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from typer.testing import CliRunner

from config.policy import Policy, RepositoryRule
from config.policy_file import load_policy
from config.settings import Settings
from config.settings_file import load_settings
from config.yaml_source import read_yaml
from proxy.cli import build_app
from tests.certificates import Authority

ROOT = Path(__file__).parents[1]
_FENCE = re.compile(r"^( *)```(\w*)\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(
    r"(?:^|&&|\|\|?|;|\$\()\s*(?:[A-Z_]+=\S+\s+)*(?:docker exec \S+ )?(?:\S*/)?imagegate((?:\s+[^\s|;&<>#)]+)*)"
)
_SHELL = {"sh", "bash", "shell"}
_OTHER_FILE = re.compile(r"# (?!imagegate\.yaml|policy\.yaml)\S+\.ya?ml\n")


@dataclass(frozen=True)
class Block:
    """One fenced block and where it begins."""

    place: str
    language: str
    text: str

    def __str__(self) -> str:
        return self.place


def blocks() -> Iterator[Block]:
    """Every fenced block of README and docs."""
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))):
        text = path.read_text(encoding="utf-8")
        for match in _FENCE.finditer(text):
            line = text.count("\n", 0, match.start()) + 1
            yield Block(f"{path.relative_to(ROOT)}:{line}", match[2], match[3])


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every `imagegate` command shown, as its arguments."""
    for block in blocks():
        for line in block.text.replace("\\\n", " ").splitlines():
            if block.language not in _SHELL and not line.startswith("$ "):
                continue
            for match in _COMMAND.finditer(line.removeprefix("$ ")):
                yield f"{block.place}: {match[0].strip()}", [word.strip("'\"") for word in match[1].split()]


COMMANDS = dict(commands())
YAML = [block for block in blocks() if block.language in ("yaml", "yml") and not _OTHER_FILE.match(block.text)]


def parse(command: Any, name: str, arguments: list[str], parent: Any = None) -> None:
    """Parse as the command line does, subcommand by subcommand, and run nothing. Raises typer's usage errors."""
    context = command.make_context(name, arguments, parent=parent)
    if not hasattr(command, "resolve_command"):
        return
    rest = [*context._protected_args, *context.args]
    assert rest, f"{name} needs a subcommand"
    name, below, rest = command.resolve_command(context, rest)
    parse(below, name, rest, context)


@pytest.mark.parametrize("shown", COMMANDS)
def test_a_command_that_is_shown_exists_with_its_options(shown: str) -> None:
    arguments = [word for word in COMMANDS[shown] if word != "--help"]
    try:
        parse(typer.main.get_command(build_app()), "imagegate", arguments)
    except typer.Exit:
        assert arguments == ["--version"]


@pytest.mark.parametrize(
    "wrong",
    [
        ["no-such-command"],
        ["token", "create"],
        ["check", "image", "--no-such-option"],
        ["token", "create", "x", "--role", "r"],
    ],
)
def test_the_parser_of_this_test_refuses_what_the_command_line_refuses(wrong: list[str]) -> None:
    with pytest.raises(Exception, match=r"No such|Missing|Invalid|not one of"):
        parse(typer.main.get_command(build_app()), "imagegate", wrong)


def test_there_are_commands_and_documents_to_check() -> None:
    subcommands = {" ".join(word for word in words[:2] if not word.startswith("-")) for words in COMMANDS.values()}
    assert {"token create", "verdict replay", "feeds import", "policy init", "audit list", "demo"} <= subcommands
    assert len(YAML) > 10


@pytest.mark.parametrize("block", YAML, ids=str)
def test_a_document_that_is_shown_is_valid(block: Block, tmp_path: Path) -> None:
    document = dict(read_yaml(block.text, block.place).data)
    if document.keys() <= RepositoryRule.model_fields.keys():
        document = {"rules": [{"repositories": ["**"], **document}]}
    if document.keys() <= Policy.model_fields.keys():
        load_policy(yaml.safe_dump(_whole(document)), block.place)
        return
    assert document.keys() <= Settings.model_fields.keys(), "neither settings nor a policy; name its file in line 1"
    file = tmp_path / "imagegate.yaml"
    file.write_text(_without_secret_files(block.text), encoding="utf-8")
    load_settings(file)


REGISTRIES = [block for block in YAML if block.place.startswith("docs/operators/registries.md")]
NAMED = ("Docker Hub", "Harbor", "Amazon ECR", "GitHub", "GitLab", "Artifactory", "zot", "docker-registry")


@pytest.mark.parametrize("block", REGISTRIES, ids=str)
def test_check_config_accepts_the_configuration_for_each_registry(block: Block, tmp_path: Path) -> None:
    """With the files in place that it names, nothing is left for an operator to find out at the start."""
    file = tmp_path / "imagegate.yaml"
    file.write_text(block.text.replace("/run/secrets/", f"{tmp_path}/"), encoding="utf-8")
    for name in re.findall(r"/run/secrets/(\S+)", block.text):
        (tmp_path / name).write_text(_secret(name, block.text), encoding="utf-8")
    environment = {"IMAGEGATE_STATE_DIR": str(tmp_path / "state")}
    result = CliRunner().invoke(build_app(), ["check-config", "--config", str(file)], env=environment)
    assert result.exit_code == 0, result.output


def test_every_registry_has_a_configuration() -> None:
    text = (ROOT / "docs/operators/registries.md").read_text(encoding="utf-8")
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert len(REGISTRIES) == len(headings) == len(NAMED)
    assert all(name in heading for name, heading in zip(NAMED, headings, strict=True))


def _secret(name: str, configuration: str) -> str:
    """What could be in a file of this name."""
    if name.endswith(".pem"):
        return Authority.make().pem.decode()
    if name.endswith(".json"):
        host = re.search(r"url: https://(\S+)", configuration)
        assert host
        return json.dumps({"auths": {host[1]: {"username": "imagegate", "password": "secret"}}})
    return "secret\n"


def _whole(fragment: dict[str, Any]) -> dict[str, Any]:
    """A policy around a part of one; signers that a rule names are put in."""
    policy: dict[str, Any] = {"version": 1, "rules": [{"repositories": ["**"]}], **fragment}
    named = {
        name for rule in policy["rules"] for name in ((rule.get("require") or {}).get("signatures") or {}).get("of", ())
    }
    return (
        policy if "signers" in fragment else policy | {"signers": {name: {"key": _documented_key()} for name in named}}
    )


def _documented_key() -> str:
    """The public key that the documentation of signers shows."""
    found = re.search(
        r"-----BEGIN PUBLIC KEY-----\n.*?-----END PUBLIC KEY-----",
        (ROOT / "docs/admins/policy.md").read_text(encoding="utf-8"),
        re.DOTALL,
    )
    assert found
    return re.sub(r"^ +", "", found[0], flags=re.MULTILINE)


def _without_secret_files(text: str) -> str:
    """Settings whose secrets are given, not read from files that are not on this machine."""
    text = re.sub(r"^( *)password_file: .*$", r"\1password: secret", text, flags=re.MULTILINE)
    return re.sub(
        r"^database_url_file: .*$", "database_url: postgresql+asyncpg://me:secret@host/name", text, flags=re.MULTILINE
    )


def test_links_inside_the_documentation_lead_somewhere() -> None:
    broken = [
        f"{path.relative_to(ROOT)}: {target}"
        for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", path.read_text(encoding="utf-8"))
        if not (path.parent / target).exists()
    ]
    assert broken == []


def test_decisions_are_numbered_without_a_gap() -> None:
    decisions = sorted(path for path in (ROOT / "docs/decisions").glob("*.md"))
    for number, path in enumerate(decisions, start=1):
        assert path.name.startswith(f"{number:04}-"), path.name
        assert path.read_text(encoding="utf-8").startswith(f"# {number}. "), path.name


def test_every_threat_has_a_test_or_is_listed_as_having_none() -> None:
    text = (ROOT / "docs/threats.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^(\d+)\. ", text, re.MULTILINE))
    lacking = re.search(r"^No test shows these yet: ([\d, ]+)\.", text, re.MULTILINE)
    names = (
        name
        for path in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def test_((?:t\d+_)+)", path.read_text(encoding="utf-8"))
    )
    shown = {number for name in names for number in re.findall(r"t(\d+)_", name)}
    assert lacking is not None
    assert sorted(listed - shown, key=int) == lacking[1].split(", ")
