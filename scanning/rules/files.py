"""Tools and secrets."""

from config.vocabulary import ToolKind
from scanning.facts import Evidence, Tool
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
        yield Violation(
            "deny.tools",
            denied.effect,
            f"{tool.name}{owner}",
            tool.path,
            f"a tool of the kind {tool.kind} (recognised by {tool.evidence}) is not allowed",
            f"{_remedy(tool)} and build again",
            TOOL_CHECKS[tool.kind],
            tool.layer,
            facts.step_of(tool.layer),
        )


def _remedy(tool: Tool) -> str:
    if tool.evidence is Evidence.APPLET:
        return f"remove {tool.path}, or take one that was made without {tool.name},"
    if tool.kind is ToolKind.PACKED:
        return "put in the program as it was before it was packed"
    return f"remove the package {tool.package.split(' ')[0]}" if tool.package else f"remove {tool.path}"


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
