"""What a bill of materials is about, and how its packages are told apart."""

import uuid
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from packageurl import PackageURL

from scanning.facts import ImageFacts, Package
from scanning.heritage import Heritage
from scanning.oci.names import Repository

_NAMESPACE = uuid.UUID("6f6c1f5e-5d3a-5b0e-9d6e-2f1f5a3c7b11")
"""Of the documents the gate writes (RFC 9562 section 5.5)."""


@dataclass(frozen=True, slots=True)
class Subject:
    """One image of a repository, by its facts. `seen_at` is when the gate first saw it, in UTC, `heritage` what it has
    from an approved base image.
    """

    repository: Repository
    facts: ImageFacts
    seen_at: datetime
    heritage: Heritage = field(default_factory=Heritage)

    @property
    def purl(self) -> str:
        """The image's own package URL (purl specification, type oci)."""
        name = self.repository.name.rpartition("/")[2]
        qualifiers = {"repository_url": self.repository.name}
        if self.facts.platform.architecture:
            qualifiers["arch"] = self.facts.platform.architecture
        return PackageURL("oci", None, name, str(self.facts.manifest), qualifiers).to_string()

    @property
    def serial(self) -> uuid.UUID:
        """The same for the same facts of the same image, and for nothing else."""
        return uuid.uuid5(
            _NAMESPACE, f"{self.repository}@{self.facts.manifest} {self.facts.version} {self.seen_at.isoformat()}"
        )

    def packages(self) -> Iterator[tuple[str, Package]]:
        """Every package with a name of its own: its purl, numbered where several files tell of the same one."""
        seen: Counter[str] = Counter()
        for package in sorted(self.facts.packages, key=lambda one: (one.purl, one.path)):
            seen[package.purl] += 1
            yield (package.purl if seen[package.purl] == 1 else f"{package.purl}#{seen[package.purl]}"), package
