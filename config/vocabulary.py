"""Words that the policy and the facts share."""

from enum import StrEnum


class _Ranked(StrEnum):
    """Words in order, from the mildest to the worst."""

    @property
    def rank(self) -> int:
        """Higher is worse."""
        return list(type(self)).index(self)


class ToolKind(StrEnum):
    """The families of tools a policy can name."""

    SSH_CLIENT = "ssh-client"
    SSH_SERVER = "ssh-server"
    NETCAT = "netcat"
    TELNET = "telnet"
    NETWORK_SCANNER = "network-scanner"
    DEBUGGER = "debugger"
    PRIVILEGE = "privilege"
    PACKAGE_MANAGER = "package-manager"
    COMPILER = "compiler"
    TUNNEL = "tunnel"
    MINER = "crypto-miner"
    DOWNLOADER = "downloader"
    SHELL = "shell"
    PACKED = "packed-program"
    """Compressed so that what it is cannot be read: any of the others may be in it."""
    SSH_LIBRARY = "ssh-library"
    """A program of another purpose that speaks SSH itself."""


class ArtifactKind(StrEnum):
    """The kinds of artifact a policy can name, told by what they hold and not only by what they are called."""

    HELM_CHART = "helm-chart"
    WASM = "wasm"
    SBOM = "sbom"
    OTHER = "other"


class SbomFormat(StrEnum):
    """The forms a bill of materials can be had in."""

    CYCLONEDX = "cyclonedx"
    """CycloneDX 1.6, JSON (ECMA-424)."""
    SPDX = "spdx"
    """SPDX 2.3, JSON."""


class Severity(_Ranked):
    """How bad an advisory says it is. `UNRATED` where it says nothing: policy decides what that counts as."""

    UNRATED = "unrated"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Support(StrEnum):
    """How long a distribution's release counts as supported."""

    STANDARD = "standard"
    """By those who made it."""
    LONG_TERM = "long-term"
    """Also by others, for everybody: Debian LTS."""
    EXTENDED = "extended"
    """Also for those who pay for it: Debian ELTS, Ubuntu Pro, extended life cycle support."""


class Gravity(_Ranked):
    """How much a weakness in hardening matters."""

    INFO = "info"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class Effect(StrEnum):
    """What a broken rule does to a push, from mildest to harshest."""

    WARN = "warn"
    QUARANTINE = "quarantine"
    REJECT = "reject"


class Mode(StrEnum):
    """Whether verdicts are enforced or only recorded."""

    ENFORCE = "enforce"
    AUDIT = "audit"
