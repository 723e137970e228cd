"""What tests of every floor share."""

import os
from collections.abc import Generator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

pytest_plugins = ("tests.browser", "tests.databases", "tests.parallel")

# A busy machine draws and runs examples slowly; that says nothing of the code. A verdict on a change must not depend
# on what is drawn: CI draws the same examples every time, and new ones are found by who develops.
settings.register_profile(
    "unhurried",
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
    derandomize=os.environ.get("CI") == "true",
)
settings.load_profile("unhurried")

# Taken out of the environment, where the gate would refuse a variable it does not know; other processes that run tests
# find it under the new name.
if _chosen := os.environ.pop("IMAGEGATE_TESTDATA", ""):
    os.environ["TESTDATA_OF_IMAGEGATE"] = _chosen
TESTDATA = Path(os.environ.get("TESTDATA_OF_IMAGEGATE") or Path(__file__).parents[1].parent / "shared" / "testdata")
"""Real advisories."""


@pytest.fixture(scope="session")
def testdata() -> Path:
    """The folder of real advisories: `osv/<ECOSYSTEM>/all.zip`, laid out like OSV's public bucket."""
    if not (TESTDATA / "osv").is_dir():
        pytest.skip(f"no real advisories at {TESTDATA}: IMAGEGATE_TESTDATA names a folder with osv/<ECOSYSTEM>/all.zip")
    return TESTDATA


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With REQUIRE_REAL=1 a test whose real component is missing fails: `.ci/run` has installed them all."""
    report = yield
    missing = report.skipped and not hasattr(report, "wasxfail") and item.get_closest_marker("real") is not None
    if missing and os.environ.get("REQUIRE_REAL") == "1":
        report.outcome = "failed"
        report.longrepr = f"REQUIRE_REAL=1, and a real component is missing: {report.longrepr}"
    return report
