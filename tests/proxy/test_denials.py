"""What is denied again and again is bounded on record, and what is refused when it is pushed is not heard for ever."""

import pytest

from proxy.denials import Denials
from proxy.errors import TooManyRequestsError
from proxy.identity.principal import Role
from storage.audit import AuditRecord, Event
from storage.errors import StorageUnavailableError
from tests.proxy.conftest import StartFace
from tests.proxy.face import Time
from tests.storage.values import NOW

TOKEN, OTHER = "grant-1", "grant-2"


def denied(reference: str, event: Event = Event.PULL) -> AuditRecord:
    return AuditRecord(at=NOW, event=event, actor="ci", address="192.0.2.7", outcome="denied", reference=reference)


@pytest.fixture
def told() -> list[AuditRecord]:
    """What was recorded of many together."""
    return []


@pytest.fixture
def denials(told: list[AuditRecord], time: Time) -> Denials:
    return Denials(told.append, most=2, seconds=60, monotonic=time.monotonic)


async def test_the_first_are_told_one_by_one_and_the_rest_by_their_number(
    denials: Denials, told: list[AuditRecord], time: Time
) -> None:
    assert [denials.is_to_be_told(TOKEN, denied(str(number))) for number in range(5)] == [True] * 2 + [False] * 3
    assert not denials.is_to_be_told(TOKEN, denied("x", Event.ACCESS_DENIED))
    assert denials.is_to_be_told(OTHER, denied("0"))
    assert told == []

    time.passed += 60
    assert denials.is_to_be_told(TOKEN, denied("6"))

    assert [(record.event, record.actor, record.outcome, record.times, record.reference) for record in told] == [
        (Event.PULL, "ci", "denied", 3, "4"),
        (Event.ACCESS_DENIED, "ci", "denied", 1, "x"),
    ]
    assert "3 times more within 60 seconds than the 2 that are on record one by one; the last: 4" in told[0].detail


async def test_nothing_is_forgotten_when_the_gate_ends(denials: Denials, told: list[AuditRecord]) -> None:
    for number in range(4):
        denials.is_to_be_told(TOKEN, denied(str(number)))
    denials.close()
    assert [record.times for record in told] == [2]


async def test_what_cannot_be_recorded_stops_nobody(time: Time) -> None:
    def fails(_: AuditRecord) -> None:
        raise StorageUnavailableError("the disk is full")

    denials = Denials(fails, most=1, seconds=60, monotonic=time.monotonic)
    denials.is_to_be_told(TOKEN, denied("1"))
    denials.is_to_be_told(TOKEN, denied("2"))
    denials.close()


async def test_who_had_too_many_pushes_refused_waits_until_the_window_ends(denials: Denials, time: Time) -> None:
    for _ in range(2):
        denials.check_pushes(TOKEN)
        denials.push_refused(TOKEN)
    time.passed += 20

    with pytest.raises(TooManyRequestsError, match="2 pushes with this token were refused within 60 seconds") as caught:
        denials.check_pushes(TOKEN)

    assert caught.value.retry_after == 40
    denials.check_pushes(OTHER)
    time.passed += 40
    denials.check_pushes(TOKEN)


async def test_requests_that_a_token_does_not_cover_are_recorded_so_often_and_denied_for_ever(
    start_face: StartFace,
) -> None:
    async with start_face(throttle={"refusals": 3}) as face:
        face.grant, face.token = await face.new_token(Role.DEVELOPER, "team/**", name="ci")
        for number in range(6):
            answer = await face.call("GET", f"/v2/foreign/app{number}/tags/list")
            assert (answer.status, answer.code) == (403, "DENIED")
        face.services.denials.close()
        await face.spool.drain()

        records = [record for record in await face.audited() if record.event is Event.ACCESS_DENIED]
        assert [(record.repository, record.times) for record in records] == [
            ("foreign/app0", 1),
            ("foreign/app1", 1),
            ("foreign/app2", 1),
            ("foreign/app5", 3),
        ]
