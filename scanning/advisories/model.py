"""What matching gives: findings, and how good the data behind them was."""

from dataclasses import dataclass
from datetime import datetime

from config.vocabulary import Severity
from scanning.advisories.exploitation import Exploited, Forecast
from scanning.advisories.lifecycle import Release
from scanning.oci.digest import Digest


@dataclass(frozen=True, slots=True)
class Finding:
    """One advisory that applies to one package of an image.

    `fixed_version` is "" where no fix is known. `uncertain` says why it counts although the versions could
    not be compared (an unparseable version is a finding, never a skip).
    """

    advisory: str
    aliases: tuple[str, ...]
    purl: str
    package: str
    version: str
    severity: Severity
    fixed_version: str = ""
    summary: str = ""
    uncertain: str = ""
    exploited: Exploited | None = None
    """What the catalogue of exploited vulnerabilities says of it, None where it does not list it."""
    forecast: Forecast | None = None
    """How probable attacks on it are, where that is known."""

    @property
    def name(self) -> str:
        """The id people know: the first CVE, else the advisory's own."""
        return next((alias for alias in self.aliases if alias.startswith("CVE-")), self.advisory)

    @property
    def malicious(self) -> tuple[str, ...]:
        """The ids under which the package is known as made to do harm (OSV's prefix `MAL-`), not only vulnerable."""
        return tuple(sorted(one for one in (self.advisory, *self.aliases) if one.startswith("MAL-")))


@dataclass(frozen=True, slots=True)
class AdvisoryBasis:
    """The data that findings rest on. `snapshot` is None where there is no data at all.

    `fetched_at` is when the data was fetched or imported; `ecosystems` are those it covers, in OSV's words
    without the release (`Debian`, `PyPI`), `releases` the distributions' releases with one (`Debian:12`): a
    release that is not among them is not covered. `exploited_at` and `forecasts_at` are when the catalogue of exploited
    vulnerabilities and the forecasts were fetched, None where there are none.
    """

    snapshot: Digest | None = None
    fetched_at: datetime | None = None
    ecosystems: tuple[str, ...] = ()
    records: int = 0
    releases: tuple[str, ...] = ()
    exploited_at: datetime | None = None
    forecasts_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class AdvisoryReport:
    """Everything the advisories say of one image. `unmatched` are the purls that no data covers, `release` what is
    known of the image's distribution.
    """

    basis: AdvisoryBasis
    findings: tuple[Finding, ...] = ()
    unmatched: tuple[str, ...] = ()
    release: Release | None = None
