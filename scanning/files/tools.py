"""Tools that make an image easier to misuse, by the names of files and of packages.

A path alone says little: what is recognised by its name must also be able to run (see `scanning.files.examine`).
What is inside a program says more: `signatures`, `multicall` and `packers`.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType

from config.vocabulary import ToolKind

Found = tuple[ToolKind, str]
"""A kind and the tool's usual name."""

_NAMES: Mapping[ToolKind, str] = MappingProxyType(
    {
        ToolKind.SSH_CLIENT: "ssh slogin dbclient scp sftp autossh sshpass plink psftp pscp putty ssh-keyscan",
        ToolKind.SSH_SERVER: "sshd sshd-session dropbear dropbearmulti tinysshd",
        ToolKind.NETCAT: "nc ncat netcat nc.openbsd nc.traditional socat",
        ToolKind.TELNET: "telnet telnetd in.telnetd utelnetd inetutils-telnet telnet.netkit telnet-ssl",
        ToolKind.NETWORK_SCANNER: "nmap nping masscan zmap tcpdump tshark dumpcap wireshark hping3 ngrep arp-scan hydra"
        " rustscan naabu",
        ToolKind.DEBUGGER: "gdb gdb-multiarch gdbserver strace ltrace lldb lldb-server bpftrace valgrind dlv",
        ToolKind.PRIVILEGE: "sudo sudoedit su doas pkexec",
        ToolKind.PACKAGE_MANAGER: "apt apt-get aptitude dpkg apk rpm yum dnf dnf5 microdnf tdnf zypper pacman opkg",
        ToolKind.COMPILER: "gcc cc g++ c++ cc1 cc1plus clang clang++ tcc rustc",
        ToolKind.TUNNEL: "chisel frpc frps ngrok cloudflared gost ligolo-ng iodine iodined proxytunnel proxychains4"
        " rathole dnscat2",
        ToolKind.MINER: "xmrig xmrig-proxy minerd cpuminer ccminer ethminer cgminer bfgminer nbminer lolMiner xmr-stak"
        " kdevtmpfsi kinsing",
        ToolKind.DOWNLOADER: "curl wget wget2 aria2c ftp lftp tftp ftpget",
        ToolKind.SHELL: "bash sh dash ash zsh ksh ksh93 mksh fish tcsh csh",
    }
)
_BY_NAME: Mapping[str, ToolKind] = MappingProxyType(
    {name: kind for kind, names in _NAMES.items() for name in names.split()}
)
KNOWN_NAMES = tuple(_BY_NAME)
"""Every name of a tool, those people know best first of each kind."""
_ORDER: Mapping[str, int] = MappingProxyType({name: position for position, name in enumerate(_BY_NAME)})
_PROGRAM_FOLDERS = frozenset({"bin", "sbin"})
_OF_WINDOWS = ".exe"
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
        (r"(gcc|g\+\+|clang)(?:-[0-9.]+)?|tcc|rustc", (ToolKind.COMPILER, "")),
        (r"hydra|naabu|rustscan", (ToolKind.NETWORK_SCANNER, "")),
        (r"valgrind|delve", (ToolKind.DEBUGGER, "")),
        (r"iodine|proxytunnel|proxychains4|chisel|frp|cloudflared|rathole", (ToolKind.TUNNEL, "")),
        (r"xmrig|cpuminer|cgminer|bfgminer", (ToolKind.MINER, "")),
        (r"curl|wget|wget2|lftp|tftp-hpa", (ToolKind.DOWNLOADER, "")),
        (r"aria2", (ToolKind.DOWNLOADER, "aria2c")),
        (r"bash|dash|zsh|mksh|fish|tcsh", (ToolKind.SHELL, "")),
    )
)
_PACKAGE_TYPES = frozenset({"deb", "apk", "rpm"})
_SSH_LIBRARIES: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "pypi": frozenset({"paramiko", "asyncssh", "ssh-python", "ssh2-python"}),
        "npm": frozenset({"ssh2"}),
        "gem": frozenset({"net-ssh"}),
        "cargo": frozenset({"russh", "thrussh", "ssh2"}),
        "maven": frozenset(
            {
                *("org.apache.sshd:sshd-core", "com.jcraft:jsch", "com.github.mwiede:jsch", "com.hierynomus:sshj"),
                *("org.connectbot:sshlib", "com.trilead:trilead-ssh2"),
            }
        ),
        "composer": frozenset({"phpseclib/phpseclib"}),
        "nuget": frozenset({"ssh.net"}),
    }
)
"""By type, in lower case. libssh and libssh2 are none of these: curl brings them into nearly every image."""


def named(path: str) -> Found | None:
    """The tool that a file of this name is taken for."""
    name = path.rpartition("/")[2]
    if name[-4:].lower() == _OF_WINDOWS:
        name = name[:-4].lower()
    kind = _BY_NAME.get(name)
    if kind is not None:
        return kind, _USUAL_NAMES.get(name, name)
    if "gcc" not in name and "g++" not in name and "clang" not in name:
        return None
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
    """The tools that a package is installed for; `type_` is its purl type."""
    if type_ in _SSH_LIBRARIES:
        return ((ToolKind.SSH_LIBRARY, name),) if name.lower().replace("_", "-") in _SSH_LIBRARIES[type_] else ()
    if type_ not in _PACKAGE_TYPES:
        return ()
    return tuple(
        (kind, tool or name) for pattern, found in _PACKAGES if pattern.fullmatch(name) for kind, tool in found
    )
