"""Packages that have not been around for long enough."""

from collections.abc import Iterator
from datetime import datetime

from config.durations import format_duration
from config.vocabulary import Effect
from config.wording import counted
from scanning.approvals import plain
from scanning.facts import Package
from scanning.rules.question import Answers, Question, Waived
from scanning.sightings import waiting
from scanning.verdict import Cause, Verdict, Violation

_RULE = "require.minimum_age"


def young_packages(question: Question) -> Iterator[tuple[Package, datetime]]:
    """The packages that were first seen too short a time ago, and when. Those of an approved base, and those that an
    admin approved in this very version, need not wait.
    """
    required, case = question.rule.require.minimum_age, question.case
    if required is None or case.facts is None or case.sightings is None:
        return
    approved, heritage = case.approvals.packages_for(case.repository), case.heritage
    times = {one.purl: one.first_seen for one in case.sightings.young}
    for package in waiting(case.facts.packages, required):
        first_seen = times.get(plain(package.purl))
        if first_seen is None or question.now - first_seen >= required.age or heritage.has(package):
            continue
        if approved.isdisjoint((package.purl, plain(package.purl))):
            yield package, first_seen


def minimum_age(question: Question) -> Answers:
    """`require.minimum_age`: the gate has known every package for a while, in this version."""
    required, facts = question.rule.require.minimum_age, question.case.facts
    if required is None or facts is None:
        return
    if question.case.sightings is None:
        yield from _unknown(question, facts.packages)
        return
    age = format_duration(required.age)
    for package, first_seen in young_packages(question):
        if question.package_waived(package):
            yield Waived(package.purl)
            continue
        is_new = first_seen == question.now
        seen = "it is seen here for the first time" if is_new else f"it was first seen here on {_written(first_seen)}"
        yield Violation(
            _RULE,
            required.effect,
            f"{package.name} {package.version}",
            package.path,
            f"{seen}, and a version must have been known for {age}",
            f"wait until {_written(first_seen + required.age)}, use an older version, or ask an admin to vet this one:"
            " imagegate image vet IMAGE",
            layer=package.layer,
            created_by=facts.step_of(package.layer),
            purl=package.purl,
        )


def is_only_young(verdict: Verdict) -> bool:
    """Whether nothing but the age of its packages refuses an image."""
    return all(one.rule == _RULE for one in verdict.violations if one.effect is Effect.REJECT)


def _unknown(question: Question, packages: tuple[Package, ...]) -> Answers:
    """Without a gate's records nothing can be said, and this is not a gate: it admits nothing."""
    required = question.rule.require.minimum_age
    asked = waiting(packages, required) if required else ()
    if asked:
        yield Violation(
            _RULE,
            Effect.WARN,
            counted(len(asked), "package"),
            "",
            "only a gate knows since when it has seen them, and there are no records of one here",
            "ask on the gate's own machine, or push",
            cause=Cause.NO_SIGHTINGS,
        )


def _written(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M} UTC"
