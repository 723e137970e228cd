"""The rules a policy can hold: each takes a question and gives what is not kept, and what is waived."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from config.policy import DenyFindings, RepositoryRule, Waiver
from config.vocabulary import ArtifactKind, Effect, Severity
from scanning.advisories.model import AdvisoryBasis, AdvisoryReport, Finding
from scanning.artifacts import declared_type
from scanning.facts import ImageFacts, Package
from scanning.hardening.catalogue import CHECKS
from scanning.oci import media_types
from scanning.oci.manifest import Manifest, ManifestKind
from scanning.signatures.model import SignatureReport
from scanning.verdict import Outcome, Verdict, VerdictInputs, Violation

_OF_DISTRIBUTIONS = frozenset({"deb", "apk", "rpm", "alpm"})
_KINDS = {
    ArtifactKind.HELM_CHART: "a Helm chart",
    ArtifactKind.WASM: "a WebAssembly module",
    ArtifactKind.SBOM: "an SBOM",
    ArtifactKind.OTHER: "an artifact of no kind that is known",
}


@dataclass(frozen=True, slots=True)
class Case:
    """Everything that is known about one manifest in one repository.

    `facts` and `advisories` are there for images and artifacts, `children` (the verdicts of its images) for indexes.
    """

    repository: str
    manifest: Manifest
    signatures: SignatureReport
    inputs: VerdictInputs
    facts: ImageFacts | None = None
    advisories: AdvisoryReport = field(default_factory=lambda: AdvisoryReport(AdvisoryBasis()))
    children: tuple[Verdict, ...] = ()

    @property
    def runnable(self) -> bool:
        """Whether somebody could run it: an image, an index that lists images, an artifact that holds programs."""
        is_image = self.manifest.kind is ManifestKind.IMAGE
        return is_image or bool(self.children) or (self.facts is not None and self.facts.holds_programs)


@dataclass(frozen=True, slots=True)
class Question:
    """A case before one rule of the policy, with the waivers in force at `now`."""

    case: Case
    rule: RepositoryRule
    waivers: tuple[Waiver, ...]
    now: datetime

    def package_waived(self, package: Package) -> bool:
        """Whether a waiver accepts `package`."""
        return any(pattern.matches(package.purl) for waiver in self.waivers for pattern in waiver.packages)

    def finding_waived(self, finding: Finding) -> bool:
        """Whether a waiver accepts `finding`, by any of its ids."""
        ids = {finding.advisory, *finding.aliases}
        return any(ids.intersection(waiver.findings) for waiver in self.waivers)


@dataclass(frozen=True, slots=True)
class Waived:
    """Something that breaks a rule and that a waiver accepts."""

    subject: str


Answers = Iterator[Violation | Waived]


def uninspected(question: Question) -> Answers:
    """What could not be read is refused, whatever the policy says."""
    facts = question.case.facts
    for problem in facts.problems if facts else ():
        yield Violation(
            "inspection",
            Effect.REJECT,
            str(question.case.manifest.kind),
            "",
            f"it cannot be inspected: {problem}",
            "build it again so that every layer and archive has one unambiguous meaning",
        )
    nameless = [package for package in facts.packages if package.type in _OF_DISTRIBUTIONS] if facts else []
    if facts and nameless and facts.distribution is None:
        yield Violation(
            "inspection",
            Effect.REJECT,
            f"{len(nameless)} packages of a distribution",
            nameless[0].path,
            "no os-release says which distribution, so no advisory can be matched",
            "keep etc/os-release in the image",
        )
    if facts and facts.executables and not facts.packages:
        yield Violation(
            "inspection",
            Effect.WARN,
            f"{facts.executables} executable files",
            "",
            "no package database tells where they come from, so advisories cannot be matched",
            "build on a base image with a package database",
        )


def artifacts(question: Question) -> Answers:
    """`artifacts`: nothing but images, signatures of them, and the artifacts that are named."""
    manifest, allowed = question.case.manifest, question.rule.artifacts
    if manifest.kind is not ManifestKind.ARTIFACT or allowed is True:
        return
    facts = question.case.facts
    kind = (facts.artifact if facts else None) or ArtifactKind.OTHER
    if allowed and (kind in allowed or declared_type(manifest) in allowed):
        return
    yield Violation(
        "artifacts",
        Effect.REJECT,
        declared_type(manifest) or "artifact",
        "",
        f"its content is that of {_KINDS[kind]}, and this repository takes"
        f" {', '.join(allowed) if allowed else 'images only'}",
        "push it to a repository whose policy allows such artifacts",
    )


def foreign_layers(question: Question) -> Answers:
    """`foreign_layers: false`: no layer whose content lies elsewhere (threat 44)."""
    for layer in () if question.rule.foreign_layers else question.case.manifest.layers:
        if layer.urls or layer.media_type in media_types.FOREIGN_LAYERS:
            yield Violation(
                "foreign_layers",
                Effect.REJECT,
                f"layer {layer.digest}",
                layer.urls[0] if layer.urls else "",
                "its content may lie at another address, where it can change after it was judged",
                "push it as an ordinary layer, without urls",
            )


def tools(question: Question) -> Answers:
    """`deny.tools`: no tool of the named kinds, whatever its file is called."""
    denied = question.rule.deny.tools
    if denied is None or question.case.facts is None:
        return
    accepted = {kind for waiver in question.waivers for kind in waiver.tools}
    for tool in question.case.facts.tools:
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
        )


def secrets(question: Question) -> Answers:
    """`deny.secrets`: no private keys or credentials, not even in a layer that a later one covers."""
    denied = question.rule.deny.secrets
    if denied is None or question.case.facts is None:
        return
    for secret in question.case.facts.secrets:
        line = f" line {secret.line}" if secret.line else ""
        layer = f" of layer {secret.layer.short}" if secret.layer else ""
        yield Violation(
            "deny.secrets",
            denied.effect,
            secret.kind,
            f"{secret.where}{line}{layer}",
            "everyone who can pull the image can read it, even if a later layer deletes it",
            "revoke it, build without it (a build secret, not COPY or ENV) and push again",
        )


def denied_packages(question: Question) -> Answers:
    """`deny.packages`: no package that matches a pattern."""
    denied = question.rule.deny.packages
    if denied is None or question.case.facts is None:
        return
    for package in question.case.facts.packages:
        pattern = next((purl for purl in denied.purls if purl.matches(package.purl)), None)
        if pattern is None:
            continue
        if question.package_waived(package):
            yield Waived(package.purl)
            continue
        yield Violation(
            "deny.packages",
            denied.effect,
            f"{package.name} {package.version}",
            package.path,
            f"the policy denies {pattern}",
            f"remove the package {package.name} and build again",
        )


def findings(question: Question) -> Answers:
    """`deny.findings`: no package that an advisory of the given severity applies to, worst first."""
    denied = question.rule.deny.findings
    if denied is None:
        return

    def weight(finding: Finding) -> int:
        return (denied.unrated if finding.severity is Severity.UNRATED else finding.severity).rank

    for finding in sorted(question.case.advisories.findings, key=lambda f: (-weight(f), f.package, f.name)):
        if weight(finding) < denied.severity.rank:
            return
        if denied.fixable and not finding.fixed_version and not finding.uncertain:
            continue
        if question.finding_waived(finding):
            yield Waived(f"{finding.name} {finding.purl}")
            continue
        yield _vulnerable(finding, denied)


def _vulnerable(finding: Finding, denied: DenyFindings) -> Violation:
    also = f" ({finding.advisory})" if finding.advisory != finding.name else ""
    fixed = f"fixed in {finding.fixed_version}" if finding.fixed_version else "no fixed version is known"
    return Violation(
        "deny.findings",
        denied.effect,
        f"{finding.name}{also}",
        f"package {finding.package} {finding.version}",
        f"severity {finding.severity}, {finding.uncertain or fixed}",
        f"upgrade {finding.package} to {finding.fixed_version} or later"
        if finding.fixed_version
        else f"remove {finding.package}, or ask an admin for a waiver",
    )


def unvetted(question: Question) -> Answers:
    """`require.vetted_packages`: every package matches a vetted pattern, and software comes in packages."""
    required, facts = question.rule.require.vetted_packages, question.case.facts
    if required is None or facts is None:
        return
    for package in facts.packages:
        if any(pattern.matches(package.purl) for pattern in required.purls):
            continue
        if question.package_waived(package):
            yield Waived(package.purl)
            continue
        yield Violation(
            "require.vetted_packages",
            required.effect,
            f"{package.name} {package.version}",
            package.path,
            f"{package.purl} is not vetted",
            "use a vetted package, or ask an admin to vet this one",
        )
    if facts.executables and not facts.packages:
        yield Violation(
            "require.vetted_packages",
            required.effect,
            f"{facts.executables} executable files",
            "",
            "no package owns them, so nobody has vetted them",
            "install software from packages that the policy vets",
        )


def root_user(question: Question) -> Answers:
    """`deny.root_user`: the image names an unprivileged user."""
    denied, facts = question.rule.deny.root_user, question.case.facts
    if denied and facts and facts.artifact is None and facts.runs_as_root:
        yield Violation(
            "deny.root_user",
            denied.effect,
            f"user {facts.user!r}" if facts.user else "no user",
            "the image configuration",
            "its process starts as root",
            "add a USER instruction with an unprivileged account",
        )


def hardening(question: Question) -> Answers:
    """`deny.hardening`: no weakness of the given gravity in how the image is built, worst first."""
    denied, facts = question.rule.deny.hardening, question.case.facts
    if denied is None or facts is None or facts.artifact is not None:
        return
    found = [(CHECKS[weakness.check], weakness) for weakness in facts.weaknesses]
    for check, weakness in sorted(found, key=lambda pair: (-pair[0].gravity.rank, pair[0].id, pair[1].where)):
        if check.gravity.rank < denied.gravity.rank or check.id in denied.ignore:
            continue
        if check.id == "H16" and weakness.where in denied.allow_setuid:
            continue
        yield Violation(
            "deny.hardening",
            denied.effect,
            f"{check.id} {check.title}",
            weakness.where,
            f"{weakness.detail}: {check.why}",
            check.fix,
        )


def advisory_data(question: Question) -> Answers:
    """`require.advisories`: there is advisory data, it is fresh, and it covers the packages."""
    required, facts = question.rule.require.advisories, question.case.facts
    if required is None or facts is None or (facts.artifact is not None and not facts.holds_programs):
        return
    report = question.case.advisories
    basis = report.basis
    if basis.snapshot is None or basis.fetched_at is None:
        why = "there is none, so nothing is known about vulnerable packages"
    elif question.now - basis.fetched_at > required.max_age:
        hours = required.max_age.total_seconds() / 3600
        why = f"it is from {basis.fetched_at:%Y-%m-%d %H:%M} UTC, and policy allows {hours:g} hours"
    else:
        yield from _uncovered_packages(report, facts)
        return
    yield Violation(
        "require.advisories",
        required.effect,
        "advisory data",
        "",
        why,
        "ask an admin to run: imagegate feeds update",
    )


def _uncovered_packages(report: AdvisoryReport, facts: ImageFacts) -> Answers:
    if report.unmatched:
        yield Violation(
            "require.advisories",
            Effect.WARN,
            f"{len(report.unmatched)} of {len(facts.packages)} packages",
            "",
            f"no advisory data covers them (for instance {report.unmatched[0]})",
            "ask an admin to add a feed for their ecosystem",
        )


def children(question: Question) -> Answers:
    """An index is as good as the worst image it lists (threat 43)."""
    effects = {Outcome.REJECT: Effect.REJECT, Outcome.QUARANTINE: Effect.QUARANTINE}
    for child in question.case.children:
        for broken in child.violations[:1]:
            yield Violation(
                broken.rule,
                effects[child.outcome],
                broken.subject,
                f"{broken.where} of image {child.digest}" if broken.where else f"image {child.digest}",
                broken.why,
                broken.fix,
            )


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
    )


RULES: tuple[Callable[[Question], Answers], ...] = (
    uninspected,
    artifacts,
    foreign_layers,
    tools,
    secrets,
    findings,
    denied_packages,
    unvetted,
    root_user,
    hardening,
    advisory_data,
    children,
    signatures,
)
