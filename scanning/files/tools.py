"""Tools that make an image easier to misuse: by path, by package name and by what is inside the file.

A path alone says little: what is recognised by its name must also be able to run (see `scanning.files.examine`).
Content says most, since a renamed ssh still carries its own words.
Signatures are sentences only the tool itself prints: `SSH-2.0-` alone is in every SSH library, podman and dockerd,
`/etc/ssh/ssh_config` in libssh. busybox and toybox carry netcat's words too and are no finding by themselves; the
name that makes them one, as file or link, is.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

from config.vocabulary import ToolKind
from scanning.files.words import Words

Found = tuple[ToolKind, str]
"""A kind and the tool's usual name."""

_NAMES: Mapping[ToolKind, str] = MappingProxyType(
    {
        ToolKind.SSH_CLIENT: "ssh slogin dbclient scp sftp autossh sshpass plink ssh-keyscan",
        ToolKind.SSH_SERVER: "sshd sshd-session dropbear dropbearmulti tinysshd",
        ToolKind.NETCAT: "nc ncat netcat nc.openbsd nc.traditional socat",
        ToolKind.TELNET: "telnet telnetd in.telnetd utelnetd inetutils-telnet telnet.netkit telnet-ssl",
        ToolKind.NETWORK_SCANNER: "nmap nping masscan zmap tcpdump tshark dumpcap wireshark hping3 ngrep arp-scan",
        ToolKind.DEBUGGER: "gdb gdbserver strace ltrace lldb bpftrace",
        ToolKind.PRIVILEGE: "sudo sudoedit su doas pkexec",
        ToolKind.PACKAGE_MANAGER: "apt apt-get aptitude dpkg apk rpm yum dnf dnf5 microdnf tdnf zypper pacman",
        ToolKind.COMPILER: "gcc cc g++ c++ clang clang++ tcc",
    }
)
_BY_NAME: Mapping[str, ToolKind] = MappingProxyType(
    {name: kind for kind, names in _NAMES.items() for name in names.split()}
)
_ORDER: Mapping[str, int] = MappingProxyType({name: position for position, name in enumerate(_BY_NAME)})
_PROGRAM_FOLDERS = frozenset({"bin", "sbin"})
_MULTICALL = frozenset({"busybox", "busybox.static", "toybox", "dropbearmulti"})
_USUAL_NAMES: Mapping[str, str] = MappingProxyType(
    {
        "slogin": "ssh",
        "netcat": "nc",
        "nc.openbsd": "nc",
        "nc.traditional": "nc",
        "inetutils-telnet": "telnet",
        "telnet.netkit": "telnet",
        "telnet-ssl": "telnet",
        "in.telnetd": "telnetd",
    }
)
_COMPILER = re.compile(r"(?:[a-z0-9_]+(?:-[a-z0-9_]+)+-)?(gcc|g\+\+|clang\+\+|clang)(?:-[0-9.]+)?")

_PACKAGES = tuple(
    (re.compile(pattern), found)
    for pattern, *found in (
        (
            r"openssh-client(?:-default|-ssh1|-gssapi)?|openssh-clients|dropbear-(?:dbclient|ssh)",
            (ToolKind.SSH_CLIENT, "ssh"),
        ),
        (r"openssh|dropbear-bin", (ToolKind.SSH_CLIENT, "ssh"), (ToolKind.SSH_SERVER, "sshd")),
        (r"openssh-server(?:-pam|-gssapi)?|dropbear|dropbear-run|tinysshd?", (ToolKind.SSH_SERVER, "sshd")),
        (r"autossh|sshpass", (ToolKind.SSH_CLIENT, "ssh")),
        (r"putty-tools", (ToolKind.SSH_CLIENT, "plink")),
        (r"netcat(?:-openbsd|-traditional)?", (ToolKind.NETCAT, "nc")),
        (r"ncat|nmap-ncat", (ToolKind.NETCAT, "ncat")),
        (r"socat", (ToolKind.NETCAT, "socat")),
        (r"telnet(?:-ssl)?|inetutils-telnet", (ToolKind.TELNET, "telnet")),
        (r"telnetd(?:-ssl)?|telnet-server|inetutils-telnetd", (ToolKind.TELNET, "telnetd")),
        (r"nmap", (ToolKind.NETWORK_SCANNER, "nmap")),
        (r"masscan|zmap|tcpdump|tshark|wireshark|ngrep|arp-scan|hping3", (ToolKind.NETWORK_SCANNER, "")),
        (r"gdb|gdbserver|strace|ltrace|lldb|bpftrace", (ToolKind.DEBUGGER, "")),
        (r"gdb-(?:minimal|multiarch)", (ToolKind.DEBUGGER, "gdb")),
        (r"sudo(?:-ldap)?", (ToolKind.PRIVILEGE, "sudo")),
        (r"doas|opendoas", (ToolKind.PRIVILEGE, "doas")),
        (r"pkexec", (ToolKind.PRIVILEGE, "pkexec")),
        (r"apt|aptitude|dpkg|rpm|yum|dnf|microdnf|zypper|pacman", (ToolKind.PACKAGE_MANAGER, "")),
        (r"apk-tools", (ToolKind.PACKAGE_MANAGER, "apk")),
        (r"(gcc|g\+\+|clang)(?:-[0-9.]+)?|tcc", (ToolKind.COMPILER, "")),
    )
)
_PACKAGE_TYPES = frozenset({"deb", "apk", "rpm"})

_SIGNATURES: tuple[tuple[bytes, Found], ...] = (
    (b"usage: ssh [-", (ToolKind.SSH_CLIENT, "ssh")),
    (b"usage: sshd [-", (ToolKind.SSH_SERVER, "sshd")),
    (b"Dropbear SSH client v", (ToolKind.SSH_CLIENT, "dbclient")),
    (b"Dropbear server v", (ToolKind.SSH_SERVER, "dropbear")),
    (b"usage: nc [-", (ToolKind.NETCAT, "nc")),
    (b"connect to somewhere:\tnc", (ToolKind.NETCAT, "nc")),
    (b"nmap.org/ncat", (ToolKind.NETCAT, "ncat")),
    (b"socat by Gerhard Rieger", (ToolKind.NETCAT, "socat")),
    (b"Telnet escape character is", (ToolKind.TELNET, "telnet")),
)
_OPENSSH = b"OpenSSH_"
_OPENSSH_VERSION = re.compile(rb"OpenSSH_[0-9]{1,3}\.[0-9]{1,3}p[0-9]")
_SSHD_CONFIG = b"/etc/ssh/sshd_config"
_DROPBEAR = b"SSH-2.0-dropbear"
_OVERLAP = 64
"""More than the longest thing sought, so that nothing is lost between two chunks."""


def named(path: str) -> Found | None:
    """The tool that a file of this name is taken for."""
    name = path.rpartition("/")[2]
    kind = _BY_NAME.get(name)
    if kind is not None:
        return kind, _USUAL_NAMES.get(name, name)
    compiler = _COMPILER.fullmatch(name)
    return (ToolKind.COMPILER, compiler[1]) if compiler else None


def is_program_path(path: str) -> bool:
    """Whether `path` lies where programs are looked for."""
    return path.rpartition("/")[0].rpartition("/")[2] in _PROGRAM_FOLDERS


def is_multicall(path: str) -> bool:
    """Whether `path` is called as a program that is many tools, each under its own name."""
    return path.rpartition("/")[2] in _MULTICALL


def preference(name: str) -> int:
    """Where `name` stands among the tools of its kind: the lower, the better it speaks for them."""
    return _ORDER.get(name, len(_ORDER))


def packaged(type_: str, name: str) -> tuple[Found, ...]:
    """The tools that a distribution's package is installed for; `type_` is its purl type."""
    if type_ not in _PACKAGE_TYPES:
        return ()
    return tuple(
        (kind, tool or name) for pattern, found in _PACKAGES if pattern.fullmatch(name) for kind, tool in found
    )


class SignatureSearch:
    """Looks for the words of tools in an executable, at any offset, fed in chunks of any size."""

    __slots__ = ("_seen", "_tail")

    def __init__(self) -> None:
        self._tail = b""
        self._seen: frozenset[bytes] = frozenset()

    def feed(self, chunk: bytes | memoryview) -> None:
        """Take the next bytes."""
        if self._tail:
            self._look_at(self._tail + bytes(chunk[:_OVERLAP]))
        self._look_at(chunk)
        end = bytes(chunk[-_OVERLAP:])
        self._tail = end if len(end) == _OVERLAP else (self._tail + end)[-_OVERLAP:]

    def _look_at(self, window: bytes | memoryview) -> None:
        seen = _SOUGHT.found_in(window)
        if _OPENSSH in seen and _OPENSSH_VERSION.search(window) is None:
            seen -= {_OPENSSH}
        self._seen |= seen

    def finish(self) -> tuple[Found, ...]:
        """The tools recognised, each kind once."""
        found = {kind: name for needle, (kind, name) in reversed(_SIGNATURES) if needle in self._seen}
        if not found.keys() & {ToolKind.SSH_CLIENT, ToolKind.SSH_SERVER}:
            found |= self._stripped_ssh()
        return tuple(found.items())

    def _stripped_ssh(self) -> Mapping[ToolKind, str]:
        """What tells of an SSH program whose usage text was taken out."""
        if _OPENSSH in self._seen:
            return {ToolKind.SSH_SERVER: "sshd"} if _SSHD_CONFIG in self._seen else {ToolKind.SSH_CLIENT: "ssh"}
        return {ToolKind.SSH_SERVER: "dropbear"} if _DROPBEAR in self._seen else {}


_SOUGHT = Words((*(needle for needle, _ in _SIGNATURES), _OPENSSH, _SSHD_CONFIG, _DROPBEAR))
