"""Which verdict still stands: the last one, as long as judging again could not give another answer."""

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from proxy.clock import Clock
from proxy.gate.admissions import Admissions
from proxy.gate.advisories import AdvisoryDesk
from proxy.gate.decision import Decision
from proxy.gate.policy import PolicyInForce
from proxy.gate.records import Records
from scanning.approvals import Approvals
from scanning.oci.digest import Digest
from scanning.oci.names import Reference, Repository
from scanning.verdict import Outcome, Verdict
from storage import judged
from storage.database import Database

_LOOK_AGAIN = timedelta(seconds=60)
"""How long a verdict that does not admit stands before signatures that bypassed the gate are looked for."""


class StandingVerdicts:
    """Looks verdicts up, and measures them by the policy, the advisories, the approvals and the time of now."""

    def __init__(
        self,
        database: Database,
        records: Records,
        admissions: Admissions,
        policy: Callable[[], PolicyInForce],
        advisories: AdvisoryDesk,
        approvals: Callable[[], Approvals],
        clock: Clock,
    ) -> None:
        self.records = records
        self.admissions = admissions
        self._database = database
        self._policy = policy
        self._advisories = advisories
        self._approvals = approvals
        self._clock = clock

    async def measured(self, last: Verdict | None) -> Verdict | None:
        """The last verdict on a manifest if it still stands; None if the manifest must be judged (again)."""
        return last if last is not None and self._stands(last, await self._now()) else None

    async def recall_manifest(self, repository: Repository, reference: Reference) -> Decision | None:
        """The decision on a digest that was admitted a moment ago, if it still stands. A tag is always looked up."""
        if not isinstance(reference, Digest) or self.admissions.manifest(repository, reference) is None:
            return None
        await self._now()
        return self.recall_at_once(repository, reference)

    def recall_at_once(self, repository: Repository, digest: Digest) -> Decision | None:
        """The same, and None as well where the time to judge at is not known without waiting for it."""
        found = self.admissions.manifest(repository, digest)
        if found is None or not isinstance(found.verdict, Verdict):
            return None
        now = self._advisories.now_at_once(self._clock())
        return found if now is not None and self._stands(found.verdict, now) else None

    async def recalls_blob(self, repository: Repository, digest: Digest) -> bool:
        """Whether the blob could be read a moment ago, because of a verdict that still stands."""
        found = self.admissions.blob(repository, digest)
        return found is not None and self._stands(found, await self._now())

    async def survey(
        self, repository: Repository, digests: Iterable[Digest]
    ) -> tuple[Verdict | None, tuple[Digest, ...]]:
        """A verdict that admits one of these manifests and stands; if none, those to judge again, once admitted ones
        first.
        """
        once_admitted: list[Digest] = []
        others: list[Digest] = []
        now = await self._now()
        async with self._database.snapshot() as tx:
            for digest in digests:
                last = (await judged.find(tx, [(repository, digest)]))[repository, digest].verdict
                is_admitted = last is not None and last.enforced is Outcome.ADMIT
                if last is None or not self._stands(last, now):
                    (once_admitted if is_admitted else others).append(digest)
                elif is_admitted:
                    return last, ()
        return None, (*once_admitted, *others)

    async def _now(self) -> datetime:
        return await self._advisories.now(self._clock())

    def _stands(self, verdict: Verdict, now: datetime) -> bool:
        inputs = verdict.inputs
        if (inputs.policy_here or inputs.policy) != self._policy().digest_in(verdict.repository):
            return False
        if inputs.snapshot != self._advisories.in_force:
            return False
        if inputs.approvals != self._approvals().digest:
            return False
        if verdict.valid_until is not None and now >= verdict.valid_until:
            return False
        return verdict.enforced is Outcome.ADMIT or now - verdict.judged_at <= _LOOK_AGAIN
