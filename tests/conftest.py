"""What tests of every floor share."""

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A busy machine draws and runs examples slowly; that says nothing of the code.
settings.register_profile("unhurried", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("unhurried")

# Taken out of the environment, where the gate's own settings would refuse an unknown IMAGEGATE_ variable.
_TESTDATA = Path(os.environ.pop("IMAGEGATE_TESTDATA", "") or Path(__file__).parents[1].parent / "shared" / "testdata")


@pytest.fixture(scope="session")
def testdata() -> Path:
    """The folder of real advisories: `osv/<ECOSYSTEM>/all.zip`, laid out like OSV's public bucket."""
    if not (_TESTDATA / "osv").is_dir():
        pytest.skip(
            f"no real advisories at {_TESTDATA}: IMAGEGATE_TESTDATA names a folder with osv/<ECOSYSTEM>/all.zip"
        )
    return _TESTDATA
