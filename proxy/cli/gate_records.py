"""What the gate on this machine has on record of all images, for a judgement that it does not make itself."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from config.policy import Waiver
from config.settings import Settings
from proxy.cli.local_database import open_database
from proxy.clock import utc_now
from proxy.gate.judgement import ApprovalsInForce
from proxy.gate.recorded import RecordedKnowledge
from proxy.gate.sightings import SightingDesk
from proxy.gate.waiving import in_force_now
from scanning.approvals import Approvals
from storage import approvals


@asynccontextmanager
async def open_gate_records(
    settings: Settings,
) -> AsyncIterator[tuple[tuple[Waiver, ...], ApprovalsInForce, SightingDesk]]:
    """Open the database that `settings` name, for the exceptions and approvals in force, and when packages were first
    seen.

    Raises `NoStateError` where there is no gate.
    """
    async with open_database(settings) as database:

        async def approved() -> Approvals:
            async with database.snapshot() as tx:
                return await approvals.in_force(tx)

        yield await in_force_now(database, utc_now), approved, SightingDesk(RecordedKnowledge(database, utc_now))
