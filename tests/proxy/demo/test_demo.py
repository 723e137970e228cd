"""`imagegate demo`: every outcome it shows is the one it promises, and it says so when one is not."""

import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

_RUN = "from proxy.cli import main; main()"
_RUN_UNDER_A_LENIENT_POLICY = f"""
from proxy.demo import gate
strict = gate.policy_text
gate.policy_text = lambda key: strict(key).replace("mode: enforce", "mode: audit")
{_RUN}
"""


def run_demo(folder: Path, program: str = _RUN) -> subprocess.CompletedProcess[str]:
    """Run the command as a user runs it, in a folder and an environment that would break another gate."""
    (folder / "imagegate.yaml").write_text("listen: {port: 1}\nupstream: {kind: remote, url: http://127.0.0.1:1}\n")
    return subprocess.run(
        [sys.executable, "-c", program, "demo", "--offline"],
        cwd=folder,
        env={"PATH": "", "TMPDIR": str(folder), "IMAGEGATE_LISTEN__PORT": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What the command prints, run once."""
    folder = tmp_path_factory.mktemp("demo")
    done = run_demo(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(folder.iterdir()) == [folder / "imagegate.yaml"], "nothing is left behind"
    return done.stdout


def scene(shown: str, number: int) -> str:
    """One scene of the output."""
    parts = re.split(r"^\d\. ", shown, flags=re.MULTILINE)
    assert len(parts) == 5
    return parts[number]


def test_a_clean_signed_image_is_admitted_and_pulled(shown: str) -> None:
    clean = scene(shown, 1)
    assert re.search(r"packaging \d[\w.]*, \d+ files, as installed in this environment", clean)
    assert re.search(r"✓ developer  push release/hello:1\.0 +201\n", clean)
    assert re.search(r"✓ operator   pull release/hello:1\.0 +200\n", clean)


def test_a_renamed_ssh_is_refused_by_its_file(shown: str) -> None:
    tainted = scene(shown, 2)
    assert "a stand-in" in tainted, "PATH holds no ssh here, and the demo must say so"
    assert re.search(
        r"✓ developer  push team/backup:1\.0 +403 DENIED\n +team/backup:1\.0 is refused: ssh in"
        r" usr/local/bin/backup-agent of layer \w+ \(imagegate demo\): .*\[deny\.tools\].*"
        r" -- see: imagegate verdict show \w+ ",
        tainted,
    )
    assert re.search(r"✓ operator   pull team/backup:1\.0 +404 MANIFEST_UNKNOWN\n", tainted)


def test_an_unpatched_package_is_refused_with_both_versions(shown: str) -> None:
    old = scene(shown, 3)
    assert "its metadata only" in old
    assert re.search(
        r"403 DENIED\n +team/website:1\.0 is refused: CVE-2019-10906 \(PYSEC-2019-217\) in package jinja2 2\.10"
        r" of layer \w+ .*fixed in 2\.10\.1 \[deny\.findings\]; upgrade jinja2 to 2\.10\.1 or later",
        old,
    )


def test_an_unsigned_image_waits_and_is_promoted_once_it_is_signed(shown: str) -> None:
    unsigned = scene(shown, 4)
    before, signed, after = unsigned.partition("now it is signed")
    assert signed
    assert re.search(r'push release/report:1\.0 +201\n +299 - "release/report:1\.0 is in quarantine\b', before)
    assert re.search(r"operator   pull release/report:1\.0 +403 DENIED\n.*\[require\.signatures\]", before)
    assert re.search(r"developer  pull release/report:1\.0 +200\n", before)
    assert re.search(r"operator   pull release/report:1\.0 +200\n", after)
    assert re.search(r"operator   pull release/report@sha256:[0-9a-f]{12}… +200\n", after)
    assert "All 15 steps came out as they must." in after


def test_nothing_it_shows_is_marked_wrong(shown: str) -> None:
    assert "✗" not in shown
    assert "What to try next" in shown


def test_outcomes_that_are_not_the_promised_ones_are_shown_and_end_in_status_1(tmp_path: Path) -> None:
    done = run_demo(tmp_path, _RUN_UNDER_A_LENIENT_POLICY)
    assert done.returncode == 1, done.stderr
    assert re.search(r"✗ developer  push team/backup:1\.0 +201\n.*\n +expected 403 DENIED\n", done.stdout)
    assert re.search(r"\d+ of 15 steps came out otherwise than they must", done.stdout)


def test_the_policy_it_runs_under_is_valid_and_the_signed_part_is_the_most_specific() -> None:
    from config.policy_file import load_policy
    from proxy.demo.gate import policy_text
    from proxy.demo.signing import SigningKey

    policy = load_policy(policy_text(SigningKey().public), "demo")
    release, team = policy.rule_for("release/hello"), policy.rule_for("team/backup")
    assert release is not None
    assert release.require.signatures is not None
    assert (release.require.signatures.of, release.require.signatures.effect) == (("demo",), "quarantine")
    assert team is not None
    assert team.deny == release.deny
    assert team.deny.tools is not None


def test_its_advisory_is_credited() -> None:
    from proxy.demo import gate

    folder = Path(gate.__file__).with_name("advisories")
    assert [path.name for path in folder.glob("*.json")] == ["PYSEC-2019-217.json"]
    credit = (folder / "README.md").read_text(encoding="utf-8")
    assert "PyPA advisory database" in credit
    assert "CC BY 4.0" in credit


def test_a_kept_gate_can_be_asked_by_other_commands_until_it_is_told_to_end(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", _RUN, "demo", "--offline", "--keep"],
        env={"PATH": "", "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        text=True,
    ) as demo:
        assert demo.stdout is not None
        commands = []
        for line in demo.stdout:
            commands.append(line.strip())
            if line.startswith("  tail "):
                break
        listing = next(line for line in commands if line.startswith("imagegate --state-dir"))
        assert any(re.fullmatch(r"docker login 127\.0\.0\.1:\d+ -u operator -p igt_\w+.*", line) for line in commands)
        listed = subprocess.run(
            [sys.executable, "-c", _RUN, *listing.split()[1:]], capture_output=True, text=True, check=False, timeout=60
        )
        assert "team/backup@sha256:" in listed.stdout, listed.stderr
        demo.send_signal(signal.SIGINT)
    assert demo.returncode == 0
    assert list(tmp_path.iterdir()) == []
