"""Who must have signed."""

from scanning.oci.manifest import ManifestKind
from scanning.rules.question import Answers, Question
from scanning.verdict import Cause, Violation


def signatures(question: Question) -> Answers:
    """`require.signatures`: enough different keys of the named signers have signed what is run."""
    case, required = question.case, question.rule.require.signatures
    if required is None or not (case.runnable or (required.artifacts and case.manifest.kind is ManifestKind.ARTIFACT)):
        return
    counted = {
        signature.key: signature.signer
        for signature in case.signatures.verified
        if signature.signer in required.of
        and (signature.subject == case.manifest.digest or required.children == "inherit")
    }
    if required.of and len(counted) >= required.threshold:
        return
    have = ", ".join(sorted(set(counted.values()))) or "nobody the policy trusts"
    want = f"{required.threshold} of: {', '.join(required.of)}" if required.of else "a signer"
    failed = f" (not counted: {case.signatures.failed[0].reason})" if case.signatures.failed else ""
    yield Violation(
        "require.signatures",
        required.effect,
        f"{case.repository}@{case.manifest.digest}",
        "",
        f"it is signed by {have}, and the policy wants {want}{failed}",
        "sign it with: cosign sign --key KEY" if required.of else "ask an admin to add a signer to the policy",
        "H13",
        cause=None if required.of else Cause.NO_SIGNER,
    )
