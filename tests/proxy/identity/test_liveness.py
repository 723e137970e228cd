"""How soon a revoked grant ends, and what that costs."""

from dataclasses import replace

import pytest

from proxy.identity.liveness import MAX_AGE_SECONDS, Liveness
from storage.grants import Grant
from tests.proxy.face import START, Time

GRANT = Grant("g1", "ci", "developer", ("team/**",), "0" * 64, START, "tester", None, None)


class Grants:
    """A database of grants that counts how often it is asked."""

    def __init__(self) -> None:
        self.found: dict[str, Grant] = {"g1": GRANT}
        self.asked = 0

    async def load(self, grant_id: str) -> Grant | None:
        self.asked += 1
        return self.found.get(grant_id)


@pytest.fixture
def grants() -> Grants:
    return Grants()


@pytest.fixture
def liveness(grants: Grants, time: Time) -> Liveness:
    return Liveness(grants.load, clock=time.now, monotonic=time.monotonic)


async def test_t8_a_revoked_grant_ends_within_five_seconds(grants: Grants, liveness: Liveness, time: Time) -> None:
    assert await liveness.find("g1") is not None
    grants.found["g1"] = replace(GRANT, revoked_at=START)
    time.passed = MAX_AGE_SECONDS
    assert MAX_AGE_SECONDS <= 5
    assert await liveness.find("g1") is None


async def test_t8_no_setting_makes_it_later(grants: Grants, time: Time) -> None:
    liveness = Liveness(grants.load, clock=time.now, monotonic=time.monotonic, max_age=3600)
    await liveness.find("g1")
    del grants.found["g1"]
    time.passed = 5
    assert await liveness.find("g1") is None


async def test_between_two_looks_the_database_rests(grants: Grants, liveness: Liveness, time: Time) -> None:
    for time.passed in (0, 1, 4.9):
        assert await liveness.find("g1") is not None
    assert grants.asked == 1


async def test_a_grant_that_expires_ends_at_once(grants: Grants, liveness: Liveness, time: Time) -> None:
    grants.found["g1"] = replace(GRANT, expires_at=START.replace(second=2))
    assert await liveness.find("g1") is not None
    time.passed = 2
    assert await liveness.find("g1") is None


async def test_ids_that_do_not_exist_are_asked_for_each_time(grants: Grants, liveness: Liveness) -> None:
    assert await liveness.find("made-up") is None
    assert await liveness.find("made-up") is None
    assert grants.asked == 2
