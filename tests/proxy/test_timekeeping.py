"""A clock that is set back revives nothing."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from config.patterns import RepositoryPattern
from config.settings import Settings
from proxy.cli import build_app
from proxy.clock import SteadyClock, utc_now
from proxy.identity import tokens
from proxy.identity.administrator import Administrator
from proxy.identity.liveness import Liveness
from proxy.identity.principal import Role
from proxy.identity.tokens import NewGrant
from proxy.running import running
from proxy.timekeeping import Timekeeping, accept
from storage import audit, grants, latest_time
from storage.audit import Event
from storage.database import Database
from storage.grants import Grant
from tests.proxy.cli.conftest import POLICY

ALICE = Administrator("alice", "console")
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)


class Machine:
    """A machine whose clock can be set, while its stopwatch goes on."""

    def __init__(self) -> None:
        self.wall = NOON
        self.stopwatch = 500.0

    def passes(self, duration: timedelta) -> None:
        self.wall += duration
        self.stopwatch += duration.total_seconds()

    def clock(self) -> SteadyClock:
        """That of a gate that starts."""
        return SteadyClock(lambda: self.wall, lambda: self.stopwatch)


@pytest.fixture
def machine() -> Machine:
    return Machine()


def test_a_clock_that_goes_as_it_should_is_believed(machine: Machine) -> None:
    clock = machine.clock()
    assert clock() == NOON
    clock.hold(clock())
    machine.passes(HOUR)
    assert (clock(), clock.behind) == (NOON + HOUR, timedelta())


@pytest.mark.parametrize(("back", "seen"), [(60, -60), (61, 0)])
def test_one_that_is_set_back_is_believed_to_a_minute(machine: Machine, back: int, seen: int) -> None:
    clock = machine.clock()
    clock.hold(clock())
    machine.wall -= timedelta(seconds=back)
    assert clock() == NOON + timedelta(seconds=seen)


def test_time_goes_on_while_the_clock_is_behind_until_it_has_caught_up(machine: Machine) -> None:
    clock = machine.clock()
    clock.hold(clock())
    machine.wall -= 3 * HOUR
    machine.passes(HOUR)
    assert (clock(), clock.behind) == (NOON + HOUR, 3 * HOUR)
    machine.wall += 4 * HOUR
    assert (clock(), clock.behind) == (NOON + 2 * HOUR, timedelta())


def test_what_is_held_on_to_never_becomes_earlier(machine: Machine) -> None:
    clock = machine.clock()
    clock.hold(NOON + HOUR)
    clock.hold(NOON)
    assert clock() == NOON + HOUR


class TestExpiry:
    """Of a token that ends an hour after noon."""

    async def find(self, database: Database, clock: SteadyClock, grant_id: str) -> Grant | None:
        async def load(wanted: str) -> Grant | None:
            async with database.snapshot() as tx:
                return await grants.get(tx, wanted)

        found = await Liveness(load, clock=clock, monotonic=lambda: 0.0).find(grant_id)
        return found[0] if found else None

    async def test_t06_a_clock_set_back_revives_no_token_while_the_gate_runs_nor_at_its_next_start(
        self, database: Database, machine: Machine
    ) -> None:
        new = NewGrant("ci", Role.DEVELOPER, (RepositoryPattern("**"),), NOON + HOUR)
        grant, _ = await tokens.create(database, new, ALICE, NOON)
        clock = machine.clock()
        timekeeping = Timekeeping(database, clock)
        assert await self.find(database, clock, grant.id) == grant

        machine.passes(2 * HOUR)
        await timekeeping.note()
        machine.wall -= 2 * HOUR
        assert await self.find(database, clock, grant.id) is None
        assert "the clock of this machine is 2:00:00 behind the latest time on record" in timekeeping.warnings()[0]

        again = machine.clock()
        await Timekeeping(database, again).load()
        assert await self.find(database, again, grant.id) is None

    async def test_t06_nor_at_another_gate_whose_clock_is_behind(self, database: Database, machine: Machine) -> None:
        other = Machine()
        other.wall -= 3 * HOUR
        await Timekeeping(database, machine.clock()).note()
        clock = other.clock()
        await Timekeeping(database, clock).note()
        assert clock() == NOON

    async def test_a_time_that_was_wrong_is_forgotten_when_an_administrator_says_so(
        self, database: Database, machine: Machine
    ) -> None:
        machine.wall += 365 * 24 * HOUR
        await Timekeeping(database, machine.clock()).note()
        machine.wall = NOON

        assert await accept(database, NOON, ALICE) == NOON + 365 * 24 * HOUR

        clock = machine.clock()
        timekeeping = Timekeeping(database, clock)
        await timekeeping.load()
        assert (clock(), timekeeping.warnings()) == (NOON, ())
        async with database.snapshot() as tx:
            ((_, record),) = await audit.newest(tx, event=Event.CLOCK_ACCEPTED, limit=10)
        assert (record.actor, record.detail) == ("alice", "the latest time on record was 2027-07-01T12:00:00+00:00")


async def test_a_running_gate_holds_on_to_what_is_on_record_and_warns(tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY)
    settings = Settings(state_dir=tmp_path, inspection={"workers": 1}, listen={"port": 0})
    ahead = utc_now() + HOUR
    database = await Database.open(settings.database)
    async with database.transaction() as tx:
        await latest_time.note(tx, ahead)
    await database.close()

    async with running(settings) as services:
        assert services.clock() >= ahead
        report = await services.readiness.report()
        assert sum("behind the latest time on record" in said for said in report.warnings) == 1
        assert report.ready

    command = ["--state-dir", str(tmp_path), "clock", "accept"]
    result = await asyncio.to_thread(CliRunner().invoke, build_app(), command)  # it has an event loop of its own
    assert (result.exit_code, f"it was {ahead:%Y-%m-%d %H:%M:%S} UTC" in result.output) == (0, True)
    async with running(settings) as services:
        report = await services.readiness.report()
        assert not any("behind the latest time on record" in said for said in report.warnings)
