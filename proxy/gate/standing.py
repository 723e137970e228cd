"""Which verdict still stands: the last one, as long as judging again could not give another answer."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from proxy.clock import Clock
from proxy.gate.advisories import AdvisoryDesk
from proxy.gate.policy import PolicyInForce
from scanning.oci.digest import Digest
from scanning.oci.names import Repository
from scanning.verdict import Outcome, Verdict
from storage import verdicts
from storage.database import Database

_LOOK_AGAIN = timedelta(seconds=60)
"""How long a verdict that does not admit stands before signatures that bypassed the gate are looked for."""


class StandingVerdicts:
    """Looks verdicts up, and measures them by the policy, the advisories and the time of now."""

    def __init__(
        self, database: Database, policy: Callable[[], PolicyInForce], advisories: AdvisoryDesk, clock: Clock
    ) -> None:
        self._database = database
        self._policy = policy
        self._advisories = advisories
        self._clock = clock

    async def find(self, repository: Repository, digest: Digest) -> Verdict | None:
        """The verdict on a manifest that still stands; None if it must be judged (again)."""
        async with self._database.snapshot() as tx:
            last = await verdicts.latest(tx, repository, digest)
        if last is None or not self._stands(last, await self._advisories.now(self._clock())):
            return None
        return last

    async def survey(self, repository: Repository, digests: Iterable[Digest]) -> tuple[bool, tuple[Digest, ...]]:
        """Whether one of these manifests stands admitted; if none, those to judge again, once admitted ones first."""
        once_admitted: list[Digest] = []
        others: list[Digest] = []
        now = await self._advisories.now(self._clock())
        async with self._database.snapshot() as tx:
            for digest in digests:
                last = await verdicts.latest(tx, repository, digest)
                is_admitted = last is not None and last.enforced is Outcome.ADMIT
                if last is None or not self._stands(last, now):
                    (once_admitted if is_admitted else others).append(digest)
                elif is_admitted:
                    return True, ()
        return False, (*once_admitted, *others)

    def _stands(self, verdict: Verdict, now: datetime) -> bool:
        if verdict.inputs.policy != self._policy().digest or verdict.inputs.snapshot != self._advisories.in_force:
            return False
        if verdict.valid_until is not None and now >= verdict.valid_until:
            return False
        return verdict.enforced is Outcome.ADMIT or now - verdict.judged_at <= _LOOK_AGAIN
