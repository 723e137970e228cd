"""How many bytes of blobs the embedded registry holds for whom.

A quota is for all repositories together whose most specific pattern among all quotas is one of its own. What a
repository holds counts in full, also where another holds the same blob: its bytes may one day be the only ones left.
Manifests are small, and are not counted. Uploads that are not finished may take as much again, and no more: whoever
finishes none would fill the disk otherwise.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from config.by_repository import the_one_for
from config.settings import Quota
from proxy.upstream.port import QuotaExceededError
from scanning.oci.names import Repository
from storage import registry
from storage.database import Transaction
from storage.locks import serialise

_STEP_BYTES = 8 << 20


@dataclass(frozen=True, slots=True)
class Allowance:
    """What a repository's quota leaves it: `used` of its bytes are taken, by all that it is for."""

    repository: Repository
    quota: Quota
    used: int

    @property
    def left(self) -> int:
        """Bytes that may still be added."""
        return max(self.quota.bytes - self.used, 0)

    def check(self, wanted: int) -> None:
        """Return if `wanted` bytes may be added. Raises `QuotaExceededError`."""
        if wanted > self.left:
            raise self.refusal(f"{wanted} more bytes are wanted")

    def refusal(self, why: str) -> QuotaExceededError:
        """The error that says why nothing more is taken."""
        return QuotaExceededError(
            f"{self.repository} has no room: the quota of {self.quota.named} is {self.quota.bytes} bytes, {self.used}"
            f" of them are used, and {why}; delete images that nobody needs and let imagegate registry gc run, or have"
            " an administrator raise content.quotas"
        )

    @property
    def owner(self) -> str:
        """Whom the content store counts unfinished uploads for: all that the quota is for."""
        return hashlib.sha256(self.quota.named.encode()).hexdigest()[:16]

    @property
    def step(self) -> int:
        """After so many bytes of an upload it is looked again what all take that are not finished."""
        return min(_STEP_BYTES, self.quota.bytes // 8 + 1)

    def check_unfinished(self, staged: int) -> None:
        """Return if uploads that are not finished may have `staged` bytes together. Raises `QuotaExceededError`."""
        if staged > self.quota.bytes:
            raise QuotaExceededError(
                f"{self.repository} has no room: uploads that are not finished would take {staged} bytes, and the quota"
                f" of {self.quota.named} is {self.quota.bytes}; finish or cancel some (what nobody goes on with is"
                " removed by itself), or have an administrator raise content.quotas"
            )


class Quotas:
    """All quotas of a registry; none is for a repository that no pattern covers."""

    def __init__(self, quotas: Sequence[Quota]) -> None:
        self._quotas = tuple(quotas)

    def quota_of(self, repository: Repository) -> Quota | None:
        """The quota a repository is under."""
        return the_one_for(self._quotas, repository.name)

    async def allowance(self, tx: Transaction, repository: Repository) -> Allowance | None:
        """What is left for a repository as of `tx`; None where there is no bound."""
        quota = self.quota_of(repository)
        if quota is None:
            return None
        held = await registry.bytes_held(tx)
        return Allowance(repository, quota, sum(size for name, size in held.items() if self.quota_of(name) is quota))

    async def check_link(self, tx: Transaction, repository: Repository, size: int) -> None:
        """Return if the repository may hold `size` bytes more, and let nobody else of its quota add any before `tx`
        ends. Raises `QuotaExceededError`.
        """
        quota = self.quota_of(repository)
        if quota is None:
            return
        await serialise(tx, f"quota {quota.repositories[0]}")
        allowance = await self.allowance(tx, repository)
        if allowance is not None:
            allowance.check(size)
