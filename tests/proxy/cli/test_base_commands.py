"""`imagegate base`: an admin approves base images beside a gate."""

import asyncio
import json
from pathlib import Path

import pytest

from config.patterns import RepositoryPattern
from config.settings import Settings
from proxy.identity.principal import Caller, Principal, Role
from proxy.running import running
from scanning.oci.names import ImageReference
from tests.proxy.cli.conftest import BOTH, CLEAN, Run

WHY = ("--reason", "looked at")


def test_a_base_image_is_approved_listed_shown_and_revoked(own: Run) -> None:
    assert "No approved base images yet" in own("base", "list").stdout

    said = own("base", "approve", "team/app:1", *WHY, "--owner", "team base", "--repository", "team/**")
    assert said.exit_code == 0, said.stderr
    approved = "team/app:1 (linux/amd64) is an approved base: 1 layers, 1 packages"
    assert said.stdout.startswith(f"{approved}, as team/app@{CLEAN.digest}; revoke: ")
    (line,) = own("base", "list", "--json").stdout.splitlines()
    approval = json.loads(line)["id"]
    assert f" base revoke {approval}\n" in said.stdout

    shown = own("base", "show", approval)
    assert f"team/app@{CLEAN.digest}" in shown.stdout
    assert "pkg:deb/debian/openssl@3.0.15-1" in shown.stdout
    assert "team base" in shown.stdout
    assert json.loads(own("base", "show", approval, "--json").stdout)["content"]["manifest"] == str(CLEAN.digest)
    assert "in force" in own("base", "list").stdout

    assert own("base", "revoke", approval).exit_code == 0
    assert "revoked" in own("base", "list").stdout
    again = own("base", "revoke", approval)
    assert again.exit_code == 2
    assert f"there is no approval {approval} in force" in again.stderr

    audited = own("audit", "list", "--json").stdout
    assert {"base-approved", "approval-revoked"} <= {json.loads(line)["event"] for line in audited.splitlines()}


def test_every_image_of_an_index_is_approved(own: Run) -> None:
    said = own("base", "approve", "team/app:both", *WHY)
    assert said.exit_code == 0, said.stderr
    assert len(said.stdout.splitlines()) == len(BOTH.children) == 2
    assert "(linux/arm64)" in said.stdout


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("approve", "team/nothing:1", *WHY), "there is no team/nothing:1"),
        (("approve", f"team/nothing@{CLEAN.digest}", *WHY), "was never judged"),
        (("approve", "team/app:1", "--reason", " "), "needs an owner, a reason"),
        (("approve", "team/app:1", *WHY, "--repository", "TEAM"), "can never match"),
        (("show", "nobody"), "no approved base image nobody"),
    ],
)
def test_what_cannot_be_approved_is_said(own: Run, arguments: tuple[str, ...], why: str) -> None:
    said = own("base", *arguments)
    assert said.exit_code == 2
    assert why in said.stderr


def test_a_check_on_this_machine_knows_what_the_gate_has_approved(own: Run, tmp_path: Path) -> None:
    policy = tmp_path / "wants-base.yaml"
    policy.write_text(
        json.dumps({"version": 1, "rules": [{"repositories": ["**"], "require": {"base": {"effect": "reject"}}}]})
    )
    layout = CLEAN.write_layout(tmp_path / "layout")
    check = ("check", layout, "--policy", policy)
    refused = own(*check)
    assert refused.exit_code == 1, refused.stderr
    assert "H02" in refused.stdout

    own("base", "approve", "team/app:1", *WHY)

    admitted = own(*check)
    assert admitted.exit_code == 0
    assert "base image   team/app:1, approved" in admitted.stdout


def test_what_the_base_brought_is_told_apart_in_what_is_shown(own: Run, own_folder: Path) -> None:
    own("base", "approve", "team/app:1", *WHY)
    asyncio.run(pull_again(own_folder, "team/app:1"))

    (shown,) = json.loads(own("image", "show", "team/app:1", "--json").stdout)
    assert shown["base"]["name"] == "team/app:1"
    assert shown["base"]["packages"] == [shown["facts"]["packages"][0]["purl"]]
    row = next(line for line in own("image", "show", "team/app:1").stdout.splitlines() if " openssl " in f" {line}")
    assert row.rstrip().endswith("base")


async def pull_again(folder: Path, name: str) -> None:
    """Pull an image through a gate, so that it is judged with what is approved now."""
    image = ImageReference.parse(name)
    who = Caller(Principal("g", "prod", Role.OPERATOR, (RepositoryPattern("**"),)), "192.0.2.7", "request-2")
    async with running(Settings(state_dir=folder, inspection={"workers": 1}, feeds={"refresh_hours": 0})) as services:
        await services.gate.pull_manifest(who, image.repository, image.reference, head=False)
