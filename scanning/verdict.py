"""The verdict: what the gate decided about one manifest in one repository, why, and from what."""

import re
from dataclasses import dataclass, fields
from datetime import datetime
from enum import StrEnum

from config.vocabulary import Effect, Mode
from scanning.oci.digest import Digest
from scanning.oci.manifest import ManifestKind

_STEP_SHOWN = 60
_ONE_OF_MANY = re.compile(r"\b1 ((?:more |executable )?)(package|file)s\b")


class Outcome(StrEnum):
    """What a verdict allows, from best to worst."""

    ADMIT = "admit"
    QUARANTINE = "quarantine"
    """Kept for those who may push, invisible to everyone else."""
    REJECT = "reject"


class Cause(StrEnum):
    """What a rule found amiss, where it can find different things and each is mended in its own way. Verdicts on record
    hold these words.
    """

    NO_RELEASE = "no-release"
    """Nothing says which distribution it is."""
    WRONG_RELEASE = "wrong-release"
    """It says another distribution than is installed."""
    NO_PACKAGE_DATABASE = "no-package-database"
    NO_LIFECYCLE = "no-lifecycle"
    """No data says how long its release is supported."""
    NO_ECOSYSTEM = "no-ecosystem"
    """No feed will ever speak of what it holds."""
    UNCOVERED_DISTRIBUTION = "uncovered-distribution"
    """No feed speaks of its distribution."""
    NO_SIGHTINGS = "no-sightings"
    """There are no records of a gate that say since when a package is known."""
    UNPACKAGED = "unpackaged"
    """No package brings it, or what a package brought was replaced."""
    NO_SIGNER = "no-signer"
    """Nobody's signature would do."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One rule that is not kept.

    `rule` is its place in the policy (`deny.tools`, `require.signatures`) or `inspection` for what cannot be
    read. `subject` names the thing (package and version, tool, finding), `where` the path, `fix` what to do.
    `check` is its id in docs/checks.md, `layer` the one it lies in, `created_by` the build step that made that layer:
    each "" or None where there is none or it is not known.
    """

    rule: str
    effect: Effect
    subject: str
    where: str
    why: str
    fix: str
    check: str = ""
    layer: Digest | None = None
    created_by: str = ""
    purl: str = ""
    """The package it is about."""
    base: str = ""
    """The approved base image that the image is built on, where it is known which of the two brought this."""
    inherited: bool = False
    """Whether the base brought it."""
    cause: Cause | None = None
    """Which of its findings the rule tells of, where it has several."""

    @property
    def remedy(self) -> str:
        """What to do, and whose it is where that is known: another base image, or other lines in the build file."""
        if not self.base:
            return self.fix
        if self.inherited:
            return f"it comes from the base image {self.base}: build on a newer one without it, or {self.fix}"
        return f"this image adds it to {self.base}: {self.fix}"

    @property
    def place(self) -> str:
        """Where it is, as a part of a sentence: the path, its layer and the build step that made it."""
        layer = f"layer {self.layer.short}" if self.layer else ""
        place = " of ".join(part for part in (self.where, layer) if part)
        if not self.created_by:
            return place
        step = self.created_by if len(self.created_by) <= _STEP_SHOWN else f"{self.created_by[: _STEP_SHOWN - 1]}…"
        return f"{place} ({step})"

    @property
    def sentence(self) -> str:
        """All of it in one line, for a client that shows only one."""
        place = f" in {self.place}" if self.place else ""
        return f"{self.subject}{place}: {self.why} [{self.rule}]; {self.remedy}"


@dataclass(frozen=True, slots=True)
class VerdictInputs:
    """Everything a verdict was made of, by digest, so that it can be made again.

    `facts` is None for indexes and signatures; `children` are the verdict ids of an index's images; `approvals` is
    None where nothing is approved; `former` names the packages that a tag has had, in a verdict on an image under it;
    `malware` is what scanners said, None where there is nothing to tell; `policy_here` is the policy without
    exceptions for other repositories only, whose coming and going leaves the verdict as it is.
    """

    manifest: Digest
    media_type: str
    policy: Digest
    signatures: Digest
    facts: Digest | None = None
    snapshot: Digest | None = None
    children: tuple[str, ...] = ()
    approvals: Digest | None = None
    former: Digest | None = None
    sightings: Digest | None = None
    malware: Digest | None = None
    policy_here: Digest | None = None

    @property
    def documents(self) -> tuple[Digest, ...]:
        """All of them that are documents: the advisory snapshot is kept elsewhere, children are verdicts, and
        `policy_here` is a part of `policy`.
        """
        named = (getattr(self, field.name) for field in fields(self) if field.name not in ("snapshot", "policy_here"))
        return tuple(value for value in named if isinstance(value, Digest))


@dataclass(frozen=True, slots=True)
class Verdict:
    """A decision. Append-only: a new one is made, an old one is never changed.

    `valid_until` is when time alone could change the answer (a waiver ends, advisory data grows stale), None
    if it cannot. `counts` sums up what was seen (packages, findings, tools …).
    """

    id: str
    repository: str
    digest: Digest
    kind: ManifestKind
    outcome: Outcome
    mode: Mode
    violations: tuple[Violation, ...]
    warnings: tuple[Violation, ...]
    waived: tuple[str, ...]
    counts: tuple[tuple[str, int], ...]
    inputs: VerdictInputs
    judged_at: datetime
    valid_until: datetime | None = None
    runnable: bool = False
    """Whether somebody could run it: an image, an index that lists images, an artifact that holds programs."""
    base: str = ""
    """The approved base image it is built on, as people call it."""
    tag: str = ""
    """The tag it was judged under, where that made a difference: it says nothing of the image elsewhere."""

    @property
    def decision(self) -> tuple[object, ...]:
        """What was decided and by which rules about what: equal where two versions only tell or number it otherwise."""
        told = (self.violations, self.warnings)
        reasons = (tuple(sorted((each.rule, each.effect, _about(each.subject)) for each in some)) for some in told)
        return self.outcome, self.mode, tuple(sorted(self.waived)), *reasons

    @property
    def enforced(self) -> Outcome:
        """What the gate does: in audit mode everything passes, and the record says what would have been."""
        return Outcome.ADMIT if self.mode is Mode.AUDIT else self.outcome


def _about(subject: str) -> str:
    """What a reason is about, as it is told today: older versions of imagegate told of "1 packages"."""
    return _ONE_OF_MANY.sub(r"1 \1\2", subject)
