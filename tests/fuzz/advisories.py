"""Records of advisory feeds that are changed: each is read or refused, and what is read can be asked about."""

from contextlib import suppress
from typing import Any

from scanning.advisories import osv
from scanning.advisories.matching import keys, match
from scanning.advisories.model import AdvisoryBasis, AdvisoryReport
from scanning.advisories.severity import severity
from scanning.documents import decode, encode
from scanning.errors import InvalidContentError
from tests.fuzz import forge
from tests.scanning.advisories.records import BOOKWORM, affected, deb, fixed, python

_PACKAGES = (deb("bash", "5.2-1"), deb("libssl3", "3.0.11-1", "openssl"), python("jinja2", "2.10"))
_BASIS = AdvisoryBasis(ecosystems=("Debian", "PyPI"), releases=("Debian:12",), records=1)
_SCORE = [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]
_MODIFIED = {"modified": "2026-01-02T03:04:05Z"}
_RECORDS: tuple[dict[str, Any], ...] = (
    {
        "id": "DSA-1-1",
        "aliases": ["CVE-2026-0001"],
        "upstream": ["CVE-2026-0002"],
        "summary": "bash: a",
        "affected": [affected("Debian:12", "bash", fixed("5.2-2"), severity=_SCORE)],
        "severity": _SCORE,
    },
    {
        "id": "CVE-2026-0003",
        "related": ["CVE-2026-0004"],
        "database_specific": {"severity": "HIGH"},
        "affected": [
            affected("Debian:12", "openssl", [{"introduced": "3.0"}, {"last_affected": "3.0.12-1"}]),
            affected("Debian:12", "bash", versions=["5.2-1"], ecosystem_specific={"urgency": "unimportant"}),
        ],
    },
    {
        "id": "GHSA-aaaa-bbbb-cccc",
        "withdrawn": None,
        "summary": "Important: jinja",
        "affected": [affected("PyPI", "Jinja2", fixed("2.10.1"), [{"introduced": "0"}], versions=["2.10", "2.9"])],
    },
)


def forged_advisory(data: bytes) -> None:
    """A record, and the packages of an image: every finding is about one of these, and can be kept."""
    document = forge.forged(_RECORDS[(data or b"\0")[0] % len(_RECORDS)], data[1:])
    written = forge.text_of(document | _MODIFIED if isinstance(document, dict) and len(data) % 2 else document)
    with suppress(InvalidContentError):
        advisory = osv.parse(written)
        assert decode(osv.Advisory, encode(advisory)) == advisory
        for entry in advisory.affected:
            severity(advisory, entry)
        found = match(_PACKAGES, BOOKWORM, dict.fromkeys(keys(_PACKAGES, BOOKWORM), (advisory,)), _BASIS)
        assert decode(AdvisoryReport, encode(found)) == found
        assert {one.purl for one in found.findings} <= {one.purl for one in _PACKAGES}
        assert not (found.findings and advisory.withdrawn)
