"""What must be true of an image."""

from datetime import timedelta
from typing import Literal

from pydantic import Field

from config.durations import Duration
from config.licences import LicenceName
from config.patterns import PurlPattern, RepositoryPattern
from config.policy.model import Document
from config.vocabulary import Effect


class RequireSignatures(Document):
    """Ask for signatures by named signers, counted by distinct key."""

    of: tuple[str, ...] = Field((), description="Names of signers, from `signers`. Empty: nobody can satisfy it.")
    threshold: int = Field(1, ge=1, description="How many different signers are needed.")
    children: Literal["inherit", "each"] = Field(
        "inherit", description="Whether a signature on an index covers the images it lists."
    )
    artifacts: bool = Field(False, description="Whether artifacts that are not images need them as well.")
    effect: Effect = Field(Effect.QUARANTINE, description="What missing signatures do.")


class RequireVetted(Document):
    """Ask that every package is vetted, by purl pattern."""

    purls: tuple[PurlPattern, ...] = Field(description="The vetted packages: pkg:deb/debian/*, pkg:npm/x@>=1.2.0|<2.")
    approved: bool = Field(
        True, description="Whether packages that an admin approved (imagegate image vet) count as vetted."
    )
    from_base: bool = Field(
        False, description="Whether the packages of the approved base image that an image is built on count as vetted."
    )
    unowned: bool = Field(
        False, description="Whether an executable that no package owns counts as a package that nobody vetted."
    )
    effect: Effect = Field(Effect.REJECT, description="What an unvetted package does.")


class RequireLicences(Document):
    """Ask that every package can be used under allowed licences."""

    allowed: tuple[LicenceName, ...] = Field(
        description="SPDX ids, such as MIT or GPL-2.0-only WITH Classpath-exception-2.0; LicenseRef-name for others.",
        min_length=1,
    )
    unknown: Literal["allow", "deny"] = Field(
        "deny", description="What becomes of packages that tell no licence, or one that is not on the SPDX list."
    )
    exempt: tuple[PurlPattern, ...] = Field((), description="Packages whose licences do not matter.")
    effect: Effect = Field(Effect.REJECT, description="What another licence does.")


class RequireMinimumAge(Document):
    """Ask that the gate has known each package for a while, in the version that is in the image."""

    age: Duration = Field(description="How long ago the gate must have seen it first, such as 7d.")
    purls: tuple[PurlPattern, ...] = Field(
        description="Packages that must wait, such as pkg:npm/** and pkg:pypi/**.", min_length=1
    )
    exempt: tuple[PurlPattern, ...] = Field((), description="Packages among them that need not, such as one's own.")
    effect: Effect = Field(Effect.QUARANTINE, description="What a younger package does.")


class RequireBase(Document):
    """Ask that images are built on an approved base image (imagegate base approve), told by their layers."""

    of: tuple[RepositoryPattern, ...] = Field(
        (RepositoryPattern("**"),), description="Repositories whose approved images count.", min_length=1
    )
    effect: Effect = Field(Effect.QUARANTINE, description="What another base does.")


class RequireAdvisories(Document):
    """Ask for advisory data that is there, fresh, and about the image's distribution."""

    max_age: Duration = Field(timedelta(hours=72), description="The age from which data is too old, such as 72h or 3d.")
    effect: Effect = Field(Effect.QUARANTINE, description="What missing or older data does.")
    uncovered: Effect | None = Field(
        None, description="What packages of a distribution do that no data is about; left out: the same as effect."
    )


class RequireMalwareScan(Document):
    """Ask that a malware scanner (`inspection.clamd`) has looked at every layer, and at every blob of an artifact."""

    max_age: Duration | None = Field(
        None, description="The age from which it must look again, such as 7d; left out: it need not."
    )
    effect: Effect = Field(
        Effect.QUARANTINE, description="What an image does that no scanner has looked at, or too long ago."
    )


class Require(Document):
    """What must be true of an image."""

    signatures: RequireSignatures | None = None
    vetted_packages: RequireVetted | None = None
    licences: RequireLicences | None = None
    minimum_age: RequireMinimumAge | None = None
    advisories: RequireAdvisories | None = None
    base: RequireBase | None = None
    malware_scan: RequireMalwareScan | None = None
