"""Alive, ready, and counted."""

import asyncio

import pytest

from config.errors import ImagegateError
from proxy.identity.principal import Role
from proxy.telemetry.readiness import Readiness
from tests.proxy.conftest import StartFace
from tests.proxy.face import Face, Time


async def test_the_process_is_alive_without_anything_behind_it(face: Face) -> None:
    face.upstream.is_down = True
    answer = await face.call("GET", "/healthz", token="")
    assert (answer.status, answer.json) == (200, {"status": "ok"})


async def test_ready_means_that_everything_answers(face: Face) -> None:
    answer = await face.call("GET", "/readyz", token="")
    assert (answer.status, answer.json) == (
        200,
        {
            "status": "ready",
            "parts": {"database": "ok", "upstream": "ok", "inspection": "ok", "audit": "ok"},
            "warnings": [],
        },
    )


async def test_what_does_not_answer_is_named_and_nothing_more(face: Face) -> None:
    face.upstream.is_down = True
    answer = await face.call("GET", "/readyz", token="")
    assert (answer.status, answer.json["parts"]["upstream"]) == (503, "does not answer")
    assert "simulated" not in str(answer.json)


@pytest.fixture
def asked() -> list[str]:
    """What the parts were asked."""
    return []


async def test_warnings_do_not_stop_the_gate_and_answers_are_kept_for_two_seconds(asked: list[str], time: Time) -> None:
    async def check() -> None:
        asked.append("part")

    async def warnings() -> tuple[str, ...]:
        return ("advisory data is 30 hours old",)

    readiness = Readiness({"part": check}, warnings, time.monotonic)
    reports = await asyncio.gather(*(readiness.report() for _ in range(20)))
    assert asked == ["part"]
    assert all(report.ready and report.warnings == ("advisory data is 30 hours old",) for report in reports)
    time.passed = 2
    await readiness.report()
    assert asked == ["part", "part"]


async def test_a_failing_part_is_not_ready(time: Time) -> None:
    async def check() -> None:
        raise ImagegateError("the policy cannot be read")

    async def warnings() -> tuple[str, ...]:
        return ()

    report = await Readiness({"policy": check}, warnings, time.monotonic).report()
    assert (report.ready, report.parts) == (False, {"policy": False})


async def test_what_only_some_need_is_named_and_does_not_stop_the_rest(time: Time) -> None:
    async def fails() -> None:
        raise ImagegateError("connection refused by 10.0.0.7")

    async def answers() -> None:
        return

    async def warnings() -> tuple[str, ...]:
        return ()

    further = {"upstream hub": fails, "upstream mirror": answers}
    report = await Readiness({"upstream": answers}, warnings, time.monotonic, further).report()
    assert report.ready
    assert report.parts == {"upstream": True, "upstream hub": False, "upstream mirror": True}
    assert report.warnings == ("upstream hub does not answer, so its repositories cannot be pulled",)


async def test_t76_no_metric_has_a_value_that_a_client_chose(face: Face) -> None:
    for number in range(5):
        await face.call("GET", f"/v2/team/app-{number}/tags/list")
        await face.call("GET", f"/nowhere-{number}")
        await face.call(f"INVENTED{number}", "/v2/")
    text = (await face.call("GET", "/metrics", token="")).body.decode()
    assert 'imagegate_requests_total{method="GET",route="/v2/{repository}/tags/list",status="404"} 5.0' in text
    assert 'imagegate_requests_total{method="GET",route="none",status="404"} 5.0' in text
    for chosen in ("app-1", "nowhere", "INVENTED", "team"):
        assert chosen not in text


async def test_t76_faces_count_for_themselves(face: Face, start_face: StartFace) -> None:
    await face.call("GET", "/v2/")
    async with start_face() as other:
        _, other.token = await other.new_token(Role.ADMIN, "**")
        assert 'route="/v2/"' not in (await other.call("GET", "/metrics")).body.decode()
