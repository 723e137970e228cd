"""Checks of the image configuration (OCI image specification, config.md)."""

import re
from collections.abc import Iterator

from scanning.facts import Weakness
from scanning.files.secrets import find_in_text
from scanning.oci.manifest import ImageConfig

_PORTS = {"22": "ssh", "23": "telnet", "2375": "the Docker API without TLS", "2376": "the Docker API"}
_OF_THE_HOST = re.compile(
    r"/(?:(?:proc|sys|dev|etc|boot|root)(?:/.*)?)?"
    r"|(?:/var)?/run/(?:docker|containerd/containerd|crio/crio)\.sock"
)
_UPDATE = re.compile(
    r"\b(?:apt-get|apt|apk)\s+(?:-\S+\s+)*update\b|\b(?:yum|dnf|microdnf)\s+(?:-\S+\s+)*(?:makecache|check-update)\b"
)
_INSTALLATION = re.compile(r"\b(?:install|upgrade|dist-upgrade|full-upgrade|add)\b")
_ADDED = re.compile(r"(?:^|#\(nop\)\s*)ADD\s+(?:--\S+\s+)*(?P<address>(?:https?|ftp|git)://\S+)")
_CHECKED = re.compile(r"(?:^|#\(nop\)\s*)ADD\s+(?:--\S+\s+)*--checksum=")
_LONGEST_STEP = 4096


def weaknesses(config: ImageConfig) -> Iterator[Weakness]:
    """What the configuration makes easier for an attacker."""
    if not config.healthcheck:
        yield Weakness("H14", "the image configuration", "there is no HEALTHCHECK")
    for exposed in config.exposed_ports:
        port = exposed.partition("/")[0]
        if port in _PORTS:
            yield Weakness("H25", "the image configuration", f"it exposes port {port} ({_PORTS[port]})")
    for volume in config.volumes:
        if _OF_THE_HOST.fullmatch(volume.rstrip("/") or "/"):
            yield Weakness("H25", "the image configuration", f"it declares the volume {volume}")
    for number, step in enumerate(config.history, start=1):
        text = step.created_by[:_LONGEST_STEP]
        if _UPDATE.search(text) and not _INSTALLATION.search(text):
            yield Weakness("H15", f"history {number}", "package lists are updated and nothing is installed")
        added = _ADDED.search(text)
        if added is not None and not _CHECKED.search(text):
            yield Weakness("H18", f"history {number}", f"ADD {_shown(added['address'])}")


def _shown(address: str) -> str:
    return "an address that holds a secret" if find_in_text(address) else address
