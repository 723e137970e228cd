"""Under which licences packages may be used."""

from dataclasses import dataclass

from config.patterns import PurlPattern
from config.vocabulary import Effect
from scanning.facts import Package
from scanning.licences import Permits, allows, forbids, names, permitted
from scanning.packages.licences import MAX_LICENCES
from scanning.rules.question import Answers, Question, Waived
from scanning.verdict import Violation


@dataclass(frozen=True, slots=True)
class _Rule:
    """A rule about licences. `permits` says of one whether it will do, `why` what to say of a package for which none
    does, with `{}` for its licences.
    """

    name: str
    effect: Effect
    exempt: tuple[PurlPattern, ...]
    permits: Permits
    refuses_unknown: bool
    why: str


def denied_licences(question: Question) -> Answers:
    """`deny.licences`: no package that can be used under none but the denied licences."""
    denied = question.rule.deny.licences
    if denied is None:
        return
    refuses_unknown = denied.unknown == "deny"
    permits = forbids(denied.names, unknown=refuses_unknown)
    why = "it cannot be used without a licence that the policy denies ({})"
    if refuses_unknown:
        why = "its licence is {}, which the policy denies or does not know"
    yield from _answers(question, _Rule("deny.licences", denied.effect, denied.exempt, permits, refuses_unknown, why))


def allowed_licences(question: Question) -> Answers:
    """`require.licences`: every package can be used under the allowed licences."""
    required = question.rule.require.licences
    if required is None:
        return
    accepts_unknown = required.unknown == "allow"
    permits = allows(required.allowed, unknown=accepts_unknown)
    why = "it cannot be used under allowed licences alone ({})"
    yield from _answers(
        question, _Rule("require.licences", required.effect, required.exempt, permits, not accepts_unknown, why)
    )


def _answers(question: Question, rule: _Rule) -> Answers:
    facts = question.case.facts
    for package in facts.packages if facts else ():
        if any(one.matches(package.purl) for one in rule.exempt):
            continue
        if package.licences and not permitted(package.licences, rule.permits):
            yield _answer(question, rule, package, rule.why.format(names(package.licences)))
        elif rule.refuses_unknown and (untold := _untold(package)):
            yield _answer(question, rule, package, untold)


def _untold(package: Package) -> str:
    """Why the licences of a package are not, or not all, known; "" if they are."""
    if not package.licences:
        return "it does not tell its licence"
    if len(package.licences) >= MAX_LICENCES:
        return f"it tells of more licences than the first {MAX_LICENCES}, which are all that is read"
    return ""


def _answer(question: Question, rule: _Rule, package: Package, why: str) -> Violation | Waived:
    if question.package_waived(package):
        return Waived(package.purl)
    facts = question.case.facts
    return Violation(
        rule.name,
        rule.effect,
        f"{package.name} {package.version}",
        package.path,
        why,
        f"use another package than {package.name}, or ask an admin to exempt it from {rule.name}",
        layer=package.layer,
        created_by=facts.step_of(package.layer) if facts else "",
        purl=package.purl,
    )
