"""The OCI conformance program (distribution-spec, conformance/), with a token, through the gate: nothing fails.

It pulls what it has just pushed, unsigned and made of random bytes, so its repositories have a policy in audit mode.
What it is told to leave out, and why, stands in docs/conformance.md, and so do the numbers, which are checked here.
"""

import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.e2e.running_gate import RunningGate
from tests.registries import RealRegistry, distribution_registry, fresh_repository

__all__ = ["distribution_registry"]

pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]
DOCUMENT = Path(__file__).parents[2] / "docs" / "conformance.md"
PROGRAM = "oci-conformance"
POLICY = {
    "version": 1,
    "name": "conformance",
    "rules": [{"repositories": ["**"], "mode": "audit", "require": {"advisories": {"effect": "warn"}}}],
}
ALL_OF_IT = {
    "OCI_VERSION": "1.1",
    "OCI_TLS": "disabled",
    "OCI_API_BLOBS_UPLOAD_CANCEL": "true",
    "OCI_API_BLOBS_DIGEST_HEADER": "true",
    "OCI_API_MANIFESTS_DIGEST_HEADER": "true",
}


@dataclass(frozen=True)
class Front:
    """A gate in front of a registry, and what the program leaves out because the registry cannot do it."""

    name: str
    gate: RunningGate
    left_out: dict[str, str]


@pytest.fixture(params=["embedded", "docker_registry", "distribution_registry"])
def front(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Front]:
    """A gate in front of each registry, with deletion switched on."""
    if shutil.which(PROGRAM) is None:
        pytest.skip(f"{PROGRAM} is not installed; .ci/run builds it")
    upstream, left_out = "", {}
    if request.param != "embedded":
        registry: RealRegistry = request.getfixturevalue(request.param)
        upstream, left_out = registry.url, {"OCI_DATA_SHA512": "false"}
    gate = RunningGate(tmp_path / "state", upstream, extra={"IMAGEGATE_REGISTRY__DELETE_ENABLED": "true"})
    gate.state.mkdir()
    (gate.state / "policy.yaml").write_text(json.dumps(POLICY))  # JSON is YAML
    gate.start()
    try:
        yield Front(request.param.replace("_", "-"), gate, left_out)
    finally:
        gate.stop()


def test_no_case_of_the_conformance_program_fails(front: Front, tmp_path: Path) -> None:
    repository = fresh_repository("conformance")
    settings = {
        "OCI_REGISTRY": front.gate.host,
        "OCI_REPO1": f"{repository}/one",
        "OCI_REPO2": f"{repository}/two",
        "OCI_USERNAME": "conformance",
        "OCI_PASSWORD": front.gate.token("conformance", "admin", f"{repository}/**"),
        "OCI_RESULTS_DIR": str(tmp_path / "results"),
    }
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OCI_")}
    done = subprocess.run(
        [PROGRAM], env=clean | ALL_OF_IT | front.left_out | settings, cwd=tmp_path,
        capture_output=True, text=True, check=False, timeout=500,
    )  # fmt: skip
    suite = ElementTree.parse(tmp_path / "results" / "junit.xml").getroot().find("testsuite")  # noqa: S314 (our own)
    assert suite is not None, done.stderr
    failed = [case.get("name") for case in suite.iter("testcase") if case.get("status") in {"failure", "error"}]
    assert (failed, done.returncode) == ([], 0), done.stdout + done.stderr
    counted = tuple(int(suite.get(kind, "0")) for kind in ("tests", "failures", "errors", "disabled", "skipped"))
    assert counted == documented(front.name), "docs/conformance.md shows other numbers"


def documented(name: str) -> tuple[int, ...]:
    """The numbers docs/conformance.md shows for a registry."""
    row = re.search(rf"^\| `{name}` \|[^|]*((?:\| *\d+ *)+)\|$", DOCUMENT.read_text(), re.MULTILINE)
    assert row is not None, f"docs/conformance.md has no numbers for {name}"
    return tuple(int(number) for number in re.findall(r"\d+", row[1]))
