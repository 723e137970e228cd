"""A verdict as text for a person: what was decided, why, what to do, and what it was made of."""

import textwrap
from collections.abc import Iterator

from config.vocabulary import Mode
from scanning.verdict import Outcome, Verdict, Violation
from storage.printable import printable

_HEADLINES = {
    Outcome.ADMIT: "ADMITTED",
    Outcome.QUARANTINE: "IN QUARANTINE: only those who may push can pull it",
    Outcome.REJECT: "REFUSED",
}
_WIDTH = 110


def report(verdict: Verdict) -> str:
    """All of a verdict, several lines, printable whatever an image put into it."""
    return "\n".join(printable(line) for line in _lines(verdict)) + "\n"


def headline(verdict: Verdict) -> str:
    """What was decided, in one line."""
    said = _HEADLINES[verdict.outcome]
    return f"{said} (audit mode: let through and recorded)" if verdict.mode is Mode.AUDIT else said


def _lines(verdict: Verdict) -> Iterator[str]:
    yield headline(verdict)
    yield ""
    yield f"  {verdict.kind:<12} {verdict.repository}@{verdict.digest}"
    if verdict.tag:
        yield f"  {'under the tag':<12} {verdict.tag}"
    yield f"  {'verdict':<12} {verdict.id}, {verdict.judged_at:%Y-%m-%d %H:%M:%S} UTC"
    yield f"  {'seen':<12} {', '.join(f'{name} {count}' for name, count in verdict.counts) or 'nothing to inspect'}"
    yield f"  {'policy':<12} {verdict.inputs.policy}"
    yield f"  {'advisories':<12} {verdict.inputs.snapshot or 'none'}"
    yield f"  {'facts':<12} {verdict.inputs.facts or 'none'}"
    if verdict.base:
        yield f"  {'base image':<12} {verdict.base}, approved"
    yield from _section("Why", verdict.violations)
    yield from _section("Warnings", verdict.warnings)
    if verdict.waived:
        yield ""
        yield "Accepted by a waiver"
        yield from (f"  {subject}" for subject in verdict.waived)


def _section(title: str, violations: tuple[Violation, ...]) -> Iterator[str]:
    if not violations:
        return
    yield ""
    yield f"{title} ({len(violations)})"
    for number, violation in enumerate(violations, 1):
        place = f" in {violation.place}" if violation.place else ""
        yield f"  {number}. {violation.subject}{place}"
        yield from _wrapped(f"{violation.why} [{violation.rule}: {violation.effect}]")
        yield from _wrapped(f"fix: {violation.remedy}")


def _wrapped(text: str) -> list[str]:
    return textwrap.wrap(text, _WIDTH, initial_indent="     ", subsequent_indent="     ", break_on_hyphens=False)
