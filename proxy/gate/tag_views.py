"""Two views of one tag, where the policy says `serve: last-admitted`: those who push see what it was last set to, those
who only pull the last of it that is admitted today.
"""

from collections.abc import Awaitable, Callable

from proxy.gate.decision import Decision
from proxy.gate.policy import PolicyInForce
from proxy.gate.promotion import Promotion
from proxy.upstream.port import StoredManifest, Upstream
from scanning.oci.names import Repository, Tag
from scanning.verdict import Outcome, Verdict
from storage import tag_history
from storage.database import Database

_MOST_TRIED = 8
"""How far back is looked: each step may judge an image."""


Decide = Callable[[StoredManifest], Awaitable[Decision]]


class TagViews:
    """Remembers what was admitted under a tag, and goes back to it."""

    def __init__(
        self, database: Database, upstream: Upstream, promotion: Promotion, policy: Callable[[], PolicyInForce]
    ) -> None:
        self._database = database
        self._upstream = upstream
        self._promotion = promotion
        self._policy = policy

    async def for_those_who_pull(self, repository: Repository, tag: Tag, newest: Decision, decide: Decide) -> Decision:
        """The decision on what `tag` means to them. `newest` is the one on what the upstream has under it now."""
        rule = self._policy().policy.rule_for(repository.name)
        if rule is None or rule.tags.serve == "newest":
            return newest
        async with self._database.snapshot() as tx:
            history = await tag_history.of(tx, repository, tag)
        if isinstance(newest.verdict, Verdict) and newest.enforces(Outcome.ADMIT):
            if newest.stored.digest not in history[:1]:
                await self._remember(repository, tag, newest.stored, newest.verdict)
            return newest
        for digest in [digest for digest in history if digest != newest.stored.digest][:_MOST_TRIED]:
            stored = await self._upstream.get_manifest(repository, digest)
            if stored is not None:
                older = await decide(stored)
                if older.enforces(Outcome.ADMIT):
                    return older
        return newest

    async def _remember(self, repository: Repository, tag: Tag, stored: StoredManifest, verdict: Verdict) -> None:
        """It was set past the gate. In the turn, so that no tag that is being deleted is remembered (threat 67)."""
        async with self._promotion.turn(repository):
            behind = await self._upstream.get_manifest(repository, tag)
            if behind is not None and behind.digest == stored.digest:
                async with self._database.transaction() as tx:
                    await tag_history.record(tx, repository, tag, stored.digest, verdict.judged_at)
