"""What could not be inspected."""

from config.vocabulary import Effect
from scanning.rules.question import Answers, Question
from scanning.verdict import Violation

_OF_DISTRIBUTIONS = frozenset({"deb", "apk", "rpm", "alpm"})


def uninspected(question: Question) -> Answers:
    """What could not be read is refused, whatever the policy says."""
    facts = question.case.facts
    for problem in facts.problems if facts else ():
        yield Violation(
            "inspection",
            Effect.REJECT,
            str(question.case.manifest.kind),
            "",
            f"it cannot be inspected: {problem}",
            "build it again so that every layer and archive has one unambiguous meaning",
        )
    nameless = [package for package in facts.packages if package.type in _OF_DISTRIBUTIONS] if facts else []
    if facts and nameless and facts.distribution is None:
        yield Violation(
            "inspection",
            Effect.REJECT,
            f"{len(nameless)} packages of a distribution",
            nameless[0].path,
            "no os-release says which distribution, so no advisory can be matched",
            "keep etc/os-release in the image",
        )
    if facts and facts.executables and not facts.packages:
        yield Violation(
            "inspection",
            Effect.WARN,
            f"{facts.executables} executable files",
            "",
            "no package database tells where they come from, so advisories cannot be matched",
            "build on a base image with a package database",
        )
