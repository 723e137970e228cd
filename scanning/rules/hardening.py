"""How an image is built, and whom it runs as."""

from collections.abc import Collection

from config.policy import DenyHardening
from scanning.facts import Weakness
from scanning.hardening.belongings import changed_weaknesses, replaced_weaknesses, unowned_weaknesses
from scanning.hardening.catalogue import CHECKS
from scanning.rules.question import Answers, Question
from scanning.verdict import Violation

_ROOT = frozenset({"", "0", "root"})


def root_user(question: Question) -> Answers:
    """`deny.root_user`: the image names an unprivileged user."""
    denied, facts = question.rule.deny.root_user, question.case.facts
    if denied and facts and facts.artifact is None and facts.runs_as_root:
        is_named_so = facts.user.partition(":")[0] in _ROOT
        yield Violation(
            "deny.root_user",
            denied.effect,
            f"user {facts.user!r}" if facts.user else "no user",
            "the image configuration",
            "its process starts as root" if is_named_so else "etc/passwd gives it no uid above 0, so it counts as root",
            "add a USER instruction with an unprivileged account"
            if is_named_so
            else "add the account to the image, or name a uid: USER 1000",
            "H01",
        )


def hardening(question: Question) -> Answers:
    """`deny.hardening`: no weakness of the given gravity in how the image is built, worst first."""
    denied, facts = question.rule.deny.hardening, question.case.facts
    if denied is None or facts is None or facts.artifact is not None:
        return
    expected = denied.allow_unowned
    unowned = [file for file in facts.unowned if not any(pattern.matches(file.path) for pattern in expected)]
    heritage = question.case.heritage
    found = (
        *facts.weaknesses,
        *unowned_weaknesses(unowned),
        *changed_weaknesses(facts.changed),
        *replaced_weaknesses(heritage.replaced(facts.replaced), heritage.name),
    )
    for weakness in sorted(found, key=lambda one: (-_rank(one), one.check, one.where)):
        check = CHECKS[weakness.check]
        if _rank(weakness) < denied.gravity.rank or check.id in denied.ignore:
            continue
        if weakness.where in _allowed(denied, check.id):
            continue
        yield Violation(
            "deny.hardening",
            denied.effect,
            f"{check.id} {check.title}",
            weakness.where,
            f"{weakness.detail}: {check.why}",
            check.fix,
            check.id,
            weakness.layer,
            facts.step_of(weakness.layer),
        )


def _rank(weakness: Weakness) -> int:
    gravity = weakness.gravity or CHECKS[weakness.check].gravity
    return gravity.rank if gravity else 0


def _allowed(denied: DenyHardening, check: str) -> Collection[str]:
    """The paths at which the policy expects what `check` finds."""
    match check:
        case "H16":
            return denied.allow_setuid
        case "H17":
            return denied.allow_capabilities
    return ()
