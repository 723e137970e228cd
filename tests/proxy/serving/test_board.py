"""What serving processes say of themselves reaches the others, and what they counted outlives them."""

import asyncio
from pathlib import Path

import pytest

from proxy.inspection.errors import InspectionFailedError
from proxy.serving.board import Board, Notice
from proxy.serving.colleagues import Colleagues
from proxy.serving.seats import Seat
from proxy.telemetry.metrics import Metrics

ONE, TWO = Seat(0, 2), Seat(1, 2)
SERIES = 'imagegate_requests_total{method="GET",route="/v2/",status="200"}'


async def inspects() -> None:
    return


def metrics(requests: int) -> Metrics:
    made = Metrics()
    for _ in range(requests):
        made.began()
        made.ended("GET", "/v2/", 200, 0.1)
    return made


def notice(requests: int, *, inspecting: bool = True) -> Notice:
    return Notice(inspecting, metrics(requests).text().decode())


@pytest.fixture
def board(tmp_path: Path) -> Board:
    return Board(tmp_path)


async def test_metrics_are_the_sum_of_all_and_of_those_that_have_ended(board: Board) -> None:
    here = Colleagues(board, ONE, inspects)
    board.post(TWO, notice(3))
    assert f"{SERIES} 5.0" in (await here.metrics(metrics(2))).decode()
    board.post(TWO, notice(4))
    board.clear(TWO)
    assert f"{SERIES} 6.0" in (await here.metrics(metrics(2))).decode()
    board.post(TWO, notice(10))
    board.clear(TWO)
    assert f"{SERIES} 16.0" in (await here.metrics(metrics(2))).decode()


def test_nothing_is_forgotten_of_processes_that_end_together(board: Board) -> None:
    seats = [Seat(number, 16) for number in range(16)]
    for seat in seats:
        board.post(seat, notice(1))
    for seat in seats:
        board.clear(seat)
    assert f"{SERIES} 16.0" in board.departed()


async def test_a_process_that_is_not_there_is_a_warning(board: Board) -> None:
    here = Colleagues(board, ONE, inspects)
    assert await here.warnings() == ("1 of 2 serving processes are starting, or starting again",)
    board.post(TWO, notice(0))
    assert board.has(TWO)
    assert await here.warnings() == ()
    board.clear(TWO)
    assert not board.has(TWO)
    assert await here.warnings() != ()


async def test_inspection_works_if_it_works_in_every_process(board: Board) -> None:
    async def broken() -> None:
        raise InspectionFailedError("no worker")

    here = Colleagues(board, ONE, inspects)
    await here.check_inspection()
    board.post(TWO, notice(0, inspecting=False))
    with pytest.raises(InspectionFailedError, match="another serving process"):
        await here.check_inspection()
    board.post(TWO, notice(0))
    await here.check_inspection()
    with pytest.raises(InspectionFailedError, match="no worker"):
        await Colleagues(board, ONE, broken).check_inspection()


async def test_a_process_goes_on_saying_how_it_is(board: Board) -> None:
    async def posted() -> tuple[Notice, ...]:
        while True:
            if found := board.others(TWO):
                return found
            await asyncio.sleep(0.01)

    posting = asyncio.create_task(Colleagues(board, ONE, inspects).keep_posting(metrics(3)))
    (said,) = await posted()
    posting.cancel()
    assert said.inspects
    assert f"{SERIES} 3.0" in said.metrics
