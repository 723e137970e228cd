"""Tools and secrets."""

from scanning.hardening.catalogue import TOOL_CHECKS
from scanning.rules.question import Answers, Question, Waived
from scanning.verdict import Violation


def tools(question: Question) -> Answers:
    """`deny.tools`: no tool of the named kinds, whatever its file is called."""
    denied, facts = question.rule.deny.tools, question.case.facts
    if denied is None or facts is None:
        return
    accepted = {kind for waiver in question.waivers for kind in waiver.tools}
    for tool in facts.tools:
        if tool.kind not in denied.kinds:
            continue
        if tool.kind in accepted:
            yield Waived(f"{tool.kind} {tool.path}")
            continue
        owner = f" from package {tool.package}" if tool.package else ""
        remedy = f"remove the package {tool.package.split(' ')[0]}" if tool.package else f"remove {tool.path}"
        yield Violation(
            "deny.tools",
            denied.effect,
            f"{tool.name}{owner}",
            tool.path,
            f"a tool of the kind {tool.kind} (recognised by {tool.evidence}) is not allowed",
            f"{remedy} and build again",
            TOOL_CHECKS[tool.kind],
            tool.layer,
            facts.step_of(tool.layer),
        )


def secrets(question: Question) -> Answers:
    """`deny.secrets`: no private keys or credentials, not even in a layer that a later one covers."""
    denied, facts = question.rule.deny.secrets, question.case.facts
    if denied is None or facts is None:
        return
    for secret in facts.secrets:
        line = f" line {secret.line}" if secret.line else ""
        yield Violation(
            "deny.secrets",
            denied.effect,
            secret.kind,
            f"{secret.where}{line}",
            "everyone who can pull the image can read it, even if a later layer deletes it",
            "revoke it, build without it (a build secret, not COPY or ENV) and push again",
            "H20" if secret.layer else "H19",
            secret.layer,
            facts.step_of(secret.layer),
        )
