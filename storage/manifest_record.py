"""What is on record of one manifest. A value: whoever has one needs no database."""

from dataclasses import dataclass
from datetime import datetime

from scanning.oci.digest import Digest
from scanning.oci.manifest import ManifestKind
from scanning.oci.names import Repository


@dataclass(frozen=True, slots=True)
class ManifestRecord:
    """A manifest in a repository. `held` says that the gate alone keeps it: the upstream does not have it.

    `facts` names the document with what was found in an image; `seen_at` is when the upstream was last known to have
    the manifest, None where that is not known. `vouched` marks a signature that a signer of the policy made, when
    nothing else beside its subject was by that signer.
    """

    repository: Repository
    digest: Digest
    media_type: str
    kind: ManifestKind
    body: bytes
    held: bool
    subject: Digest | None
    artifact_type: str
    facts: Digest | None
    first_seen: datetime
    seen_at: datetime | None = None
    vouched: bool = False
