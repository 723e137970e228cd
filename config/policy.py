"""The policy document: what may be pushed to and pulled from which repositories, and who must have signed it.

A repository is judged by the one rule whose pattern is the most specific; a repository that no rule covers
is refused. A check that a rule does not name is not made; that a layer or manifest cannot be read is always
a refusal.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Annotated, Literal, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, field_serializer, model_validator

from config.durations import Duration
from config.errors import Location, MisplacedValueError
from config.patterns import PurlPattern, RepositoryPattern, TagPattern, ambiguous_pairs, most_specific
from config.vocabulary import ArtifactKind, Effect, Gravity, Mode, Severity, ToolKind

CheckId = Annotated[str, Field(pattern=r"^H[0-9]{2}$")]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", arbitrary_types_allowed=True)


_CURVES = frozenset({"secp256r1", "secp384r1", "secp521r1"})


def _public_key(pem: str) -> str:
    try:
        key = load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise ValueError("this is not a public key in PEM form; paste the whole content of cosign.pub") from error
    match key:
        case ec.EllipticCurvePublicKey() if key.curve.name in _CURVES:
            return pem
        case rsa.RSAPublicKey() if key.key_size >= 2048:
            return pem
        case ed25519.Ed25519PublicKey():
            return pem
        case _:
            raise ValueError("the key must be ECDSA on P-256, P-384 or P-521, Ed25519, or RSA of at least 2048 bits")


PublicKeyPem = Annotated[str, AfterValidator(_public_key)]


_MEDIA_TYPE = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]{0,126}/[a-z0-9][a-z0-9!#$&^_.+-]{0,126}", re.IGNORECASE)


def _artifact(name: str) -> str:
    if name in set(ArtifactKind) or _MEDIA_TYPE.fullmatch(name):
        return name
    raise ValueError(
        f"{name[:100]!r} is no kind of artifact; write {', '.join(ArtifactKind)}, or a media type such as"
        " application/vnd.example.thing"
    )


ArtifactName = Annotated[str, AfterValidator(_artifact)]


class Signer(_Document):
    """Somebody whose signatures count, by a public key in PEM form (`cosign.pub`)."""

    key: PublicKeyPem = Field(description="The public key, PEM (SubjectPublicKeyInfo): the content of cosign.pub.")
    not_after: AwareDatetime | None = Field(None, description="From this time on the key is no longer trusted.")


class DenyTools(_Document):
    """Refuse tools, recognised by path, by package and by content."""

    kinds: frozenset[ToolKind] = Field(description="The families of tools that must not be in an image.", min_length=1)
    effect: Effect = Field(Effect.REJECT, description="What finding one does.")

    @field_serializer("kinds")
    def _in_order(self, kinds: frozenset[ToolKind]) -> list[ToolKind]:
        # The policy's digest is made of the dump, which must not depend on how a set happens to be ordered.
        return sorted(kinds)


class DenyPackages(_Document):
    """Refuse packages by purl pattern."""

    purls: tuple[PurlPattern, ...] = Field(description="purl patterns, such as pkg:npm/left-pad@*.", min_length=1)
    effect: Effect = Field(Effect.REJECT, description="What finding one does.")


class DenyFindings(_Document):
    """Refuse packages that an advisory says are vulnerable."""

    severity: Severity = Field(Severity.HIGH, description="The lowest severity that counts.")
    fixable: bool = Field(True, description="Count only findings for which a fixed version exists.")
    unrated: Severity = Field(
        Severity.HIGH,
        description="The severity an advisory counts as when it carries none (most of Debian's).",
    )
    effect: Effect = Field(Effect.REJECT, description="What one finding does.")


class DenySecrets(_Document):
    """Refuse private keys and credentials: in any layer, even if deleted later, environment and history."""

    effect: Effect = Field(Effect.REJECT, description="What finding one does.")


class DenyRootUser(_Document):
    """Refuse images whose process starts as root."""

    effect: Effect = Field(Effect.WARN, description="What starting as root does.")


class DenyHardening(_Document):
    """Refuse weaknesses in how an image is built, by the ids of docs/checks.md."""

    gravity: Gravity = Field(Gravity.HIGH, description="The least gravity that counts.")
    ignore: tuple[CheckId, ...] = Field((), description="Checks that do not count, such as H14.")
    allow_setuid: tuple[str, ...] = Field((), description="Set-uid programs that are wanted, such as usr/bin/ping.")
    effect: Effect = Field(Effect.WARN, description="What finding one does.")


class Deny(_Document):
    """What must not be in an image."""

    tools: DenyTools | None = None
    packages: DenyPackages | None = None
    findings: DenyFindings | None = None
    secrets: DenySecrets | None = None
    root_user: DenyRootUser | None = None
    hardening: DenyHardening | None = None


class RequireSignatures(_Document):
    """Ask for signatures by named signers, counted by distinct key."""

    of: tuple[str, ...] = Field((), description="Names of signers, from `signers`. Empty: nobody can satisfy it.")
    threshold: int = Field(1, ge=1, description="How many different signers are needed.")
    children: Literal["inherit", "each"] = Field(
        "inherit", description="Whether a signature on an index covers the images it lists."
    )
    artifacts: bool = Field(False, description="Whether artifacts that are not images need them as well.")
    effect: Effect = Field(Effect.QUARANTINE, description="What missing signatures do.")


class RequireVetted(_Document):
    """Ask that every package is vetted, by purl pattern."""

    purls: tuple[PurlPattern, ...] = Field(description="The vetted packages, such as pkg:deb/debian/*.")
    effect: Effect = Field(Effect.REJECT, description="What an unvetted package does.")


class RequireAdvisories(_Document):
    """Ask for advisory data that is there and fresh."""

    max_age: Duration = Field(timedelta(hours=72), description="The age from which data is too old, such as 72h or 3d.")
    effect: Effect = Field(Effect.QUARANTINE, description="What missing or older data does.")


class Require(_Document):
    """What must be true of an image."""

    signatures: RequireSignatures | None = None
    vetted_packages: RequireVetted | None = None
    advisories: RequireAdvisories | None = None


class TagRules(_Document):
    """What may happen to tags, and what they mean to whom."""

    immutable: tuple[TagPattern, ...] = Field(
        (), description="Tags that, once they are there, are neither moved nor deleted: v*, where * is any characters."
    )
    serve: Literal["newest", "last-admitted"] = Field(
        "newest",
        description="What a tag means to those who may only pull: what it was last set to, or the last of it that the"
        " policy still admits.",
    )

    def is_immutable(self, tag: str) -> bool:
        """Whether `tag` must stay what it is."""
        return any(pattern.matches(tag) for pattern in self.immutable)


class RepositoryRule(_Document):
    """What holds for the repositories that match one of the patterns."""

    repositories: tuple[RepositoryPattern, ...] = Field(
        description="Anchored patterns: * is any run of characters in one part, ** any number of parts.",
        min_length=1,
    )
    mode: Mode = Field(Mode.ENFORCE, description="enforce, or audit: record what would have been refused.")
    artifacts: bool | tuple[ArtifactName, ...] = Field(
        True,
        description="Whether artifacts that are not images are allowed, or which: helm-chart, wasm, sbom, other, or"
        " their media types.",
    )
    foreign_layers: bool = Field(False, description="Whether layers that live at other addresses are allowed.")
    tags: TagRules = Field(default_factory=TagRules)
    deny: Deny = Field(default_factory=Deny)
    require: Require = Field(default_factory=Require)


class Waiver(_Document):
    """An exception: what is accepted for a while. It never covers what cannot be inspected."""

    repositories: tuple[RepositoryPattern, ...] = Field(description="Where it holds.", min_length=1)
    findings: tuple[str, ...] = Field((), description="Advisory or CVE ids that are accepted.")
    packages: tuple[PurlPattern, ...] = Field((), description="Packages that are accepted, denied or unvetted.")
    tools: tuple[ToolKind, ...] = Field((), description="Tools that are accepted.")
    digest: str = Field(
        "", description="Only for this manifest, sha256:….", pattern="^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})?$"
    )
    reason: str = Field(description="Why, for the audit.", min_length=1)
    author: str = Field(description="Who decided, for the audit.", min_length=1)
    expires: AwareDatetime = Field(description="When it ends. Every waiver ends.")

    @model_validator(mode="after")
    def _covers_something(self) -> Self:
        if not (self.findings or self.packages or self.tools):
            raise ValueError("a waiver names what it covers: findings, packages or tools")
        return self


class Policy(_Document):
    """The whole document."""

    version: Literal[1] = Field(description="The version of this format.")
    name: str = Field("custom", description="Shown in verdicts.", min_length=1)
    signers: Mapping[str, Signer] = Field(default_factory=dict, description="Who can sign, by name.")
    rules: tuple[RepositoryRule, ...] = Field(description="One rule per set of repositories.", min_length=1)
    waivers: tuple[Waiver, ...] = Field((), description="Exceptions, each with author, reason and end.")

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        mistakes = [*self._unknown_signers(), *self._ties()]
        if mistakes:
            raise MisplacedValueError(mistakes)
        return self

    def _unknown_signers(self) -> Iterator[tuple[Location, str]]:
        for number, rule in enumerate(self.rules):
            wanted = rule.require.signatures
            if wanted is None:
                continue
            place: Location = ("rules", number, "require", "signatures")
            for name in sorted(set(wanted.of) - set(self.signers)):
                yield (*place, "of"), f"{name!r} is not among signers; add its key there or correct the name"
            if wanted.of and wanted.threshold > len(set(wanted.of)):
                yield (
                    (*place, "threshold"),
                    f"{wanted.threshold} signers are needed and {len(set(wanted.of))} named; nobody can satisfy it",
                )

    def _ties(self) -> Iterator[tuple[Location, str]]:
        places = {
            id(pattern): ("rules", number, "repositories", index)
            for number, rule in enumerate(self.rules)
            for index, pattern in enumerate(rule.repositories)
        }
        patterns = [pattern for rule in self.rules for pattern in rule.repositories]
        for one, other in ambiguous_pairs(patterns):
            yield (
                places[id(other)],
                f"{other} ties with {one}: equally specific, and a repository can match both; narrow one of them",
            )

    def pattern_for(self, repository: str) -> RepositoryPattern | None:
        """The most specific pattern that covers `repository`; None if none does."""
        return most_specific((pattern for rule in self.rules for pattern in rule.repositories), repository)

    def rule_for(self, repository: str) -> RepositoryRule | None:
        """The rule with the most specific pattern for `repository`; None if none covers it."""
        pattern = self.pattern_for(repository)
        return next((rule for rule in self.rules if pattern in rule.repositories), None)

    def waivers_for(self, repository: str, digest: str, now: datetime) -> tuple[Waiver, ...]:
        """The waivers in force for one manifest at `now`."""
        return tuple(
            waiver
            for waiver in self.waivers
            if waiver.expires > now
            and waiver.digest in ("", digest)
            and any(pattern.matches(repository) for pattern in waiver.repositories)
        )
