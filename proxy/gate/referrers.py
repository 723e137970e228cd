"""How much may refer to one manifest: no more than is read again whenever that is judged (threat 58).

Whoever may push can refer to any image of the repository. Were there more of that than an upstream is asked for, the
image could not be judged any more, and nobody could pull it; so whoever comes too late is refused.
"""

from proxy.errors import DeniedError
from proxy.upstream.port import MAX_REFERRERS
from scanning.oci.manifest import Manifest
from scanning.oci.names import Repository
from storage import manifests
from storage.database import Database

_MOST_BYTES = 8 << 20
"""Of all manifests that refer to one, together: `MAX_REFERRERS` of 32 KiB, where one of cosign's has less than one."""


async def check_room(database: Database, repository: Repository, manifest: Manifest) -> None:
    """Return if `manifest` may join what refers to its subject. Call it in the turn of `repository`.

    Raises `DeniedError`, and the `StorageError` family.
    """
    if manifest.subject is None:
        return
    subject = manifest.subject.digest
    async with database.snapshot() as tx:
        count, size = await manifests.weight_of_referrers(tx, repository, subject, without=manifest.digest)
    if count >= MAX_REFERRERS or size + manifest.size > _MOST_BYTES:
        raise DeniedError(
            f"{count} manifests of {size} bytes refer to {repository}@{subject} already; with this one there would be"
            f" more than the {MAX_REFERRERS}, of {_MOST_BYTES} bytes together, that are read when it is judged: have an"
            " administrator delete those that nobody needs"
        )
