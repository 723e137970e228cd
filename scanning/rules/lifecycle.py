"""Distributions that are no longer supported (H12)."""

from config.vocabulary import Effect
from scanning.hardening.catalogue import CHECKS
from scanning.rules.question import Answers, Question
from scanning.verdict import Cause, Violation

_ENDED = CHECKS["H12"]


def end_of_life(question: Question) -> Answers:
    """`deny.end_of_life`: the release of the distribution is still supported at the time of judging."""
    denied, facts = question.rule.deny.end_of_life, question.case.facts
    if denied is None or facts is None or facts.distribution is None:
        return
    system, release = facts.distribution, question.case.advisories.release
    name = system.pretty_name or f"{system.id} {system.version_id}".strip()
    if release is None:
        yield Violation(
            "deny.end_of_life",
            Effect.WARN,
            name,
            system.path,
            "no data says how long this release is supported",
            "ask an admin to import some: imagegate feeds update",
            cause=Cause.NO_LIFECYCLE,
        )
        return
    end = release.end(denied.support)
    if end.is_over(question.now.date()):
        when = f" on {end.day}" if end.day else ""
        yield Violation(
            "deny.end_of_life",
            denied.effect,
            name,
            system.path,
            f"its {denied.support} support ended{when}: {_ENDED.why}",
            _ENDED.fix,
            _ENDED.id,
        )
