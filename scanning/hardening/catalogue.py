"""Every check of an image. The ids are stable: policies, waivers and documents name them."""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from config.vocabulary import Gravity, ToolKind

HARDENING = "deny.hardening"


@dataclass(frozen=True, slots=True)
class Check:
    """One check. `references` are sections of the CIS Docker Benchmark (CIS) and of NIST SP 800-190 (NIST).

    `gravity` is None where each thing found has its own. `rule` is the part of a policy that asks for it.
    """

    id: str
    title: str
    gravity: Gravity | None
    why: str
    fix: str
    references: tuple[str, ...]
    rule: str = HARDENING


_ALL = (
    Check(
        "H01",
        "process that starts as root",
        Gravity.HIGH,
        "whoever breaks out of the program is root at once, and root outside if the container is loose",
        "add a USER instruction with an unprivileged account",
        ("CIS 4.1", "NIST 4.1.2"),
        "deny.root_user",
    ),
    Check(
        "H02",
        "base image that is not approved",
        Gravity.HIGH,
        "nobody has looked at what every image built on it inherits",
        "build it on an approved base image (imagegate base list), or ask an admin to approve its own:"
        " imagegate base approve IMAGE",
        ("CIS 4.2", "NIST 4.1.5"),
        "require.base",
    ),
    Check(
        "H03",
        "ssh server",
        Gravity.CRITICAL,
        "it is a way into the container past everything that watches it",
        "remove the package or the file; use the orchestrator's exec",
        ("CIS 5.6", "NIST 4.1.2"),
        "deny.tools",
    ),
    Check(
        "H04",
        "ssh client",
        Gravity.HIGH,
        "it leads from the container to other machines",
        "remove the package or the file; copy what is needed while the image is built",
        ("CIS 4.3", "NIST 4.1.2"),
        "deny.tools",
    ),
    Check(
        "H05",
        "netcat, socat or telnet",
        Gravity.HIGH,
        "it connects a shell to anywhere",
        "remove the package or the file",
        ("CIS 4.3", "NIST 4.1.2"),
        "deny.tools",
    ),
    Check(
        "H06",
        "network scanner or debugger",
        Gravity.MEDIUM,
        "it shows an intruder the network, or the memory of other processes",
        "remove the package or the file; debug from a container of its own beside it",
        ("CIS 4.3", "NIST 4.1.2"),
        "deny.tools",
    ),
    Check(
        "H07",
        "sudo, su or doas",
        Gravity.HIGH,
        "it makes an unprivileged process root",
        "remove the package or the file; set USER to the account that is needed",
        ("CIS 4.3", "CIS 4.8"),
        "deny.tools",
    ),
    Check(
        "H08",
        "package manager",
        Gravity.LOW,
        "it brings an intruder whatever is missing",
        "remove it in the last build step, or build on a base without one",
        ("CIS 4.3",),
        "deny.tools",
    ),
    Check(
        "H09",
        "compiler",
        Gravity.LOW,
        "it builds an intruder whatever is missing",
        "build in a stage of its own, and copy the result",
        ("CIS 4.3",),
        "deny.tools",
    ),
    Check(
        "H10",
        "vulnerable package",
        None,
        "it is known how to attack it",
        "upgrade the package to the fixed version and build again",
        ("CIS 4.4", "NIST 4.1.1"),
        "deny.findings",
    ),
    Check(
        "H11",
        "vulnerability that is known to be exploited",
        Gravity.CRITICAL,
        "attackers use it already",
        "upgrade the package to the fixed version at once, or remove it where there is none",
        ("CIS 4.4", "NIST 4.1.1"),
        "deny.findings",
    ),
    Check(
        "H12",
        "distribution past its end of life",
        Gravity.HIGH,
        "new vulnerabilities in it are neither mended nor told, so that it has none is no good news",
        "build on a release that is still supported",
        ("CIS 4.4", "NIST 4.1.1"),
        "deny.end_of_life",
    ),
    Check(
        "H13",
        "image that nobody trusted has signed",
        Gravity.MEDIUM,
        "nobody can tell who built it, or whether it was changed since",
        "sign it with: cosign sign --key KEY IMAGE",
        ("CIS 4.5", "NIST 4.1.5"),
        "require.signatures",
    ),
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
        "H17",
        "file capabilities",
        Gravity.HIGH,
        "whoever runs the file has rights of root, whatever account the image names",
        "remove them: setcap -r FILE; or give the capability to the container that needs it",
        ("CIS 4.8", "CIS 5.3", "NIST 4.1.2"),
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
        "H19",
        "secret in the configuration",
        Gravity.CRITICAL,
        "everyone who can pull the image can read its environment, labels and history",
        "revoke it, and hand it to the container when it starts, or to the build as a build secret",
        ("CIS 4.10", "NIST 4.1.4"),
        "deny.secrets",
    ),
    Check(
        "H20",
        "secret in a layer",
        Gravity.CRITICAL,
        "everyone who can pull the image can read it, even if a later layer deletes it",
        "revoke it, and build again without it: a build secret, not COPY",
        ("CIS 4.10", "NIST 4.1.4"),
        "deny.secrets",
    ),
    Check(
        "H21",
        "executable that no package owns",
        Gravity.HIGH,
        "nobody publishes advisories for it, and nobody can say where it comes from",
        "install it as a package, or let the policy expect it: deny.hardening.allow_unowned",
        ("CIS 4.2", "CIS 4.11", "NIST 4.1.3"),
    ),
    Check(
        "H22",
        "packaged file that was changed after it was installed",
        Gravity.HIGH,
        "it no longer does what its package does, and upgrades may undo or miss the change",
        "install the package again, and change it by what it offers for that: settings, drop-in files, a new version",
        ("CIS 4.11", "NIST 4.1.3"),
    ),
    Check(
        "H23",
        "account with an empty password, or another root",
        Gravity.CRITICAL,
        "whoever can name the account is let in, and a second way to be root is how intruders stay",
        "lock the account: passwd -l NAME; give it a uid of its own in etc/passwd",
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
        "H26",
        "ambiguous archive",
        Gravity.CRITICAL,
        "runtimes would unpack it in different ways, so nobody knows what is in it",
        "build it again so that every layer and archive has one unambiguous meaning",
        ("NIST 4.1.2", "NIST 4.1.3"),
        "inspection",
    ),
    Check(
        "H27",
        "something that lets somebody in or runs by itself",
        Gravity.HIGH,
        "authorized keys, preloaded libraries, cron jobs and services are how intruders stay",
        "remove it and build again; what is needed belongs into a package",
        ("NIST 4.1.3",),
    ),
    Check(
        "H28",
        "crypto miner",
        Gravity.CRITICAL,
        "nobody puts it into an image for the good of those who run it",
        "remove the package or the file, and find out who put it there",
        ("NIST 4.1.3",),
        "deny.tools",
    ),
    Check(
        "H29",
        "tunnel",
        Gravity.HIGH,
        "it leads past firewalls, from outside in and from inside out",
        "remove the package or the file",
        ("CIS 4.3", "NIST 4.1.3"),
        "deny.tools",
    ),
    Check(
        "H30",
        "packed program",
        Gravity.HIGH,
        "nobody can see what it is, and every other check of it is blind",
        "put in the program as it was before it was packed",
        ("NIST 4.1.3",),
        "deny.tools",
    ),
    Check(
        "H31",
        "download tool",
        Gravity.INFO,
        "it brings an intruder whatever is missing",
        "remove the package or the file; download while the image is built, in a stage of its own",
        ("CIS 4.3",),
        "deny.tools",
    ),
    Check(
        "H32",
        "shell",
        Gravity.INFO,
        "it is what most attacks begin with",
        "build on a base without one, where the program needs none",
        ("CIS 4.3",),
        "deny.tools",
    ),
    Check(
        "H33",
        "program that speaks SSH itself",
        Gravity.INFO,
        "it can connect to other machines as an ssh client does, or be connected to",
        "nothing, if that is what the program is for",
        ("NIST 4.1.2",),
        "deny.tools",
    ),
    Check(
        "H34",
        "malicious package",
        Gravity.CRITICAL,
        "somebody published it to do harm, and it may have run already where it was installed",
        "remove it, and change every credential that was in reach where it was installed or built",
        ("CIS 4.2", "NIST 4.1.3"),
        "deny.malicious",
    ),
    Check(
        "H35",
        "program of the approved base image that was replaced",
        Gravity.HIGH,
        "what was approved is not what runs, and the records of packages in the image can be forged along with it",
        "leave the program as it is, upgrade the package that it belongs to, or have a base with this program approved",
        ("CIS 4.2", "NIST 4.1.3"),
    ),
    Check(
        "H36",
        "malware",
        Gravity.CRITICAL,
        "whoever runs the image may run it, and a later layer that deletes it only hides it",
        "find out how it came in, and build again without it; tell the makers of the signature where it is wrong",
        ("NIST 4.1.3",),
        "deny.malware",
    ),
    Check(
        "H37",
        "program or package that is fetched or decoded when the container starts",
        Gravity.HIGH,
        "nobody has inspected it, and what is fetched can be another one each time",
        "fetch or unpack it while the image is built, with its digest or version named, so that it is inspected, too",
        ("CIS 4.2", "CIS 4.11", "NIST 4.1.3"),
    ),
)

CHECKS: Mapping[str, Check] = MappingProxyType({check.id: check for check in _ALL})
"""By id, in the order of the ids."""

TOOL_CHECKS: Mapping[ToolKind, str] = MappingProxyType(
    {
        ToolKind.SSH_SERVER: "H03",
        ToolKind.SSH_CLIENT: "H04",
        ToolKind.NETCAT: "H05",
        ToolKind.TELNET: "H05",
        ToolKind.NETWORK_SCANNER: "H06",
        ToolKind.DEBUGGER: "H06",
        ToolKind.PRIVILEGE: "H07",
        ToolKind.PACKAGE_MANAGER: "H08",
        ToolKind.COMPILER: "H09",
        ToolKind.MINER: "H28",
        ToolKind.TUNNEL: "H29",
        ToolKind.PACKED: "H30",
        ToolKind.DOWNLOADER: "H31",
        ToolKind.SHELL: "H32",
        ToolKind.SSH_LIBRARY: "H33",
    }
)
"""Which check finds a tool of which kind."""


_INTRODUCTION = (
    "Made from `scanning/hardening/catalogue.py`; a test compares the two. Each check is made because of the part of a",
    "policy that it names, described in [Policy](admins/policy.md): `deny.hardening` says besides what gravity counts",
    "and which checks do not, and `inspection` is made always. What is found is told with its path, its layer, and the",
    "build step that made the layer where the history of the image tells.",
)


def as_markdown() -> str:
    """The catalogue as `docs/checks.md` shows it."""
    lines = ["# Checks", "", *_INTRODUCTION]
    for check in CHECKS.values():
        lines += [
            "",
            f"## {check.id}: {check.title}",
            "",
            f"Gravity **{check.gravity or 'that of the advisory'}**. {check.why[0].upper()}{check.why[1:]}.",
            f"What to do: {check.fix}. See {', '.join(check.references)}.",
            f"Made because of: `{check.rule}`.",
        ]
    return "\n".join(lines) + "\n"
