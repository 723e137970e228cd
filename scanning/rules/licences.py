"""Under which licences packages may be used."""

from config.patterns import PurlPattern
from config.vocabulary import Effect
from scanning.facts import Package
from scanning.licences import allows, forbids, names, permitted
from scanning.packages.licences import MAX_LICENCES
from scanning.rules.question import Answers, Question, Waived
from scanning.verdict import Violation


def denied_licences(question: Question) -> Answers:
    """`deny.licences`: no package that can be used under none but the denied licences."""
    denied = question.rule.deny.licences
    if denied is None:
        return
    refuses_unknown = denied.unknown == "deny"
    permits = forbids(denied.names, unknown=refuses_unknown)
    for package in _in_question(question, denied.exempt):
        if package.licences and not permitted(package.licences, permits):
            why = f"its licence is {names(package.licences)}, which the policy denies or does not know"
            if not refuses_unknown:
                why = f"it cannot be used without a licence that the policy denies ({names(package.licences)})"
            yield _answer(question, "deny.licences", denied.effect, package, why)
        elif refuses_unknown and (untold := _untold(package)):
            yield _answer(question, "deny.licences", denied.effect, package, untold)


def allowed_licences(question: Question) -> Answers:
    """`require.licences`: every package can be used under the allowed licences."""
    required = question.rule.require.licences
    if required is None:
        return
    accepts_unknown = required.unknown == "allow"
    permits = allows(required.allowed, unknown=accepts_unknown)
    for package in _in_question(question, required.exempt):
        if package.licences and not permitted(package.licences, permits):
            why = f"it cannot be used under allowed licences alone ({names(package.licences)})"
            yield _answer(question, "require.licences", required.effect, package, why)
        elif not accepts_unknown and (untold := _untold(package)):
            yield _answer(question, "require.licences", required.effect, package, untold)


def _in_question(question: Question, exempt: tuple[PurlPattern, ...]) -> tuple[Package, ...]:
    facts = question.case.facts
    if facts is None:
        return ()
    return tuple(package for package in facts.packages if not any(one.matches(package.purl) for one in exempt))


def _untold(package: Package) -> str:
    """Why the licences of a package are not, or not all, known; "" if they are."""
    if not package.licences:
        return "it does not tell its licence"
    if len(package.licences) >= MAX_LICENCES:
        return f"it tells of more licences than the first {MAX_LICENCES}, which are all that is read"
    return ""


def _answer(question: Question, rule: str, effect: Effect, package: Package, why: str) -> Violation | Waived:
    if question.package_waived(package):
        return Waived(package.purl)
    facts = question.case.facts
    return Violation(
        rule,
        effect,
        f"{package.name} {package.version}",
        package.path,
        why,
        f"use another package than {package.name}, or ask an admin to exempt it from {rule}",
        layer=package.layer,
        created_by=facts.step_of(package.layer) if facts else "",
        purl=package.purl,
    )
