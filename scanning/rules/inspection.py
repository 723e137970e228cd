"""What could not be inspected."""

from collections.abc import Iterable

from config.vocabulary import Effect
from config.wording import counted
from scanning.facts import ImageFacts, LayerRefusal
from scanning.hardening.catalogue import CHECKS
from scanning.packages.distribution import contradicted
from scanning.packages.purl import DISTRIBUTED
from scanning.rules.question import Answers, Question
from scanning.verdict import Cause, Violation

_AMBIGUOUS = CHECKS["H26"]


def uninspected(question: Question) -> Answers:
    """What could not be read is refused, whatever the policy says."""
    facts = question.case.facts
    yield from _refused((*facts.refusals, *question.case.malware.refusals), facts) if facts else ()
    for problem in facts.problems if facts else ():
        yield Violation(
            "inspection",
            Effect.REJECT,
            str(question.case.manifest.kind),
            "",
            f"it cannot be inspected: {problem}",
            "build it again so that every layer and archive has one unambiguous meaning",
        )
    nameless = [package for package in facts.packages if package.type in DISTRIBUTED] if facts else []
    if facts and nameless and facts.distribution is None:
        yield Violation(
            "inspection",
            Effect.REJECT,
            counted(len(nameless), "package of a distribution", "packages of a distribution"),
            nameless[0].path,
            "no os-release says which distribution, so no advisory can be matched",
            "keep etc/os-release in the image",
            cause=Cause.NO_RELEASE,
        )
    if facts and (contradiction := contradicted(facts.distribution, facts.packages)):
        yield Violation(
            "inspection",
            Effect.REJECT,
            "the distribution",
            "etc/os-release",
            f"it says {contradiction.claimed}, but {contradiction.package.name} {contradiction.package.version} is"
            f" installed, which is of {contradiction.actual}, so advisories would be matched with the wrong release",
            "leave etc/os-release as the distribution's package installs it",
            cause=Cause.WRONG_RELEASE,
        )
    if facts and facts.executables and not facts.packages:
        yield Violation(
            "inspection",
            Effect.WARN,
            counted(facts.executables, "executable file"),
            "",
            "no package database tells where they come from, so advisories cannot be matched",
            "build on a base image with a package database",
            cause=Cause.NO_PACKAGE_DATABASE,
        )


def _refused(refusals: Iterable[LayerRefusal], facts: ImageFacts) -> Answers:
    for refusal in refusals:
        entry = repr(refusal.entry) if refusal.entry else ""
        offset = f"byte {refusal.offset}" if refusal.offset is not None else ""
        yield Violation(
            "inspection",
            Effect.REJECT,
            f"{_AMBIGUOUS.id} {_AMBIGUOUS.title}",
            " at ".join(part for part in (entry, offset) if part),
            f"it cannot be inspected: {refusal.reason}",
            _AMBIGUOUS.fix,
            _AMBIGUOUS.id,
            refusal.digest,
            facts.step_of(refusal.digest),
        )
