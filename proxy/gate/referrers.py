"""How much may refer to one manifest: no more than is read again whenever that is judged (threat 58).

Whoever may push can refer to any image of the repository. Were there more of that than an upstream is asked for, the
image could not be judged any more, and nobody could pull it; so whoever comes too late is refused.

Nobody fills the places before a signer comes, though. Some are kept for the first signature by each signer of the
policy; that one is vouched for, and read before all others (`SignatureFinder`), however late it came. Nobody makes more
of these than there are signers.
"""

from collections.abc import Callable

from proxy.clock import Clock
from proxy.errors import DeniedError
from proxy.gate.advisories import AdvisoryDesk
from proxy.gate.policy import PolicyInForce
from proxy.gate.signatures import SignatureFinder
from proxy.upstream.port import MAX_REFERRERS
from scanning.oci.manifest import Manifest
from scanning.oci.names import Repository
from storage import manifests
from storage.database import Database

_MOST_BYTES = 8 << 20
"""Of all manifests that refer to one, together: `MAX_REFERRERS` of 32 KiB, where one of cosign's has less than one."""
_KEPT_FOR_SIGNERS = 8
"""One of so many places, and of so many bytes."""


class Referrers:
    """What may come to refer to manifests."""

    def __init__(
        self,
        database: Database,
        signatures: SignatureFinder,
        policy: Callable[[], PolicyInForce],
        advisories: AdvisoryDesk,
        clock: Clock,
    ) -> None:
        self._database = database
        self._signatures = signatures
        self._policy = policy
        self._advisories = advisories
        self._clock = clock

    async def check_room(self, repository: Repository, manifest: Manifest) -> bool:
        """Return if `manifest` may join what refers to its subject, and whether it is to be vouched for. Call it in the
        turn of `repository`.

        Raises `DeniedError`, and the `UpstreamError` and `StorageError` families.
        """
        if manifest.subject is None:
            return False
        subject = manifest.subject.digest
        async with self._database.snapshot() as tx:
            count, size = await manifests.weight_of_referrers(tx, repository, subject, without=manifest.digest)
            is_there = await manifests.find(tx, repository, manifest.digest) is not None
        now = await self._advisories.now(self._clock())
        is_first = await self._signatures.is_first_of_signer(repository, manifest, self._policy().policy.signers, now)
        kept = 0 if is_first else _KEPT_FOR_SIGNERS
        most, most_bytes = _without(MAX_REFERRERS, kept), _without(_MOST_BYTES, kept)
        if not is_there and (count >= most or size + manifest.size > most_bytes):
            raise DeniedError(
                f"{count} manifests of {size} bytes refer to {repository}@{subject} already; with this one there would"
                f" be more than the {most}, of {most_bytes} bytes together, that may, since all are read when it is"
                " judged: have an administrator delete those that nobody needs"
            )
        return is_first


def _without(most: int, kept: int) -> int:
    return most - most // kept if kept else most
