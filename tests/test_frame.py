"""What surrounds the code: locks, Makefile, container image."""

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
RUNTIME = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["build"]]


def entries(lock: str) -> list[str]:
    """The entries of a lock, each on one line."""
    text = (ROOT / lock).read_text(encoding="utf-8").replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def locked(lock: str) -> dict[str, frozenset[str]]:
    """The versions that a lock names for each distribution: several where not every Python has the same."""
    found: dict[str, set[str]] = {}
    for entry in entries(lock):
        if match := re.match(r"([a-z0-9-]+)==(\S+)", entry):
            found.setdefault(match[1], set()).add(match[2])
    return {name: frozenset(versions) for name, versions in found.items()}


@pytest.mark.parametrize(
    ("lock", "wanted"),
    [
        ("requirements.lock", RUNTIME),
        ("requirements-test.lock", [*RUNTIME, *PROJECT["optional-dependencies"]["test"]]),
    ],
)
def test_a_lock_pins_every_dependency_with_hashes(lock: str, wanted: list[str]) -> None:
    pins = locked(lock)
    for text in wanted:
        requirement = Requirement(text)
        assert any(map(requirement.specifier.contains, pins[canonicalize_name(requirement.name)])), text


@pytest.mark.parametrize("lock", ["requirements.lock", "requirements-test.lock"])
def test_a_lock_is_nothing_but_exact_versions_and_hashes(lock: str) -> None:
    assert "://" not in (ROOT / lock).read_text(encoding="utf-8")
    for entry in entries(lock):
        assert re.fullmatch(r"[a-z0-9-]+==[\w.]+( ; [\w\s.'=<>!()]+)?( +--hash=sha256:[0-9a-f]{64})+ *", entry), entry


def test_the_tests_run_with_the_versions_that_are_shipped() -> None:
    assert locked("requirements.lock").items() <= locked("requirements-test.lock").items()


def test_make_alone_explains_every_target() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    shown = subprocess.run(["make", "--no-print-directory"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert re.findall(r"^  make (\S+) +\S", shown.stdout, re.MULTILINE) == phony.split()


def test_the_container_image_is_built_from_the_lock_and_runs_unprivileged() -> None:
    dockerfile = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    assert "--require-hashes --requirement requirements.lock" in dockerfile
    assert re.search(r"^USER 10001:10001$", dockerfile, re.MULTILINE)
    copied = [
        word for line in re.findall(r"^COPY (?!--from)(.*)$", dockerfile, re.MULTILINE) for word in line.split()[:-1]
    ]
    allowed = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert sorted(f"!{name}" for name in copied) == sorted(line for line in allowed if line.startswith("!"))


def test_the_version_is_told_once() -> None:
    sources = [path for floor in ("config", "scanning", "storage", "proxy") for path in (ROOT / floor).rglob("*.py")]
    assert [path for path in sources if f'"{PROJECT["version"]}"' in path.read_text(encoding="utf-8")] == []
