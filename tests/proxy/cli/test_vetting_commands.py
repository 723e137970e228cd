"""`imagegate image vet` and `imagegate package`: what an image adds is shown, and approved if somebody says so."""

import json
from pathlib import Path

import pytest

from tests.proxy.cli.conftest import Run

WHY = ("--reason", "looked at")
OPENSSL = "pkg:deb/debian/openssl@3.0.15-1"


@pytest.fixture(autouse=True)
def _wants_vetted_packages(own_folder: Path) -> None:
    rule = {"repositories": ["team/**"], "require": {"vetted_packages": {"purls": ["pkg:npm/**"]}}}
    (own_folder / "policy.yaml").write_text(json.dumps({"version": 1, "rules": [rule, {"repositories": ["**"]}]}))


def approved(own: Run) -> list[dict[str, object]]:
    """The approvals of packages on record."""
    return [json.loads(line) for line in own("package", "list", "--json").stdout.splitlines()]


def test_what_an_image_adds_is_shown_before_anybody_is_asked(own: Run) -> None:
    said = own("image", "vet", "team/app:1", *WHY, typed="n\n")
    assert said.exit_code == 1
    assert "team/app:1 (linux/amd64): 1 packages are not vetted" in said.stdout
    assert "deb openssl" in said.stdout
    assert "var/lib/dpkg/status (layer 0)" in said.stdout
    assert "These 1 count as vetted in team/app then, in these versions, until that is revoked." in said.stdout
    assert "No approved packages yet" in own("package", "list").stdout


def test_what_was_approved_is_not_asked_for_again_until_it_is_revoked(own: Run) -> None:
    said = own("image", "vet", "team/app:1", *WHY, "--owner", "team base", typed="y\n")
    assert said.exit_code == 0, said.stderr
    (record,) = approved(own)
    assert (record["owner"], record["reason"], record["repositories"]) == ("team base", "looked at", ["team/app"])
    assert said.stdout.rstrip().endswith(f" package revoke {record['id']}")

    again = own("image", "vet", "team/app:1", *WHY)
    assert (again.exit_code, again.stdout) == (0, "team/app:1 holds nothing that is not vetted in team/app.\n")

    assert own("package", "revoke", str(record["id"])).exit_code == 0
    assert own("image", "vet", "team/app:1", *WHY, typed="n\n").exit_code == 1


def test_what_comes_along_with_the_packages_is_shown_as_well(own: Run, own_folder: Path) -> None:
    rule = {"repositories": ["**"], "require": {"minimum_age": {"age": "9d", "purls": ["pkg:deb/**"]}}}
    (own_folder / "policy.yaml").write_text(json.dumps({"version": 1, "rules": [rule]}))
    said = own("image", "vet", "watched/app:1", *WHY, typed="n\n")
    assert said.exit_code == 1
    assert "Also tools in all of it, since it is built on no approved base (" in said.stdout
    assert "ssh-client ssh in usr/bin/ssh" in said.stdout
    assert "H14" in said.stdout.partition("Also settings and files that weaken it")[2]


def test_every_image_of_an_index_is_looked_at(own: Run) -> None:
    said = own("image", "vet", "team/app:both", *WHY, "--yes")
    assert said.exit_code == 0, said.stderr
    assert "(linux/amd64): 1 packages" in said.stdout
    assert "(linux/arm64): 1 packages" in said.stdout


def test_where_the_policy_asks_for_no_vetted_packages_there_is_nothing_to_approve(own: Run) -> None:
    said = own("image", "vet", "watched/app:1", *WHY)
    assert said.exit_code == 2
    assert "does not ask for vetted packages in watched/app" in said.stderr


@pytest.mark.parametrize("form", ["cyclonedx", "spdx"])
def test_a_bill_of_materials_is_vetted(own: Run, tmp_path: Path, form: str) -> None:
    sbom = tmp_path / "sbom.json"
    sbom.write_text(own("image", "sbom", "team/app:1", "--format", form).stdout)
    vet = ("package", "vet", sbom, "--repository", "team/**", *WHY)

    said = own(*vet, typed="y\n")

    assert said.exit_code == 0, said.stderr
    assert f"1 of its 1 packages are not approved for team/** yet:\n  {OPENSSL}\n" in said.stdout
    assert (
        own("image", "vet", "team/app:1", *WHY).stdout == "team/app:1 holds nothing that is not vetted in team/app.\n"
    )
    assert own(*vet).stdout == "All of its 1 packages are approved there already.\n"


def test_entries_without_a_purl_are_counted_and_left_out(own: Run, tmp_path: Path) -> None:
    sbom = tmp_path / "sbom.json"
    components = [{"name": "mystery"}, {"purl": "pkg:npm/a@1"}, {"purl": "pkg:npm/no-version"}, {"type": "file"}]
    sbom.write_text(json.dumps({"bomFormat": "CycloneDX", "specVersion": "1.6", "components": components}))
    said = own("package", "vet", sbom, "--repository", "**", *WHY, "--yes")
    assert said.exit_code == 0, said.stderr
    assert said.stderr == "2 entries name no package and version by a purl; they are left out.\n"
    assert "1 of its 1 packages" in said.stdout


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("{", "the bill of materials is not JSON"),
        ("[]", "it is no bill of materials that is known"),
        ('{"bomFormat": "CycloneDX", "components": [1]}', "lists something that is no object"),
        ('{"spdxVersion": "SPDX-2.3", "packages": {}}', "lists something that is no object"),
        ('{"spdxVersion": "SPDX-2.3", "spdxversion": "SPDX-2.2"}', "differ only in case"),
        (None, "cannot be read: No such file"),
    ],
)
def test_what_is_no_bill_of_materials_is_said(own: Run, tmp_path: Path, content: str | None, why: str) -> None:
    sbom = tmp_path / "sbom.json"
    if content is not None:
        sbom.write_text(content)
    said = own("package", "vet", sbom, "--repository", "**", *WHY, "--yes")
    assert said.exit_code == 2
    assert why in said.stderr
