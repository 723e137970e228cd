"""Packages whose names look like those of others."""

from collections.abc import Iterator

from packageurl import PackageURL

from scanning.approvals import plain
from scanning.facts import Package
from scanning.rules.question import Answers, Question, Waived
from scanning.typosquats import names_of
from scanning.verdict import Violation

_MOST_COMPARED = 5000
"""Different names of one image: more than programs are made of, and a second's work."""


def lookalikes(question: Question) -> Iterator[tuple[Package, str]]:
    """The packages whose names are easily taken for another's, with that name; "" for those that were one too many to
    be compared. What an admin approved, and what an approved base holds, is what it seems to be.
    """
    denied, case = question.rule.deny.typosquats, question.case
    if denied is None or case.facts is None:
        return
    approved, heritage = case.approvals.packages_for(case.repository), case.heritage
    further: dict[str, set[str]] = {}
    for name in denied.names:
        purl = PackageURL.from_string(name)
        further.setdefault(purl.type, set()).add(_name(purl))
    compared: dict[tuple[str, str], str] = {}
    for package in case.facts.packages:
        known = names_of(package.type, frozenset(further.get(package.type, ())))
        if not known.imitated or any(pattern.matches(package.purl) for pattern in denied.exempt):
            continue
        key = package.type, _name(PackageURL.from_string(package.purl))
        if key not in compared:
            if len(compared) >= _MOST_COMPARED and not known.knows(key[1]):
                yield package, ""
                continue
            compared[key] = known.resembled(key[1])
        is_accepted = heritage.has(package) or not approved.isdisjoint((package.purl, plain(package.purl)))
        if compared[key] and not is_accepted:
            yield package, compared[key]


def typosquats(question: Question) -> Answers:
    """`deny.typosquats`: no package whose name is easily taken for that of a well-known one."""
    denied, facts = question.rule.deny.typosquats, question.case.facts
    if denied is None or facts is None:
        return
    for package, meant in lookalikes(question):
        if question.package_waived(package):
            yield Waived(package.purl)
            continue
        yield Violation(
            "deny.typosquats",
            denied.effect,
            f"{package.name} {package.version}",
            package.path,
            f"its name is easily taken for {meant}, a well-known package of {package.type}"
            if meant
            else f"the image has more than {_MOST_COMPARED} packages, and this one's name was not compared any more",
            f"use {meant} if that is what was meant, or ask an admin to vet this one: imagegate image vet IMAGE"
            if meant
            else "divide the image, or ask an admin to exempt its packages from deny.typosquats",
            layer=package.layer,
            created_by=facts.step_of(package.layer),
            purl=package.purl,
        )


def _name(purl: PackageURL) -> str:
    """The whole name in one spelling, as the lists of names have it."""
    return "/".join(part for part in (purl.namespace, purl.name) if part).lower()
