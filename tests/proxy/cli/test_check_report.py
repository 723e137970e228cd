"""What `imagegate check` prints for people, word by word."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from scanning.advisories.osv import Advisory
from scanning.oci import media_types
from scanning.oci.digest import Digest
from storage.snapshots import Snapshots
from tests.images import TestImage, debian, image, index
from tests.proxy.cli.conftest import PRIVATE_KEY, SSH, Run
from tests.proxy.gate.world import layers_of
from tests.scanning.advisories.records import advisory, affected, fixed
from tests.scanning.test_lazy_pulling import SOCI_V2, ZTOC, soci_index

BAD = image(
    debian(("libssl3", "3.0.15-1", "openssl"), ("openssl", "3.0.15-1")), SSH | {"root/key": PRIVATE_KEY}, user=""
)
GOOD = image(debian(("openssl", "3.0.16-1")))
POLICY = """
version: 1
name: strict
rules:
  - repositories: ["**"]
    deny: {tools: {kinds: [ssh-client]}, secrets: {}, findings: {}, root_user: {}}
    require: {signatures: {of: []}}
"""
FETCHED = datetime(2026, 11, 26, 12, tzinfo=UTC)
OPENSSL: tuple[Advisory, ...] = (
    advisory("DSA-1-1", affected("Debian:12", "openssl", fixed("3.0.15-2")), aliases=["CVE-2026-0001"]),
    advisory("DSA-2-1", affected("Debian:12", "openssl", fixed("3.0.16-1")), aliases=["CVE-2026-0002"]),
)


@pytest.fixture
def check(run: Run, tmp_path: Path) -> Run:
    """`imagegate check` of an image, under a policy and with advisories."""
    (tmp_path / "policy.yaml").write_text(POLICY)
    snapshots = Snapshots(tmp_path / "state" / "advisories")
    snapshots.publish([snapshots.stage("Debian", OPENSSL, FETCHED)], FETCHED)

    def checked(*arguments: Any) -> Result:
        one, *options = arguments
        return run("check", one.write_layout(tmp_path / "app"), "--policy", "policy.yaml", *options)

    return checked


def test_a_bad_image(check: Run) -> None:
    base, own = (layer.short for layer in layers_of(BAD))
    checked = check(BAD)
    assert checked.exit_code == 1
    assert (
        checked.stdout
        == f"""\
REFUSED
4 things to do, 1 remark.

  image        app@{BAD.digest}
               linux/amd64, Debian GNU/Linux 12 (bookworm), layers 2, files 5, packages 2, tools 1, secrets 1,
               findings 2

To do

1.  Remove 1 tool [deny.tools: reject]
     in layer {own}: layer 1
       - ssh in usr/bin/ssh: a tool of the kind ssh-client (recognised by path) is not allowed
  => remove usr/bin/ssh and build again

2.  Take 1 secret out and revoke it [deny.secrets: reject]
     in layer {own}: layer 1
       - private-key in root/key line 1: everyone who can pull the image can read it, even if a later layer
         deletes it
  => revoke it, build without it (a build secret, not COPY or ENV) and push again

3.  Upgrade 1 package: 2 findings (unrated) [deny.findings: reject]
     in layer {base}: layer 0
       - libssl3, openssl 3.0.15-1 -> 3.0.16-1: CVE-2026-0001, CVE-2026-0002
  => RUN apt-get update && apt-get install -y --only-upgrade libssl3 openssl

4.  Ask an admin to name who signs [require.signatures: quarantine]
     - app@{BAD.digest}: it is signed by nobody the
       policy trusts, and the policy wants a signer
  => ask an admin to add a signer to the policy

Remarks, which refuse nothing

5.  Start as an unprivileged user [deny.root_user: warn]
     - no user in the image configuration: its process starts as root
  => add a USER instruction with an unprivileged account

Judged by
  policy       strict, its rule for **
  advisories   of 2026-11-26 12:00 UTC: Debian
  note         an image on disk has no signatures yet: --before-signing asks what the gate says of the rest
"""
    )


def test_a_good_image(check: Run) -> None:
    checked = check(GOOD, "--before-signing")
    assert checked.exit_code == 0
    assert (
        checked.stdout
        == f"""\
ADMITTED
The image keeps every rule.

  image        app@{GOOD.digest}
               linux/amd64, Debian GNU/Linux 12 (bookworm), layers 1, files 3, packages 1, tools 0, secrets 0,
               findings 0

Judged by
  policy       strict, its rule for **
  advisories   of 2026-11-26 12:00 UTC: Debian
  note         signatures were not asked for (--before-signing): sign it after the push
"""
    )


def test_an_index_says_of_which_image(check: Run) -> None:
    checked = check(index(GOOD, image(debian(), SSH, architecture="arm64")), "--before-signing")
    assert checked.exit_code == 1
    assert "1 thing to do.\n" in checked.stdout
    assert "1.  Remove 1 tool (linux/arm64) [deny.tools: reject]\n" in checked.stdout


def test_what_an_index_lists_beside_images_is_told_where_it_is_refused(check: Run) -> None:
    """As `soci convert` makes it: the image is admitted, and its table could not be pushed."""
    table = soci_index(SOCI_V2)
    blobs = {Digest.of(content): content for content in (b"{}", ZTOC)}
    artifact = TestImage(table, media_types.OCI_MANIFEST, blobs)
    checked = check(index(GOOD, artifact), "--before-signing")
    assert checked.exit_code == 1
    assert checked.stdout.startswith("ADMITTED, but not all that it lists\n1 thing to do.\n")
    assert f"Push only artifacts that this repository takes (artifact {artifact.digest.short})" in checked.stdout
    assert "it is a SOCI index" in checked.stdout


def test_what_is_not_vetted_is_listed_in_rows(check: Run, tmp_path: Path) -> None:
    """And an account that is not there is told as such."""
    (tmp_path / "policy.yaml").write_text(
        """
version: 1
rules:
  - repositories: ["**"]
    deny: {root_user: {effect: reject}}
    require: {vetted_packages: {purls: []}}
"""
    )
    packages = [(f"lib{number:02}", "1.0", "lib") for number in range(25)]
    checked = check(image(debian(*packages), user="nobody-knows"))
    listed = "".join(checked.stdout.partition("layer 0")[2].split("\n     and 5 more")[0].split())
    assert listed == f"-deb:{','.join(f'lib{number:02}1.0' for number in range(20))}"
    assert (
        "=> use a vetted package, or ask an admin to vet what the image has: imagegate image vet IMAGE"
        in checked.stdout
    )
    assert "user 'nobody-knows' in the image configuration: etc/passwd gives it no uid above 0" in checked.stdout
    assert "=> add the account to the image, or name a uid: USER 1000" in checked.stdout


def test_of_very_many_things_the_first_are_shown(check: Run) -> None:
    keys = {f"root/key{number:02}": PRIVATE_KEY for number in range(25)}
    checked = check(image(debian(), keys), "--before-signing")
    assert "1.  Take 25 secrets out and revoke them" in checked.stdout
    assert "root/key19" in checked.stdout
    assert "root/key20" not in checked.stdout
    assert "     and 5 more, which --format json lists\n" in checked.stdout


def test_no_line_is_wider_than_the_terminal(check: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("proxy.cli.check_command.terminal_width", lambda: 60)
    checked = check(BAD)
    too_wide = [line for line in checked.stdout.splitlines() if len(line) > 60]
    assert all("@sha256:" in line for line in too_wide), too_wide


def test_there_is_no_colour_where_it_is_piped(check: Run) -> None:
    assert "\x1b" not in check(BAD).output


class TestSarif:
    """SARIF 2.1.0 as GitHub code scanning takes it."""

    def test_every_reason_and_every_warning_is_a_result_with_its_rule(self, check: Run) -> None:
        checked = check(BAD, "--format", "sarif")
        document = json.loads(checked.stdout)
        (run,) = document["runs"]
        assert (checked.exit_code, document["version"], run["tool"]["driver"]["name"]) == (1, "2.1.0", "imagegate")
        rules = run["tool"]["driver"]["rules"]
        told = [(result["ruleId"], result["level"]) for result in run["results"]]
        assert told == [
            ("H04", "error"),
            ("H20", "error"),
            ("CVE-2026-0001", "error"),
            ("CVE-2026-0002", "error"),
            ("H13", "error"),
            ("H01", "warning"),
        ]
        for result in run["results"]:
            assert rules[result["ruleIndex"]]["id"] == result["ruleId"]
            (location,) = result["locations"]
            assert not location["physicalLocation"]["artifactLocation"]["uri"].startswith("/")
            assert location["physicalLocation"]["region"]["startLine"] == 1
            assert str(BAD.digest) in location["logicalLocations"][0]["fullyQualifiedName"]
        ssh = run["results"][0]
        assert ssh["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "usr/bin/ssh"
        assert ssh["message"]["text"].endswith("remove usr/bin/ssh and build again")
        assert rules[0]["properties"] == {"tags": ["security", "deny.tools"], "security-severity": "8.0"}

    def test_a_result_has_the_same_fingerprint_in_the_next_build(self, check: Run) -> None:
        def fingerprints(one: TestImage) -> list[str]:
            (run,) = json.loads(check(one, "--format", "sarif", "--before-signing").stdout)["runs"]
            return [result["partialFingerprints"]["imagegate/v1"] for result in run["results"]]

        rebuilt = image(debian(("bash", "5.2-1")), SSH)
        assert fingerprints(image(debian(), SSH)) == fingerprints(rebuilt) != []

    def test_an_image_that_keeps_every_rule_has_no_results(self, check: Run) -> None:
        checked = check(GOOD, "--format", "sarif", "--before-signing")
        assert (checked.exit_code, json.loads(checked.stdout)["runs"][0]["results"]) == (0, [])

    def test_each_image_of_an_index_speaks_for_itself(self, check: Run) -> None:
        both = index(GOOD, image(debian(), SSH, architecture="arm64"))
        (run,) = json.loads(check(both, "--format", "sarif", "--before-signing").stdout)["runs"]
        assert [result["ruleId"] for result in run["results"]] == ["H04"]
