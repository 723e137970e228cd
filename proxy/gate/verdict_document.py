"""A verdict as JSON for programs: what /api/v1/verdicts and `imagegate verdict list --json` give."""

from typing import Any

from scanning.verdict import Verdict, Violation


def as_document(verdict: Verdict) -> dict[str, Any]:
    """The verdict with its reasons, and the digests of what it was made of; times are in ISO format."""
    inputs = verdict.inputs
    return {
        "id": verdict.id,
        "repository": verdict.repository,
        "digest": str(verdict.digest),
        "kind": verdict.kind,
        "tag": verdict.tag or None,
        "outcome": verdict.outcome,
        "enforced": verdict.enforced,
        "mode": verdict.mode,
        "judged_at": verdict.judged_at.isoformat(),
        "valid_until": verdict.valid_until.isoformat() if verdict.valid_until else None,
        "violations": [_violation(item) for item in verdict.violations],
        "warnings": [_violation(item) for item in verdict.warnings],
        "waived": list(verdict.waived),
        "counts": dict(verdict.counts),
        "base": verdict.base or None,
        "inputs": {
            "manifest": str(inputs.manifest),
            "media_type": inputs.media_type,
            "policy": str(inputs.policy),
            "signatures": str(inputs.signatures),
            "facts": str(inputs.facts) if inputs.facts else None,
            "snapshot": str(inputs.snapshot) if inputs.snapshot else None,
            "children": list(inputs.children),
            "approvals": str(inputs.approvals) if inputs.approvals else None,
            "former": str(inputs.former) if inputs.former else None,
            "sightings": str(inputs.sightings) if inputs.sightings else None,
            "malware": str(inputs.malware) if inputs.malware else None,
        },
    }


def _violation(item: Violation) -> dict[str, Any]:
    return {
        "rule": item.rule,
        "effect": item.effect,
        "subject": item.subject,
        "where": item.where,
        "why": item.why,
        "fix": item.remedy,
        "inherited": item.inherited if item.base else None,
        "check": item.check or None,
        "layer": str(item.layer) if item.layer else None,
        "created_by": item.created_by or None,
    }
