"""`imagegate waiver`."""

import json
from pathlib import Path

import pytest

from tests.proxy.cli.conftest import Run

MADE = ("waiver", "create", "--repository", "team/**", "--tool", "ssh-client", "--reason", "until it moves")


def test_an_exception_is_made_listed_and_ended(own: Run, own_folder: Path) -> None:
    assert own("waiver", "list").stdout == "No exceptions on record; those of the policy stand in its file.\n"
    made = own(*MADE, "--expires", "30d")
    assert made.exit_code == 0, made.output
    waiver_id = made.stdout.split()[-1]

    _, line = own("waiver", "list").stdout.splitlines()
    assert line.split()[:3] == [waiver_id, "ssh-client", "team/**"]
    assert " until " in line
    strict = own_folder / "policy.yaml"
    changes = own("policy", "try", strict).stdout  # both policies are tried with the exceptions on record
    assert changes.startswith("Nothing would change")

    assert own("waiver", "end", waiver_id).exit_code == 0
    again = own("waiver", "end", waiver_id)
    assert (again.exit_code, "imagegate waiver list shows them" in again.stderr) == (2, True)
    (ended,) = own("waiver", "list", "--json").stdout.splitlines()
    assert (json.loads(ended)["in_force"], json.loads(ended)["id"]) == (False, waiver_id)
    events = own("audit", "list", "--event", "waiver-ended", "--json").stdout
    assert f"exception {waiver_id} of ssh-client in team/**" in events


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        (("--expires", "soon"), "--expires"),
        (("--expires", "2020-01-01T00:00:00Z"), "has ended already"),
        (("--expires", "2030-01-01T00:00:00"), "timezone"),
        (("--expires", "1d", "--digest", "sha256:abc"), "--digest"),
        (("--expires", "1d", "--package", "jinja2"), "--packages"),
    ],
)
def test_what_is_no_exception_is_refused(own: Run, wrong: tuple[str, ...], said: str) -> None:
    refused = own(*MADE, *wrong)
    assert (refused.exit_code, said in refused.stderr) == (2, True), refused.stderr
