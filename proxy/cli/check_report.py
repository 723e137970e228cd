"""What `imagegate check` prints for people: the report of a verdict that is not on record."""

from collections.abc import Iterator, Sequence

from proxy.gate.judgement import Judgement
from proxy.gate.report import Basis, Explained, report
from scanning.verdict import Outcome

_MOST_ITEMS = 20


def check_report(judgement: Judgement, notes: Sequence[str], width: int) -> str:
    """All of it, in lines of at most `width` columns where words allow; `notes` say what was not asked."""
    return report(tuple(_parts(judgement)), _basis(judgement, notes), width=width, most=_MOST_ITEMS)


def is_admitted(judgement: Judgement) -> bool:
    """Whether it can be pushed with all that it lists. An index is as good as its images; what else it lists is judged
    by itself, and pushed by itself.
    """
    return all(part.verdict.outcome is Outcome.ADMIT for part in _parts(judgement))


def _parts(judgement: Judgement) -> Iterator[Explained]:
    """Itself, every image that an index lists, and what else of it is not admitted."""
    yield Explained(judgement.verdict, judgement.case)
    for child in judgement.children:
        if child.verdict.runnable or child.verdict.outcome is not Outcome.ADMIT:
            yield from _parts(child)


def _basis(judgement: Judgement, notes: Sequence[str]) -> Basis:
    policy, basis, verdict = judgement.policy.policy, judgement.case.advisories.basis, judgement.verdict
    pattern = policy.pattern_for(verdict.repository)
    rule = f"its rule for {pattern}" if pattern else "which has no rule for this repository"
    if basis.fetched_at is None:
        data = "none here, so vulnerable packages are not found: imagegate feeds update"
    else:
        data = f"of {basis.fetched_at:%Y-%m-%d %H:%M} UTC: {', '.join(basis.ecosystems) or 'nothing for its packages'}"
    return Basis(
        "Judged by",
        (
            ("policy", f"{policy.name}, {rule}"),
            ("advisories", data),
            *(("signature", str(signature.signer)) for signature in judgement.case.signatures.verified),
            *(("waived", subject) for subject in verdict.waived),
            *(("note", note) for note in notes),
        ),
    )
