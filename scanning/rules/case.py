"""Everything that is known about one manifest, as the rules look at it."""

from dataclasses import dataclass, field

from scanning.advisories.model import AdvisoryBasis, AdvisoryReport
from scanning.approvals import Approvals
from scanning.downgrades import FormerPackages
from scanning.facts import ImageFacts
from scanning.heritage import Heritage, trace
from scanning.malware import MalwareReport
from scanning.oci.manifest import Manifest, ManifestKind
from scanning.sightings import Sightings
from scanning.signatures.model import SignatureReport
from scanning.verdict import Verdict, VerdictInputs


@dataclass(frozen=True, slots=True)
class Case:
    """Everything that is known about one manifest in one repository.

    `facts` and `advisories` are there for images and artifacts, `children` (the verdicts of its images) for indexes.
    `former` is what a tag has had, where it is asked whether the tag may mean the manifest.
    `sightings` is None where there are no records of a gate. `malware` is what scanners said of its blobs.
    """

    repository: str
    manifest: Manifest
    signatures: SignatureReport
    inputs: VerdictInputs
    facts: ImageFacts | None = None
    advisories: AdvisoryReport = field(default_factory=lambda: AdvisoryReport(AdvisoryBasis()))
    children: tuple[Verdict, ...] = ()
    approvals: Approvals = field(default_factory=Approvals)
    former: FormerPackages | None = None
    sightings: Sightings | None = None
    malware: MalwareReport = field(default_factory=MalwareReport)

    @property
    def runnable(self) -> bool:
        """Whether somebody could run it: an image, an index that lists images, an artifact that holds programs."""
        is_image = self.manifest.kind is ManifestKind.IMAGE
        return is_image or bool(self.children) or (self.facts is not None and self.facts.holds_programs)

    @property
    def heritage(self) -> Heritage:
        """What it has from an approved base image."""
        if self.facts is None or self.facts.artifact is not None:
            return Heritage()
        return trace(self.facts, self.approvals.bases_for(self.repository))
