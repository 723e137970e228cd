"""An index and the images it lists."""

from config.vocabulary import Effect
from scanning.rules.question import Answers, Question
from scanning.verdict import Outcome, Violation


def children(question: Question) -> Answers:
    """An index is as good as the worst image it lists (threat 43)."""
    effects = {Outcome.REJECT: Effect.REJECT, Outcome.QUARANTINE: Effect.QUARANTINE}
    for child in question.case.children:
        for broken in child.violations[:1]:
            yield Violation(
                broken.rule,
                effects[child.outcome],
                broken.subject,
                f"{broken.place} of image {child.digest}" if broken.place else f"image {child.digest}",
                broken.why,
                broken.fix,
                broken.check,
                base=broken.base,
                inherited=broken.inherited,
            )
