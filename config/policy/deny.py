"""What must not be in an image."""

from typing import Annotated, Literal

from packageurl import PackageURL
from pydantic import AfterValidator, Field, field_serializer

from config.licences import LicenceName
from config.patterns import FilePattern, PurlPattern
from config.policy.model import Document
from config.vocabulary import Effect, Gravity, Severity, Support, ToolKind

CheckId = Annotated[str, Field(pattern=r"^H[0-9]{2}$")]


class DenyTools(Document):
    """Refuse tools, recognised by path, by package and by content."""

    kinds: frozenset[ToolKind] = Field(description="The families of tools that must not be in an image.", min_length=1)
    effect: Effect = Field(Effect.REJECT, description="What finding one does.")

    @field_serializer("kinds")
    def _in_order(self, kinds: frozenset[ToolKind]) -> list[ToolKind]:
        # The policy's digest is made of the dump, which must not depend on how a set happens to be ordered.
        return sorted(kinds)


class DenyPackages(Document):
    """Refuse packages by purl pattern."""

    purls: tuple[PurlPattern, ...] = Field(description="purl patterns, such as pkg:npm/left-pad@<1.3.", min_length=1)
    effect: Effect = Field(Effect.REJECT, description="What finding one does.")


class DenyMalware(Document):
    """Refuse files in which a scanner (`inspection.clamd`) found malware, in any layer."""

    effect: Effect = Field(Effect.REJECT, description="What one such file does.")


class DenyMalicious(Document):
    """Refuse packages that were published to do harm (OSV's `MAL-` advisories), whatever `findings` leaves out."""

    effect: Effect = Field(Effect.REJECT, description="What such a package does.")


class DenyLicences(Document):
    """Refuse packages that can be used under none but the named licences."""

    names: tuple[LicenceName, ...] = Field(
        description="SPDX ids, such as AGPL-3.0-or-later or SSPL-*; LicenseRef-name for others.", min_length=1
    )
    unknown: Literal["allow", "deny"] = Field(
        "allow", description="What becomes of packages that tell no licence, or one that is not on the SPDX list."
    )
    exempt: tuple[PurlPattern, ...] = Field((), description="Packages whose licences do not matter.")
    effect: Effect = Field(Effect.REJECT, description="What finding one does.")


def _package_name(text: str) -> str:
    try:
        purl = PackageURL.from_string(text)
    except ValueError as error:
        raise ValueError(f"{text[:100]!r} names no package; write a purl without version: pkg:npm/@team/app") from error
    if purl.version or purl.qualifiers or purl.subpath or "*" in text:
        raise ValueError(f"{text[:100]!r} is more than the name of a package; write it as in pkg:npm/@team/app")
    return text


PackageName = Annotated[str, AfterValidator(_package_name)]


class DenyTyposquats(Document):
    """Refuse packages whose names are easily taken for those of well-known ones."""

    names: tuple[PackageName, ...] = Field(
        (), description="Names that may be imitated besides the best known ones of PyPI and npm: pkg:npm/@team/app."
    )
    exempt: tuple[PurlPattern, ...] = Field((), description="Packages that are what they seem to be.")
    effect: Effect = Field(Effect.QUARANTINE, description="What finding one does.")


class DenyFindings(Document):
    """Refuse packages that an advisory says are vulnerable."""

    severity: Severity = Field(Severity.HIGH, description="The lowest severity that counts.")
    fixable: bool = Field(True, description="Count only findings for which a fixed version exists.")
    unrated: Severity = Field(
        Severity.HIGH,
        description="The severity an advisory counts as when it carries none (most of Debian's).",
    )
    known_exploited: bool = Field(
        False,
        description="Count what is known to be attacked (CISA's catalogue), however mild, and with or without a fix.",
    )
    epss: float | None = Field(
        None,
        gt=0,
        le=1,
        description="Count what is attacked within 30 days with this probability (EPSS) or more, however mild.",
    )
    effect: Effect = Field(Effect.REJECT, description="What one finding does.")


class DenyEndOfLife(Document):
    """Refuse distributions that nobody mends any more."""

    support: Support = Field(
        Support.LONG_TERM,
        description="What counts as support: standard; long-term, such as Debian LTS; extended, for those who pay.",
    )
    effect: Effect = Field(Effect.REJECT, description="What an ended distribution does.")


class DenySecrets(Document):
    """Refuse private keys and credentials: in any layer, even if deleted later, environment and history."""

    effect: Effect = Field(Effect.REJECT, description="What finding one does.")


class DenyRootUser(Document):
    """Refuse images whose process starts as root."""

    effect: Effect = Field(Effect.WARN, description="What starting as root does.")


class DenyHardening(Document):
    """Refuse weaknesses in how an image is built, by the ids of docs/checks.md."""

    gravity: Gravity = Field(Gravity.HIGH, description="The least gravity that counts.")
    ignore: tuple[CheckId, ...] = Field((), description="Checks that do not count, such as H14.")
    allow_setuid: tuple[str, ...] = Field((), description="Set-uid programs that are wanted, such as usr/bin/ping.")
    allow_capabilities: tuple[str, ...] = Field(
        (), description="Programs that may have file capabilities, such as usr/bin/ping."
    )
    allow_unowned: tuple[FilePattern, ...] = Field(
        (), description="Executables that may belong to no package: srv/app/**, where * is any characters of one name."
    )
    effect: Effect = Field(Effect.WARN, description="What finding one does.")


class Deny(Document):
    """What must not be in an image."""

    tools: DenyTools | None = None
    packages: DenyPackages | None = None
    licences: DenyLicences | None = None
    typosquats: DenyTyposquats | None = None
    malware: DenyMalware = Field(default_factory=DenyMalware)
    malicious: DenyMalicious = Field(default_factory=DenyMalicious)
    findings: DenyFindings | None = None
    end_of_life: DenyEndOfLife | None = None
    secrets: DenySecrets | None = None
    root_user: DenyRootUser | None = None
    hardening: DenyHardening | None = None
