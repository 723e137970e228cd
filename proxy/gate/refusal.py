"""What a client is told: one line that names what, where, why, how to fix it, and where to read more."""

from typing import Any

from proxy.errors import DeniedError
from scanning.oci.names import ImageReference, Reference, Repository
from scanning.verdict import Outcome, Verdict, Violation

_SHOWN = 3
"""Clients print one line; the rest is in the verdict."""
_MOST_CHARACTERS = 1600
_DETAILS = 50


def refuse(verdict: Verdict, repository: Repository, reference: Reference, public_url: str) -> DeniedError:
    """The error for a manifest that must not be pushed, or not be pulled by this caller."""
    return DeniedError(explain(verdict, repository, reference, public_url), detail=_detail(verdict, public_url))


def explain(verdict: Verdict, repository: Repository, reference: Reference, public_url: str) -> str:
    """One line about a verdict that is not `admit`."""
    what = "refused" if verdict.outcome is Outcome.REJECT else "in quarantine, only pushers can pull it"
    name = ImageReference(repository, reference)
    return _one_line(f"{name} is {what}: {_first(verdict.violations)}", _more(verdict, public_url))


def warnings(verdict: Verdict, repository: Repository, reference: Reference, public_url: str) -> tuple[str, ...]:
    """What to tell a pusher whose push was accepted, but."""
    said: list[str] = []
    if verdict.enforced is Outcome.QUARANTINE:
        said.append(explain(verdict, repository, reference, public_url))
    elif verdict.outcome is not Outcome.ADMIT:
        said.append(
            _one_line(
                f"audit mode, would be {verdict.outcome}: {_first(verdict.violations)}",
                _more(verdict, public_url),
            )
        )
    if verdict.warnings:
        said.append(_one_line(f"warning: {_first(verdict.warnings)}", _more(verdict, public_url)))
    return tuple(said)


def uninspected(repository: Repository, reference: Reference, why: str) -> str:
    """What to tell a pusher whose image could not be inspected yet."""
    name = ImageReference(repository, reference)
    return _one_line(
        f"{name} is in quarantine and not judged yet: {why}; it is judged as soon as inspection works again, and nobody"
        " can pull it before",
        f" -- see: imagegate verdict list --repository {repository}",
    )


def _first(violations: tuple[Violation, ...]) -> str:
    said = "; ".join(violation.sentence for violation in violations[:_SHOWN])
    rest = len(violations) - _SHOWN
    return f"{said}; and {rest} more" if rest > 0 else said


def _more(verdict: Verdict, public_url: str) -> str:
    return f" -- see: imagegate verdict show {verdict.id} (or {public_url}/api/v1/verdicts/{verdict.id})"


def _one_line(text: str, more: str) -> str:
    """Printable, and never so long that the way to read more is cut off."""
    line = "".join(character if character.isprintable() else " " for character in text)
    return (line if len(line) <= _MOST_CHARACTERS else line[: _MOST_CHARACTERS - 1] + "…") + more


def _detail(verdict: Verdict, public_url: str) -> dict[str, Any]:
    return {
        "verdict": verdict.id,
        "url": f"{public_url}/api/v1/verdicts/{verdict.id}",
        "outcome": verdict.outcome,
        "violations": [
            {
                "rule": violation.rule,
                "subject": violation.subject,
                "where": violation.where,
                "why": violation.why,
                "fix": violation.remedy,
            }
            for violation in verdict.violations[:_DETAILS]
        ],
    }
