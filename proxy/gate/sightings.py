"""When the packages of an image were first seen here, for rules that want them to have been around for a while."""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from config.policy import RepositoryRule
from proxy.gate.knowledge import Knowledge
from scanning.documents import encode
from scanning.facts import ImageFacts
from scanning.oci.digest import Digest
from scanning.oci.names import Repository
from scanning.sightings import Sightings, names, sightings


@dataclass(frozen=True, slots=True)
class Seen:
    """What a verdict is made of, as a value and as the document it names, and what must be `noted` with the verdict.

    Without a rule that asks for it there is no document (b"").
    """

    sightings: Sightings = field(default_factory=Sightings)
    document: bytes = b""
    noted: Mapping[str, datetime] = field(default_factory=dict)

    @property
    def digest(self) -> Digest | None:
        """The document's name."""
        return Digest.of(self.document) if self.document else None


class SightingDesk:
    """Looks up what was seen. It is noted when the verdict is recorded, unless that refuses the image."""

    def __init__(self, knowledge: Knowledge) -> None:
        self._knowledge = knowledge

    async def look(
        self, repository: Repository, digest: Digest, facts: ImageFacts, rule: RepositoryRule | None, now: datetime
    ) -> Seen:
        """Look up the packages of an image that is judged by `rule` at `now`. Raises the `StorageError` family.

        What is on record with no package was seen when its manifest was: it is older than these records. What is on
        record already, and waits for nothing, is not looked up again.
        """
        required = rule.require.minimum_age if rule else None
        purls = await asyncio.to_thread(names, facts.packages)
        known = await self._knowledge.manifest(repository, digest)
        if required is None and known is not None:
            return Seen()
        found = await self._knowledge.seen(purls)
        since = min(known.first_seen, now) if known else now
        times = {purl: found[purl].first if purl in found else since for purl in purls}
        noted = {purl: at for purl, at in times.items() if purl not in found or not found[purl].is_fresh(now)}
        if required is None:
            return Seen(noted=noted)
        young = await asyncio.to_thread(sightings, facts.packages, times, required, now)
        return Seen(young, encode(young), noted)
