"""What is in an image, as tables for people: packages, tools, weaknesses, findings and signatures."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from scanning.advisories.model import Finding
from scanning.facts import ImageFacts
from scanning.hardening.belongings import changed_weaknesses, unowned_weaknesses
from scanning.rules.case import Case

Row = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ImageTable:
    """A table: each row has a text for every column."""

    name: str
    columns: Row
    rows: Sequence[Row]

    @property
    def title(self) -> str:
        """Its name, and how many rows there are."""
        return f"{self.name} ({len(self.rows)})"


def image_tables(case: Case) -> tuple[ImageTable, ...]:
    """All that was found; nothing where nothing was inspected."""
    facts = case.facts
    if facts is None:
        return ()
    return (
        ImageTable("Packages", ("package", "version", "purl", "from", "brought by"), [*_packages(case, facts)]),
        ImageTable("Tools", ("tool", "kind", "path", "package", "brought by"), [*_tools(case, facts)]),
        ImageTable("Weaknesses", ("check", "where", "what", "brought by"), [*_weaknesses(case, facts)]),
        ImageTable(
            "Findings",
            ("id", "package", "version", "severity", "fixed in", "attacks", "brought by"),
            [*_findings(case)],
        ),
        ImageTable("Signatures", ("signer", "format", "over"), [*_signatures(case)]),
    )


def _packages(case: Case, facts: ImageFacts) -> Iterator[Row]:
    for one in facts.packages:
        yield one.name, one.version, one.purl, one.path, _whose(case, inherited=case.heritage.has(one))


def _tools(case: Case, facts: ImageFacts) -> Iterator[Row]:
    for one in facts.tools:
        yield one.name, one.kind, one.path, one.package, _whose(case, inherited=case.heritage.has_layer(one.layer))


def _weaknesses(case: Case, facts: ImageFacts) -> Iterator[Row]:
    for one in (*facts.weaknesses, *unowned_weaknesses(facts.unowned), *changed_weaknesses(facts.changed)):
        owner = _whose(case, inherited=case.heritage.has_layer(one.layer)) if one.layer else ""
        yield one.check, one.where, one.detail, owner


def _findings(case: Case) -> Iterator[Row]:
    for one in case.advisories.findings:
        rated = "malicious" if one.malicious else one.severity
        owner = _whose(case, inherited=case.heritage.has_purl(one.purl))
        yield one.name, one.package, one.version, rated, one.fixed_version or "no fix", _attacks(one), owner


def _signatures(case: Case) -> Iterator[Row]:
    for one in case.signatures.verified:
        yield one.signer, one.format, str(one.subject)
    for failed in case.signatures.failed:
        yield "not counted", failed.reason, str(failed.manifest)


def _whose(case: Case, *, inherited: bool) -> str:
    """Who brought it: known only where the image is built on an approved base."""
    return ("base" if inherited else "image") if case.heritage.base else ""


def _attacks(finding: Finding) -> str:
    """Whether it is known to be exploited, and how probable attacks are."""
    known = "known" if finding.exploited else ""
    probable = f"EPSS {finding.forecast.probability:.2f}" if finding.forecast else ""
    return ", ".join(part for part in (known, probable) if part)
