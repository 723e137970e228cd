"""Packages that are denied, and packages that nobody has vetted."""

from collections.abc import Iterator

from config.wording import counted
from scanning.approvals import plain
from scanning.facts import Package
from scanning.hardening.belongings import replaced_weaknesses, unowned_weaknesses
from scanning.hardening.catalogue import CHECKS
from scanning.heritage import Heritage
from scanning.rules.question import Answers, Question, Waived
from scanning.verdict import Cause, Violation


def denied_packages(question: Question) -> Answers:
    """`deny.packages`: no package that matches a pattern."""
    denied, facts = question.rule.deny.packages, question.case.facts
    if denied is None or facts is None:
        return
    for package in facts.packages:
        pattern = next((purl for purl in denied.purls if purl.may_match(package.purl)), None)
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
            f"the policy denies {pattern}"
            if pattern.matches(package.purl)
            else f"the policy denies {pattern}, and this version cannot be compared with that",
            f"remove the package {package.name} and build again",
            layer=package.layer,
            created_by=facts.step_of(package.layer),
            purl=package.purl,
        )


def unvetted_packages(question: Question) -> Iterator[Package]:
    """The packages that neither the policy vets, nor an admin approved, nor an approved base image brought."""
    required, case = question.rule.require.vetted_packages, question.case
    if required is None or case.facts is None:
        return
    approved = case.approvals.packages_for(case.repository) if required.approved else frozenset()
    heritage = case.heritage if required.from_base else Heritage()
    for package in case.facts.packages:
        vetted = any(pattern.matches(package.purl) for pattern in required.purls) or heritage.has(package)
        if not vetted and approved.isdisjoint((package.purl, plain(package.purl))):
            yield package


def unvetted(question: Question) -> Answers:
    """`require.vetted_packages`: every package matches a vetted pattern, and software comes in packages."""
    required, facts = question.rule.require.vetted_packages, question.case.facts
    if required is None or facts is None:
        return
    for package in unvetted_packages(question):
        if question.package_waived(package):
            yield Waived(package.purl)
            continue
        yield Violation(
            "require.vetted_packages",
            required.effect,
            f"{package.name} {package.version}",
            package.path,
            f"{package.purl} is not vetted",
            "use a vetted package, or ask an admin to vet what the image has: imagegate image vet IMAGE",
            layer=package.layer,
            created_by=facts.step_of(package.layer),
            purl=package.purl,
        )
    heritage = question.case.heritage if required.from_base else Heritage()
    unowned = [
        file
        for file in facts.unowned
        if required.unowned and not heritage.has_layer(file.layer) and not heritage.has_program(file.sha256)
    ]
    swapped = heritage.replaced(facts.replaced) if required.unowned else ()
    for weakness in (*unowned_weaknesses(unowned), *replaced_weaknesses(swapped, heritage.name)):
        yield Violation(
            "require.vetted_packages",
            required.effect,
            f"{weakness.check} {CHECKS[weakness.check].title}",
            weakness.where,
            f"{weakness.detail}, so nobody has vetted it",
            "install it as a package that the policy vets",
            weakness.check,
            weakness.layer,
            facts.step_of(weakness.layer),
            cause=Cause.UNPACKAGED,
        )
    if facts.executables and not facts.packages and not required.unowned:
        yield Violation(
            "require.vetted_packages",
            required.effect,
            counted(facts.executables, "executable file"),
            "",
            "no package owns them, so nobody has vetted them",
            "install software from packages that the policy vets",
            cause=Cause.UNPACKAGED,
        )
