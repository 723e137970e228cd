"""What a tag has meant before."""

from collections.abc import Iterable

from config.vocabulary import Effect
from config.wording import counted
from scanning.downgrades import Doubt, Regression, regressions
from scanning.facts import ImageFacts
from scanning.rules.question import Answers, Question, Waived
from scanning.verdict import Violation

_SHOWN = 4


def downgrade(question: Question) -> Answers:
    """`tags.downgrade`: no package is older than the tag has had it (the image is pushed under a tag then)."""
    denied, facts, former = question.rule.tags.downgrade, question.case.facts, question.case.former
    if denied is None or facts is None or former is None:
        return
    found: dict[Doubt, list[Regression]] = {}
    for regression in regressions(facts, former):
        if any(pattern.matches(regression.package.purl) for pattern in denied.allow):
            continue
        if question.package_waived(regression.package):
            yield Waived(f"{regression} under the tag {former.tag}")
            continue
        found.setdefault(regression.doubt, []).append(regression)
    said = {
        Doubt.OLDER: ("the tag {tag} has had newer versions", denied.effect),
        Doubt.UNREADABLE: ("whether that is newer than the tag {tag} has had cannot be told", denied.effect),
        Doubt.UNORDERED: ("nothing is known of the order of such versions, so they may be older", Effect.WARN),
    }
    for doubt, (why, effect) in said.items():
        if doubt in found:
            yield _violation(facts, found[doubt], why.format(tag=former.tag), effect)


def _violation(facts: ImageFacts, listed: list[Regression], why: str, effect: Effect) -> Violation:
    shown = ", ".join(map(str, listed[:_SHOWN]))
    more = f" and {counted(len(listed) - _SHOWN, 'more package')}" if len(listed) > _SHOWN else ""
    layers = {regression.package.layer for regression in listed}
    layer = layers.pop() if len(layers) == 1 else None
    return Violation(
        "tags.downgrade",
        effect,
        f"{shown}{more}",
        _only(regression.package.path for regression in listed),
        why,
        "build it with newer packages (docker build --pull --no-cache takes the newest base), push it under another"
        " tag, or ask an admin for a waiver of these packages",
        layer=layer,
        created_by=facts.step_of(layer),
        purl=listed[0].package.purl if len(listed) == 1 else "",
    )


def _only(paths: Iterable[str]) -> str:
    """The one place there is, "" where there are several."""
    different = set(paths)
    return different.pop() if len(different) == 1 else ""
