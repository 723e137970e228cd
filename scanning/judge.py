"""The heart: facts, findings, signatures, policy and a time in; a verdict out. Nothing else is looked at.

1. which rule of the policy covers the repository: none is a refusal
2. what could not be inspected: always a refusal, whatever the rule says
3. what the rule denies, then what it requires, less what a waiver accepts
4. the harshest effect of what is left is the outcome
"""

import base64
import hashlib
from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta

from config.policy import Policy, RepositoryRule, Waiver
from config.vocabulary import Effect, Mode
from scanning.documents import encode
from scanning.rules import RULES
from scanning.rules.advisory_data import needed
from scanning.rules.case import Case
from scanning.rules.question import Question, Waived
from scanning.verdict import Outcome, Verdict, Violation

_OUTCOMES = {Effect.WARN: Outcome.ADMIT, Effect.QUARANTINE: Outcome.QUARANTINE, Effect.REJECT: Outcome.REJECT}
_HARSHEST_FIRST = (Effect.REJECT, Effect.QUARANTINE, Effect.WARN)


def judge(case: Case, policy: Policy, now: datetime) -> Verdict:
    """Decide about `case` under `policy` at `now` (aware). Pure: the same arguments give the same verdict."""
    rule = policy.rule_for(case.repository)
    waivers = policy.waivers_for(case.repository, str(case.manifest.digest), now)
    found: list[Violation] = []
    waived: list[str] = []
    if rule is None:
        found.append(_uncovered(case))
    else:
        question = Question(case, rule, waivers, now)
        for check in RULES:
            for answer in check(question):
                if isinstance(answer, Waived):
                    waived.append(answer.subject)
                else:
                    found.append(answer)
    heritage = case.heritage
    found = [heritage.attribute(violation) for violation in found]
    found.sort(key=lambda violation: _HARSHEST_FIRST.index(violation.effect))
    violations = tuple(violation for violation in found if violation.effect is not Effect.WARN)
    return Verdict(
        id=_identify(case, now),
        repository=case.repository,
        digest=case.manifest.digest,
        kind=case.manifest.kind,
        outcome=_OUTCOMES[violations[0].effect] if violations else Outcome.ADMIT,
        mode=rule.mode if rule else Mode.ENFORCE,
        violations=violations,
        warnings=tuple(violation for violation in found if violation.effect is Effect.WARN),
        waived=tuple(dict.fromkeys(waived)),
        counts=_count(case),
        inputs=case.inputs,
        judged_at=now,
        valid_until=_valid_until(case, policy, rule, waivers, now),
        runnable=case.runnable,
        base=heritage.name,
        tag=case.former.tag if case.former else "",
    )


def _identify(case: Case, now: datetime) -> str:
    """Named by what it was made of: repository, inputs and time."""
    made_of = encode(case.inputs) + case.repository.encode() + now.isoformat().encode()
    return base64.b32encode(hashlib.sha256(made_of).digest())[:16].decode().lower()


def _uncovered(case: Case) -> Violation:
    return Violation(
        "rules",
        Effect.REJECT,
        case.repository,
        "",
        "no rule of the policy covers this repository",
        "use a repository that the policy covers, or ask an admin to add a rule for it",
    )


def _count(case: Case) -> tuple[tuple[str, int], ...]:
    counts = {"signatures": len(case.signatures.verified)}
    if case.facts:
        counts |= {
            "layers": len(case.facts.layers),
            "files": case.facts.files,
            "packages": len(case.facts.packages),
            "tools": len(case.facts.tools),
            "secrets": len(case.facts.secrets),
            "findings": len(case.advisories.findings),
            "unmatched packages": len(case.advisories.unmatched),
        }
    if case.children:
        counts["images"] = len(case.children)
    return tuple(counts.items())


def _valid_until(
    case: Case, policy: Policy, rule: RepositoryRule | None, waivers: Iterable[Waiver], now: datetime
) -> datetime | None:
    """The first moment at which the same inputs could give another answer."""
    moments = [waiver.expires for waiver in waivers]
    moments += [signer.not_after for signer in policy.signers.values() if signer.not_after]
    moments += [child.valid_until for child in case.children if child.valid_until]
    if rule and rule.require.advisories:
        fetched = (data.at for data in needed(rule, case.advisories.basis) if data.at)
        moments += [at + rule.require.advisories.max_age for at in fetched]
    if rule and rule.deny.end_of_life and case.advisories.release:
        last = case.advisories.release.end(rule.deny.end_of_life.support).day
        moments += [datetime.combine(last + timedelta(days=1), time(), UTC)] if last else []
    if rule and rule.require.minimum_age and case.sightings:
        moments += [one.first_seen + rule.require.minimum_age.age for one in case.sightings.young]
    if rule and rule.require.malware_scan and rule.require.malware_scan.max_age and case.malware.oldest:
        moments.append(case.malware.oldest + rule.require.malware_scan.max_age)
    return min((moment for moment in moments if moment > now), default=None)
