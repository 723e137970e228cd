"""Every hardening check. The ids are stable: policies, waivers and documents name them."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from config.vocabulary import Gravity


@dataclass(frozen=True, slots=True)
class Check:
    """One check. `references` are sections of the CIS Docker Benchmark (CIS) and of NIST SP 800-190 (NIST)."""

    id: str
    title: str
    gravity: Gravity
    why: str
    fix: str
    references: tuple[str, ...]


_ALL = (
    Check(
        "H14",
        "no health check",
        Gravity.INFO,
        "nobody notices when the process hangs",
        "add a HEALTHCHECK instruction, or probe the container from outside",
        ("CIS 4.6",),
    ),
    Check(
        "H15",
        "package lists updated in a step of their own",
        Gravity.LOW,
        "the step is cached, so later builds install old versions",
        "put the update and the installation into one RUN instruction",
        ("CIS 4.7",),
    ),
    Check(
        "H16",
        "set-uid or set-gid program that its base image does not need",
        Gravity.HIGH,
        "a mistake in it gives its owner's rights to whoever runs it",
        "remove it, or clear the bits: chmod a-s FILE",
        ("CIS 4.8", "NIST 4.1.2"),
    ),
    Check(
        "H18",
        "file added from an address",
        Gravity.LOW,
        "what is at the address can change, and nobody verified it",
        "fetch it in a RUN instruction that checks its digest, or use ADD --checksum",
        ("CIS 4.9",),
    ),
    Check(
        "H23",
        "account besides root with the rights of root",
        Gravity.CRITICAL,
        "a second way to be root is how intruders stay",
        "give the account a uid of its own in etc/passwd",
        ("NIST 4.1.2",),
    ),
    Check(
        "H24",
        "program path that everybody may write to, or device node",
        Gravity.HIGH,
        "any process can replace what others run, or reach the hardware",
        "take the right to write away: chmod o-w PATH; remove device nodes",
        ("NIST 4.1.2",),
    ),
    Check(
        "H25",
        "port or volume that opens the host or a remote shell",
        Gravity.HIGH,
        "it invites to connect a shell, or to mount what belongs to the host",
        "remove the EXPOSE or VOLUME instruction",
        ("CIS 5.8", "CIS 5.5", "NIST 4.1.2"),
    ),
    Check(
        "H27",
        "file that lets somebody in or runs by itself",
        Gravity.HIGH,
        "authorized keys, preloaded libraries and cron jobs are how intruders stay",
        "remove it and build again",
        ("NIST 4.1.3",),
    ),
)

CHECKS: Mapping[str, Check] = MappingProxyType({check.id: check for check in _ALL})
"""By id, in the order of the ids."""


_INTRODUCTION = (
    "Made from `scanning/hardening/catalogue.py`; a test compares the two. A policy asks for these checks with",
    "`deny.hardening`, which says what gravity counts and which checks do not. What `deny.tools`, `deny.secrets`,",
    "`deny.findings` and `deny.root_user` look for is described in [Policy](admins/policy.md).",
)


def as_markdown() -> str:
    """The catalogue as `docs/checks.md` shows it."""
    lines = ["# Hardening checks", "", *_INTRODUCTION]
    for check in CHECKS.values():
        lines += [
            "",
            f"## {check.id}: {check.title}",
            "",
            f"Gravity **{check.gravity}**. {check.why[0].upper()}{check.why[1:]}.",
            f"What to do: {check.fix}. See {', '.join(check.references)}.",
        ]
    return "\n".join(lines) + "\n"
