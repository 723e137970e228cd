"""SPDX 2.3 in JSON (ISO/IEC 5962 and its successors)."""

import json
from typing import Any

from scanning.facts import Package
from scanning.heritage import Heritage
from scanning.sbom.licences import declared
from scanning.sbom.subject import Subject

MEDIA_TYPE = "application/spdx+json"

_UNKNOWN = "NOASSERTION"
_IMAGE = "SPDXRef-Image"
_DOCUMENT = "SPDXRef-DOCUMENT"


def write(subject: Subject) -> bytes:
    """The bill of materials of one image, UTF-8 JSON."""
    listed, heritage = list(subject.packages()), subject.heritage
    ids = [f"SPDXRef-Package-{number}" for number in range(1, len(listed) + 1)]
    document = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": _DOCUMENT,
        "name": f"{subject.repository}@{subject.facts.manifest}",
        "documentNamespace": f"urn:uuid:{subject.serial}",
        "creationInfo": {"created": f"{subject.seen_at:%Y-%m-%dT%H:%M:%SZ}", "creators": ["Tool: imagegate"]},
        "packages": [
            _image(subject),
            *(_package(identity, package, heritage) for identity, (_, package) in zip(ids, listed, strict=True)),
        ],
        "relationships": [
            _relation(_DOCUMENT, "DESCRIBES", _IMAGE),
            *(_relation(_IMAGE, "CONTAINS", identity) for identity in ids),
        ],
    }
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def _image(subject: Subject) -> dict[str, Any]:
    facts = subject.facts
    described = {
        "SPDXID": _IMAGE,
        "name": subject.repository.name,
        "versionInfo": str(facts.manifest),
        "primaryPackagePurpose": "CONTAINER",
        **_nothing_said(),
        "externalRefs": [_purl(subject.purl)],
    }
    if facts.manifest.algorithm == "sha256":
        described["checksums"] = [{"algorithm": "SHA256", "checksumValue": facts.manifest.hex}]
    return described


def _package(identity: str, package: Package, heritage: Heritage) -> dict[str, Any]:
    described = {
        "SPDXID": identity,
        "name": package.name,
        **({"versionInfo": package.version} if package.version else {}),
        **_nothing_said(),
        "sourceInfo": f"found in {package.path}"
        + (f" of layer {package.layer}" if package.layer else "")
        + (f", from the base image {heritage.name}" if heritage.has(package) else ""),
        "externalRefs": [_purl(package.purl)],
    }
    expression = declared(package.licences)
    if expression:
        described["licenseDeclared"] = expression
    elif package.licences:
        described["licenseComments"] = f"its own words: {'; '.join(package.licences)}"
    return described


def _nothing_said() -> dict[str, Any]:
    return {
        "downloadLocation": _UNKNOWN,
        "filesAnalyzed": False,
        "licenseConcluded": _UNKNOWN,
        "licenseDeclared": _UNKNOWN,
        "copyrightText": _UNKNOWN,
    }


def _purl(text: str) -> dict[str, str]:
    return {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": text}


def _relation(one: str, kind: str, other: str) -> dict[str, str]:
    return {"spdxElementId": one, "relationshipType": kind, "relatedSpdxElement": other}
