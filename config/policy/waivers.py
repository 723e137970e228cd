"""Exceptions."""

from typing import Self

from pydantic import AwareDatetime, Field, model_validator

from config.patterns import PurlPattern, RepositoryPattern
from config.policy.model import Document
from config.vocabulary import ToolKind


class Waiver(Document):
    """An exception: what is accepted for a while. It never covers what cannot be inspected."""

    repositories: tuple[RepositoryPattern, ...] = Field(description="Where it holds.", min_length=1)
    findings: tuple[str, ...] = Field((), description="Advisory or CVE ids that are accepted.")
    packages: tuple[PurlPattern, ...] = Field((), description="Packages that are accepted, denied or unvetted.")
    tools: tuple[ToolKind, ...] = Field((), description="Tools that are accepted.")
    digest: str = Field(
        "", description="Only for this manifest, sha256:….", pattern="^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})?$"
    )
    id: str = Field("", description="Its id, where it is on record beside the policy file.", max_length=32)
    reason: str = Field(description="Why, for the audit.", min_length=1)
    author: str = Field(description="Who decided, for the audit.", min_length=1)
    expires: AwareDatetime = Field(description="When it ends. Every waiver ends.")

    @property
    def covered(self) -> tuple[str, ...]:
        """What it accepts, as people write it."""
        return (*self.findings, *map(str, self.packages), *self.tools)

    def holds_in(self, repository: str) -> bool:
        """Whether it can be of use to an image in `repository`."""
        return any(pattern.matches(repository) for pattern in self.repositories)

    @model_validator(mode="after")
    def _covers_something(self) -> Self:
        if not self.covered:
            raise ValueError("a waiver names what it covers: findings, packages or tools")
        return self
