"""The whole document: signers, rules and waivers, consistent with each other."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Literal, Self

from pydantic import Field, model_validator

from config.by_repository import pattern_for, the_one_for, ties
from config.errors import Location, MisplacedValueError
from config.patterns import RepositoryPattern
from config.policy.model import Document
from config.policy.rule import RepositoryRule
from config.policy.signers import Signer
from config.policy.waivers import Waiver
from config.vocabulary import ArtifactKind


class Policy(Document):
    """The whole document."""

    version: Literal[1] = Field(description="The version of this format.")
    name: str = Field("custom", description="Shown in verdicts.", min_length=1)
    signers: Mapping[str, Signer] = Field(default_factory=dict, description="Who can sign, by name.")
    rules: tuple[RepositoryRule, ...] = Field(description="One rule per set of repositories.", min_length=1)
    waivers: tuple[Waiver, ...] = Field((), description="Exceptions, each with author, reason and end.")

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        mistakes = [*self._unknown_signers(), *ties("rules", self.rules), *self._sboms_refused()]
        if mistakes:
            raise MisplacedValueError(mistakes)
        return self

    def _unknown_signers(self) -> Iterator[tuple[Location, str]]:
        for number, rule in enumerate(self.rules):
            wanted = rule.require.signatures
            if wanted is None:
                continue
            place: Location = ("rules", number, "require", "signatures")
            for name in sorted(set(wanted.of) - set(self.signers)):
                yield (*place, "of"), f"{name!r} is not among signers; add its key there or correct the name"
            if wanted.of and wanted.threshold > len(set(wanted.of)):
                yield (
                    (*place, "threshold"),
                    f"{wanted.threshold} signers are needed and {len(set(wanted.of))} named; nobody can satisfy it",
                )

    def _sboms_refused(self) -> Iterator[tuple[Location, str]]:
        for number, rule in enumerate(self.rules):
            if rule.sbom.attach and rule.artifacts is not True and ArtifactKind.SBOM not in (rule.artifacts or ()):
                yield (
                    ("rules", number, "sbom", "attach"),
                    "this rule does not allow artifacts of the kind sbom, so none can be attached; add it to artifacts",
                )

    def pattern_for(self, repository: str) -> RepositoryPattern | None:
        """The most specific pattern that covers `repository`; None if none does."""
        return pattern_for(self.rules, repository)

    def rule_for(self, repository: str) -> RepositoryRule | None:
        """The rule with the most specific pattern for `repository`; None if none covers it."""
        return the_one_for(self.rules, repository)

    def with_waivers(self, more: tuple[Waiver, ...]) -> Self:
        """The same policy with more waivers, which stand elsewhere."""
        return self.model_copy(update={"waivers": (*self.waivers, *more)}) if more else self

    def without_waivers(self) -> Self:
        """The same policy without any waiver."""
        return self.model_copy(update={"waivers": ()}) if self.waivers else self

    def waivers_for(self, repository: str, digest: str, now: datetime) -> tuple[Waiver, ...]:
        """The waivers in force for one manifest at `now`."""
        return tuple(
            waiver
            for waiver in self.waivers
            if waiver.expires > now and waiver.digest in ("", digest) and waiver.holds_in(repository)
        )
