"""`imagegate image sbom`: an image's bill of materials, on the gate's machine and from elsewhere."""

import json
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from typer.testing import Result

from proxy.cli.gate_client import GateClient, GateUnreachableError
from scanning.sbom import SbomFormat
from tests.proxy.cli.conftest import BOTH, CLEAN, HOSTILE, Run
from tests.proxy.face import Face


def document(said: Result) -> dict[str, Any]:
    """What a successful command printed."""
    assert said.exit_code == 0, said.stderr
    found: dict[str, Any] = json.loads(said.stdout)
    return found


def test_an_image_by_tag_is_listed_in_cyclonedx(beside: Run) -> None:
    read = document(beside("image", "sbom", "team/app:1"))
    assert (read["bomFormat"], read["specVersion"]) == ("CycloneDX", "1.6")
    assert read["metadata"]["component"]["version"] == str(CLEAN.digest)
    assert "openssl" in {one["name"] for one in read["components"]}


@pytest.mark.parametrize("host", ["127.0.0.1:5000", "localhost:5000"])
def test_an_image_is_found_as_clients_name_it(beside: Run, host: str) -> None:
    read = document(beside("image", "sbom", f"{host}/team/app:1"))
    assert read["metadata"]["component"]["version"] == str(CLEAN.digest)


def test_an_image_of_another_registry_is_refused(beside: Run) -> None:
    said = beside("image", "show", "registry.example.com/team/app:1")
    assert said.exit_code == 2
    assert said.stderr.strip().endswith(
        "registry.example.com/team/app:1 is in another registry than this gate, which is at 127.0.0.1:5000; an image of"
        " this gate needs no address: team/app:1"
    )


def test_an_image_by_digest_is_listed_in_spdx(beside: Run) -> None:
    read = document(beside("image", "sbom", f"team/app@{CLEAN.digest}", "--format", "spdx"))
    assert read["spdxVersion"] == "SPDX-2.3"
    assert read["name"] == f"team/app@{CLEAN.digest}"


def test_an_index_names_its_images_instead(beside: Run) -> None:
    said = beside("image", "sbom", "team/app:both")
    assert said.exit_code != 0
    assert "is an index of 2 images" in said.stderr
    for child in BOTH.children:
        assert str(child.digest) in said.stderr


def test_an_image_nobody_has_judged_has_none(beside: Run, tmp_path: Path) -> None:
    said = beside("image", "sbom", f"team/other@{CLEAN.digest}")
    assert said.exit_code != 0
    assert "was never judged" in said.stderr


def test_two_images_are_compared_and_the_exit_status_tells_whether_they_differ(beside: Run) -> None:
    said = beside("image", "diff", "team/app:1", "watched/app:1")
    assert said.exit_code == 1
    assert "deb openssl" in said.stdout
    assert "tool ssh" in said.stdout
    same = beside("image", "diff", "team/app:1", f"team/app@{CLEAN.digest}")
    assert (same.exit_code, same.output) == (0, "The same in all that is compared.\n")
    read = json.loads(beside("image", "diff", "team/app:1", "watched/app:1", "--json").stdout)
    assert [one["name"] for one in read["tools_added"]] == ["ssh"]
    assert [(one["what"], one["before"]) for one in read["files"]] == [("usr/bin/ssh", "none")]


def test_what_is_told_to_a_runtime_is_read_from_the_registry(beside: Run) -> None:
    said = beside("image", "diff", "team/app:1", f"team/app@{HOSTILE.digest}")
    assert said.exit_code == 1
    assert re.search(r"\+ +env MODE +none +fast *\n", said.stdout)
    assert re.search(r"- +env PATH +/usr/local/bin:/usr/bin:/bin +none *\n", said.stdout)
    assert said.stderr == ""


def test_what_cannot_be_compared_any_more_is_said(own: Run, own_folder: Path) -> None:
    with sqlite3.connect(own_folder / "imagegate.sqlite3") as database:
        database.execute("DELETE FROM layers")
    said = own("image", "diff", "team/app:1", f"team/app@{CLEAN.digest}")
    assert said.exit_code == 0
    assert "Not compared: the files: a layer is not on record" in said.stderr


def test_an_index_of_several_images_is_not_compared(beside: Run) -> None:
    said = beside("image", "diff", "team/app:1", "team/app:both")
    assert said.exit_code == 2
    assert "is an index of 2 images; ask for one of them by digest" in said.stderr


async def test_a_gate_elsewhere_says_why_there_is_none(face: Face) -> None:
    client = GateClient(face.url, face.token)
    with pytest.raises(GateUnreachableError, match=r"answered 404: team/app has no manifest 1$"):
        await client.get("/api/v1/images/team/app/1/sbom", {"format": SbomFormat.SPDX})
