"""The base image that an image is built on (H02)."""

from config.wording import counted
from scanning.hardening.catalogue import CHECKS
from scanning.heritage import Nearest, nearest, trace
from scanning.rules.question import Answers, Question
from scanning.verdict import Violation

_SHOWN = 3


def base(question: Question) -> Answers:
    """`require.base`: the image's layers begin with those of an approved base image."""
    required, facts = question.rule.require.base, question.case.facts
    if required is None or facts is None or facts.artifact is not None or not facts.diff_ids:
        return
    counted = [
        base
        for base in question.case.approvals.bases_for(question.case.repository)
        if any(pattern.matches(base.content.repository) for pattern in required.of)
    ]
    if trace(facts, counted).base is not None:
        return
    check, found = CHECKS["H02"], nearest(facts, counted)
    first = min(found.shared_layers if found else 0, len(facts.diff_ids) - 1)
    yield Violation(
        "require.base",
        required.effect,
        f"{check.id} {check.title}",
        "",
        _difference(found) if found else "no base image is approved for this repository",
        check.fix if found else "ask an admin to approve its base image: imagegate base approve IMAGE",
        check.id,
        facts.layers[first],
        facts.step_of(facts.layers[first]),
    )


def _difference(found: Nearest) -> str:
    base, layers = found.base, counted(len(found.base.content.diff_ids), "layer")
    has = f"the first {found.shared_layers}" if found.shared_layers else "none"
    said = f"the nearest approved base is {base.name}, and it begins with {has} of that image's {layers}"
    if not found.missing:
        return f"{said}; it has all of its packages"
    shown = ", ".join(_plain(purl) for purl in found.missing[:_SHOWN])
    more = f" and {len(found.missing) - _SHOWN} more" if len(found.missing) > _SHOWN else ""
    return f"{said}; of its {counted(len(base.packages), 'package')} it lacks, or has in another version: {shown}{more}"


def _plain(purl: str) -> str:
    return purl.partition("?")[0].removeprefix("pkg:")
