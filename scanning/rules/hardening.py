"""How an image is built, and whom it runs as."""

from scanning.hardening.catalogue import CHECKS
from scanning.rules.question import Answers, Question
from scanning.verdict import Violation


def root_user(question: Question) -> Answers:
    """`deny.root_user`: the image names an unprivileged user."""
    denied, facts = question.rule.deny.root_user, question.case.facts
    if denied and facts and facts.artifact is None and facts.runs_as_root:
        yield Violation(
            "deny.root_user",
            denied.effect,
            f"user {facts.user!r}" if facts.user else "no user",
            "the image configuration",
            "its process starts as root",
            "add a USER instruction with an unprivileged account",
        )


def hardening(question: Question) -> Answers:
    """`deny.hardening`: no weakness of the given gravity in how the image is built, worst first."""
    denied, facts = question.rule.deny.hardening, question.case.facts
    if denied is None or facts is None or facts.artifact is not None:
        return
    found = [(CHECKS[weakness.check], weakness) for weakness in facts.weaknesses]
    for check, weakness in sorted(found, key=lambda pair: (-pair[0].gravity.rank, pair[0].id, pair[1].where)):
        if check.gravity.rank < denied.gravity.rank or check.id in denied.ignore:
            continue
        if check.id == "H16" and weakness.where in denied.allow_setuid:
            continue
        yield Violation(
            "deny.hardening",
            denied.effect,
            f"{check.id} {check.title}",
            weakness.where,
            f"{weakness.detail}: {check.why}",
            check.fix,
        )
