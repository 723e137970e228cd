"""A judgement in SARIF 2.1.0 (OASIS), which code hosts show beside the code, as GitHub code scanning does."""

import hashlib
import json
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any
from urllib.parse import quote

from config.vocabulary import Effect, Gravity, Severity
from proxy.gate.judgement import Judgement
from scanning.advisories.model import Finding
from scanning.hardening.catalogue import CHECKS
from scanning.rules.advisories import finding_subject
from scanning.verdict import Violation
from storage.printable import printable

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_FINDINGS = "deny.findings"
_POINTS = {"critical": "9.5", "high": "8.0", "medium": "5.5", "low": "2.0", "info": "0.0"}
"""How code hosts rank: by numbers as CVSS has them (GitHub's `security-severity`)."""


def sarif(judgement: Judgement) -> str:
    """Everything that breaks a rule, of the image or of every image of an index, as one run."""
    results: list[dict[str, Any]] = []
    rules: dict[str, dict[str, Any]] = {}
    for part in _parts(judgement):
        known = {(finding.purl, finding_subject(finding)): finding for finding in part.case.advisories.findings}
        for violation in (*part.verdict.violations, *part.verdict.warnings):
            finding = known.get((violation.purl, violation.subject)) if violation.rule == _FINDINGS else None
            rule = _rule(violation, finding)
            rules.setdefault(rule["id"], rule)
            results.append(_result(part, violation, rule["id"], list(rules).index(rule["id"])))
    driver = {
        "name": "imagegate",
        "semanticVersion": version("imagegate"),
        "rules": list(rules.values()),
    }
    run = {
        "tool": {"driver": driver},
        "automationDetails": {"id": f"imagegate/{judgement.verdict.repository}/"},
        "columnKind": "unicodeCodePoints",
        "results": results,
        "properties": {"outcome": judgement.verdict.outcome, "image": _image(judgement)},
    }
    return json.dumps({"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2)


def _parts(judgement: Judgement) -> Iterator[Judgement]:
    """The image, or the images of an index: what it says of itself repeats them, but for signatures."""
    children = [child for child in judgement.children if child.verdict.runnable]
    if not children:
        yield judgement
    for child in children:
        yield from _parts(child)


def _image(judgement: Judgement) -> str:
    return f"{judgement.verdict.repository}@{judgement.verdict.digest}"


def _rule(violation: Violation, finding: Finding | None) -> dict[str, Any]:
    """One for each check, and for each advisory, so that they can be dismissed one by one."""
    check = CHECKS.get(violation.check)
    identity = finding.name if finding else violation.check or violation.rule
    title = f"{finding.name} in {finding.package}" if finding else check.title if check else violation.rule
    why = finding.summary if finding and finding.summary else check.why if check else violation.why
    severity: Severity | Gravity | None = finding.severity if finding else check.gravity if check else None
    points = _POINTS.get(severity or "")
    return {
        "id": identity,
        "name": violation.rule,
        "shortDescription": {"text": printable(title)},
        "fullDescription": {"text": printable(why)},
        "help": {"text": printable(check.fix if check and not finding else violation.remedy)},
        "properties": {"tags": ["security", violation.rule], **({"security-severity": points} if points else {})},
    }


def _result(of: Judgement, violation: Violation, rule: str, index: int) -> dict[str, Any]:
    path = violation.where if violation.layer and violation.rule != _FINDINGS else ""
    name = "\0".join((violation.rule, violation.subject, violation.where, violation.purl))
    return {
        "ruleId": rule,
        "ruleIndex": index,
        "level": "warning" if violation.effect is Effect.WARN else "error",
        "message": {"text": printable(violation.sentence)},
        "locations": [
            {
                # Code hosts show only what has a file; a place in an image has none in the sources.
                "physicalLocation": {
                    "artifactLocation": {"uri": quote(path or of.verdict.repository)},
                    "region": {"startLine": 1},
                },
                "logicalLocations": [{"fullyQualifiedName": printable(f"{_image(of)} {violation.place}".strip())}],
            }
        ],
        "partialFingerprints": {"imagegate/v1": hashlib.sha256(name.encode()).hexdigest()},
    }
