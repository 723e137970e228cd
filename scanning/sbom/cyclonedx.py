"""CycloneDX 1.6 in JSON (ECMA-424)."""

from cyclonedx.model import Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.model.license import DisjunctiveLicense, License, LicenseExpression
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

from scanning.facts import Package
from scanning.heritage import Heritage
from scanning.sbom.licences import declared
from scanning.sbom.subject import Subject

MEDIA_TYPE = "application/vnd.cyclonedx+json"


def write(subject: Subject) -> bytes:
    """The bill of materials of one image, UTF-8 JSON."""
    facts = subject.facts
    image = Component(
        name=subject.repository.name,
        type=ComponentType.CONTAINER,
        version=str(facts.manifest),
        bom_ref=subject.purl,
        purl=PackageURL.from_string(subject.purl),
    )
    components = [_component(name, package, subject.heritage) for name, package in subject.packages()]
    if facts.distribution is not None:
        release = facts.distribution
        components.append(
            Component(
                name=release.id,
                type=ComponentType.OPERATING_SYSTEM,
                version=release.version_id or None,
                bom_ref=f"os:{release.id}",
                description=release.pretty_name or None,
            )
        )
    bom = Bom(
        serial_number=subject.serial,
        components=components,
        metadata=BomMetaData(timestamp=subject.seen_at, component=image),
    )
    bom.register_dependency(image, components)
    return (JsonV1Dot6(bom).output_as_string(indent=2) + "\n").encode()


def _component(name: str, package: Package, heritage: Heritage) -> Component:
    properties = [Property(name="imagegate:file", value=package.path)]
    if package.layer is not None:
        properties.append(Property(name="imagegate:layer", value=str(package.layer)))
    if package.source_name != package.name:
        properties.append(Property(name="imagegate:source", value=f"{package.source_name} {package.source_version}"))
    if heritage.has(package):
        properties.append(Property(name="imagegate:base", value=heritage.name))
    return Component(
        name=package.name,
        type=ComponentType.LIBRARY,
        version=package.version or None,
        bom_ref=name,
        purl=PackageURL.from_string(package.purl),
        licenses=_licences(package),
        properties=properties,
    )


def _licences(package: Package) -> list[License]:
    """One expression, or the package's own words: the specification does not let both stand together."""
    expression = declared(package.licences)
    if expression:
        return [LicenseExpression(expression)]
    return [DisjunctiveLicense(name=text) for text in dict.fromkeys(package.licences)]
