"""Times with an offset, as feeds write them."""

import json
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from scanning.advisories.exploitation import read_catalogue, read_forecasts
from scanning.advisories.lifecycle import read_endoflife
from scanning.advisories.moments import in_utc
from scanning.errors import InvalidContentError
from tests.scanning.advisories.records import advisory

BEFORE_YEAR_1 = "0001-01-01T00:00:00+14:00"


def _lifecycles(moment: str) -> object:
    product = {"name": "debian", "releases": [{"name": "13"}]}
    return read_endoflife(json.dumps({"result": product, "generated_at": moment}).encode(), "debian")


READERS: dict[str, Callable[[str], object]] = {
    "OSV": lambda moment: advisory("X-1", modified=moment),
    "KEV": lambda moment: read_catalogue(json.dumps({"dateReleased": moment, "vulnerabilities": []}).encode()),
    "EPSS": lambda moment: read_forecasts([f"#model_version:v1,score_date:{moment}", "cve,epss,percentile"]),
    "endoflife.date": _lifecycles,
}


def test_a_moment_keeps_its_instant() -> None:
    assert in_utc(datetime.fromisoformat("2026-11-26T01:00:00+02:00")) == datetime(2026, 11, 25, 23, tzinfo=UTC)


@pytest.mark.parametrize("feed", READERS)
@pytest.mark.parametrize("moment", [BEFORE_YEAR_1, "9999-12-31T23:00:00-10:00"])
def test_t77_a_moment_that_no_calendar_holds_is_refused(feed: str, moment: str) -> None:
    with pytest.raises(InvalidContentError, match="in no year from 1 to 9999"):
        READERS[feed](moment)
    READERS[feed]("2026-11-26T01:00:00+02:00")
