"""Repository names, tags and references (OCI distribution specification, "Pulling manifests")."""

import re
from dataclasses import dataclass
from typing import Self

from scanning.errors import InvalidNameError
from scanning.oci.digest import Digest

MAX_REPOSITORY_LENGTH = 255
REPOSITORY_GRAMMAR = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*)*"
TAG_GRAMMAR = r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}"
_REPOSITORY = re.compile(REPOSITORY_GRAMMAR)
_TAG = re.compile(TAG_GRAMMAR)
_REFERRERS_TAG = re.compile(r"(?:sha256|sha512)-[0-9a-f]{64}(?:\.(?:sig|att|sbom))?")


@dataclass(frozen=True, slots=True, order=True)
class Repository:
    """A repository name such as `team/app`, valid by construction."""

    name: str

    def __post_init__(self) -> None:
        if len(self.name) > MAX_REPOSITORY_LENGTH or _REPOSITORY.fullmatch(self.name) is None:
            raise InvalidNameError(
                f"{self.name[:200]!r} is not a repository name: lower-case letters, digits and . _ - between them,"
                f" parts separated by /, at most {MAX_REPOSITORY_LENGTH} characters"
            )

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True, order=True)
class Tag:
    """A tag such as `1.2`, valid by construction."""

    name: str

    def __post_init__(self) -> None:
        if _TAG.fullmatch(self.name) is None:
            raise InvalidNameError(
                f"{self.name[:200]!r} is not a tag: letters, digits, _ . and -, not starting with . or -,"
                " at most 128 characters"
            )

    def __str__(self) -> str:
        return self.name


def is_referrers_tag(tag: Tag) -> bool:
    """Whether a tag lists what refers to a manifest, by the referrers tag schema (OCI distribution specification) or
    cosign's: `sha256-<hex>`, `sha256-<hex>.sig`, `.att` or `.sbom`.
    """
    return _REFERRERS_TAG.fullmatch(tag.name) is not None


Reference = Tag | Digest
"""What names a manifest inside a repository."""


def parse_reference(text: str) -> Reference:
    """A digest if `text` holds a colon, a tag otherwise.

    Raises `InvalidDigestError` or `InvalidNameError`.
    """
    return Digest.parse(text) if ":" in text else Tag(text)


@dataclass(frozen=True, slots=True)
class ImageReference:
    """A repository and what is meant in it, as people write it: `team/app:1.2` or `team/app@sha256:…`."""

    repository: Repository
    reference: Reference

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `name[:tag][@digest]`, without a registry host; the tag defaults to `latest`, a digest wins.

        Raises `InvalidDigestError` or `InvalidNameError`.
        """
        name, at, digest = text.partition("@")
        name, colon, tag = name.partition(":")
        if colon:
            Tag(tag)
        return cls(Repository(name), Digest.parse(digest) if at else Tag(tag if colon else "latest"))

    def __str__(self) -> str:
        return f"{self.repository}{'@' if isinstance(self.reference, Digest) else ':'}{self.reference}"
