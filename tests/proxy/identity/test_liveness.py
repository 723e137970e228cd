"""How soon a revoked grant ends, and what that costs."""

import asyncio
from dataclasses import replace

import pytest

from proxy.identity.liveness import MAX_AGE_SECONDS, RENEW_SECONDS, Liveness
from storage.errors import StorageUnavailableError
from storage.grants import Grant
from tests.proxy.face import START, Time
from tests.proxy.gate.world import looked_ahead

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
    for time.passed in (0, 1, RENEW_SECONDS - 0.1):
        assert await liveness.find("g1") is not None
    await looked_ahead()
    assert grants.asked == 1


async def test_a_grant_that_is_used_is_read_again_before_somebody_has_to_wait(
    grants: Grants, liveness: Liveness, time: Time
) -> None:
    await liveness.find("g1")
    principal = liveness.recall("g1")
    for time.passed in (RENEW_SECONDS, RENEW_SECONDS + 0.1):
        liveness.recall("g1")
    await looked_ahead()
    assert grants.asked == 2
    time.passed = RENEW_SECONDS + MAX_AGE_SECONDS - 0.1
    assert liveness.recall("g1") is principal
    await looked_ahead()


async def test_t8_what_is_read_ahead_ends_a_revoked_grant_too(grants: Grants, liveness: Liveness, time: Time) -> None:
    await liveness.find("g1")
    grants.found["g1"] = replace(GRANT, revoked_at=START)
    time.passed = RENEW_SECONDS
    liveness.recall("g1")
    await looked_ahead()
    assert liveness.recall("g1") is None


async def test_t8_while_the_database_is_down_a_grant_ends_after_five_seconds(
    grants: Grants, liveness: Liveness, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    await liveness.find("g1")

    async def down(_: str) -> None:
        raise StorageUnavailableError("the database is gone")

    monkeypatch.setattr(liveness, "_load", down)
    time.passed = RENEW_SECONDS
    assert liveness.recall("g1") is not None
    await looked_ahead()
    time.passed = MAX_AGE_SECONDS
    assert liveness.recall("g1") is None
    with pytest.raises(StorageUnavailableError):
        await liveness.find("g1")


async def test_all_who_ask_at_the_same_time_cost_one_question(grants: Grants, liveness: Liveness) -> None:
    found = await asyncio.gather(*(liveness.find("g1") for _ in range(16)))
    assert all(found)
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
