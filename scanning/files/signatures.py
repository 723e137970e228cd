"""Tools recognised by what is inside a program: a renamed ssh still carries its own words.

Signatures are sentences only the tool itself prints: `SSH-2.0-` alone is in every SSH library, podman and dockerd,
`/etc/ssh/ssh_config` in libssh. Programs made with Go carry the names of their functions, stripped or not. What a
multi-call program holds besides is told by its applets (`scanning.files.multicall`).
"""

import re
from collections.abc import Mapping

from config.vocabulary import ToolKind
from scanning.files import multicall
from scanning.files.tools import Found
from scanning.files.words import Words

_SIGNATURES: tuple[tuple[bytes, Found], ...] = (
    (b"usage: ssh [-", (ToolKind.SSH_CLIENT, "ssh")),
    (b"usage: scp [-", (ToolKind.SSH_CLIENT, "scp")),
    (b"usage: sshd [-", (ToolKind.SSH_SERVER, "sshd")),
    (b"Dropbear SSH client v", (ToolKind.SSH_CLIENT, "dbclient")),
    (b"Dropbear server v", (ToolKind.SSH_SERVER, "dropbear")),
    (b"usage: tinysshd [", (ToolKind.SSH_SERVER, "tinysshd")),
    (b"Usage: plink [", (ToolKind.SSH_CLIENT, "plink")),
    (b"Usage: psftp [", (ToolKind.SSH_CLIENT, "psftp")),
    (b"Usage: pscp [", (ToolKind.SSH_CLIENT, "pscp")),
    (b"SSHPASS: detected prompt", (ToolKind.SSH_CLIENT, "sshpass")),
    (b"usage: nc [-", (ToolKind.NETCAT, "nc")),
    (b"connect to somewhere:\tnc", (ToolKind.NETCAT, "nc")),
    (b"nmap.org/ncat", (ToolKind.NETCAT, "ncat")),
    (b"socat by Gerhard Rieger", (ToolKind.NETCAT, "socat")),
    (b"Telnet escape character is", (ToolKind.TELNET, "telnet")),
    (b"telnetd: %s.\r\n", (ToolKind.TELNET, "telnetd")),
    (b"Usage: nmap [Scan Type", (ToolKind.NETWORK_SCANNER, "nmap")),
    (b"Usage: nping [Probe mode", (ToolKind.NETWORK_SCANNER, "nping")),
    (b"masscan -p80", (ToolKind.NETWORK_SCANNER, "masscan")),
    (b"X#] [ -B size ] [ -c count ]", (ToolKind.NETWORK_SCANNER, "tcpdump")),
    (b"Usage: tshark [", (ToolKind.NETWORK_SCANNER, "tshark")),
    (b"Usage: dumpcap [", (ToolKind.NETWORK_SCANNER, "dumpcap")),
    (b"usage: hping3 host", (ToolKind.NETWORK_SCANNER, "hping3")),
    (b"Usage: arp-scan [", (ToolKind.NETWORK_SCANNER, "arp-scan")),
    (b"usage: ngrep <", (ToolKind.NETWORK_SCANNER, "ngrep")),
    (b"By default, ZMap prints out", (ToolKind.NETWORK_SCANNER, "zmap")),
    (b"Syntax: hydra [", (ToolKind.NETWORK_SCANNER, "hydra")),
    (b"This is the GNU debugger", (ToolKind.DEBUGGER, "gdb")),
    (b"\tgdbserver [OPTIONS] COMM PROG", (ToolKind.DEBUGGER, "gdbserver")),
    (b"Usage: strace [-", (ToolKind.DEBUGGER, "strace")),
    (b"ltrace-devel@", (ToolKind.DEBUGGER, "ltrace")),
    (b"bpftrace -l '*sleep*'", (ToolKind.DEBUGGER, "bpftrace")),
    (b"valgrind: failed to start tool", (ToolKind.DEBUGGER, "valgrind")),
    (b"github.com/go-delve/delve/cmd/dlv/cmds.", (ToolKind.DEBUGGER, "dlv")),
    (b"unable to initialize policy plugin", (ToolKind.PRIVILEGE, "sudo")),
    (b"usage: doas [-", (ToolKind.PRIVILEGE, "doas")),
    (b"package management program version", (ToolKind.PACKAGE_MANAGER, "dpkg")),
    (b"apt is a commandline package manager", (ToolKind.PACKAGE_MANAGER, "apt")),
    (b"gcc driver version", (ToolKind.COMPILER, "gcc")),
    (b"tcc version 0.", (ToolKind.COMPILER, "tcc")),
    (b"github.com/jpillora/chisel/client.", (ToolKind.TUNNEL, "chisel")),
    (b"github.com/jpillora/chisel/server.", (ToolKind.TUNNEL, "chisel")),
    (b"github.com/fatedier/frp/client.", (ToolKind.TUNNEL, "frpc")),
    (b"github.com/fatedier/frp/server.", (ToolKind.TUNNEL, "frps")),
    (b"go.ngrok.com/cmd/ngrok", (ToolKind.TUNNEL, "ngrok")),
    (b"github.com/cloudflare/cloudflared/cmd/", (ToolKind.TUNNEL, "cloudflared")),
    (b"github.com/go-gost/x/handler/", (ToolKind.TUNNEL, "gost")),
    (b"github.com/ginuerzh/gost.", (ToolKind.TUNNEL, "gost")),
    (b"github.com/nicocha30/ligolo-ng/", (ToolKind.TUNNEL, "ligolo-ng")),
    (b"iodine IP over DNS", (ToolKind.TUNNEL, "iodine")),
    (b"Usage: xmrig [OPTIONS]", (ToolKind.MINER, "xmrig")),
    (b"--randomx-wrmsr=", (ToolKind.MINER, "xmrig")),
    (b"minerd [OPTIONS]", (ToolKind.MINER, "minerd")),
    (b"cpuminer-multi/", (ToolKind.MINER, "cpuminer")),
    (b"<bug-wget@gnu.org>", (ToolKind.DOWNLOADER, "wget")),
    (b"GNU bash, version %s", (ToolKind.SHELL, "bash")),
    (b"MIRBSD KSH R", (ToolKind.SHELL, "mksh")),
    (b"golang.org/x/crypto/ssh.NewServerConn", (ToolKind.SSH_LIBRARY, "golang.org/x/crypto/ssh")),
    (b"golang.org/x/crypto/ssh.NewClientConn", (ToolKind.SSH_LIBRARY, "golang.org/x/crypto/ssh")),
)
_OPENSSH = b"OpenSSH_"
_OPENSSH_VERSION = re.compile(rb"OpenSSH_[0-9]{1,3}\.[0-9]{1,3}p[0-9]")
_SSHD_CONFIG = b"/etc/ssh/sshd_config"
_DROPBEAR = b"SSH-2.0-dropbear"
_OVERLAP = 64
"""More than the longest thing sought, so that nothing is lost between two chunks."""


class SignatureSearch:
    """Looks for the words of tools in an executable, at any offset, fed in chunks of any size."""

    __slots__ = ("_seen", "_tail")

    def __init__(self) -> None:
        self._tail = b""
        self._seen: frozenset[bytes] = frozenset()

    def feed(self, chunk: bytes | memoryview, seen: frozenset[bytes] | None = None) -> None:
        """Take the next bytes. `seen` are the words in them, of these and others, where they were sought already."""
        if self._tail:
            self._look_at(self._tail + bytes(chunk[:_OVERLAP]))
        self._look_at(chunk, seen)
        end = bytes(chunk[-_OVERLAP:])
        self._tail = end if len(end) == _OVERLAP else (self._tail + end)[-_OVERLAP:]

    def _look_at(self, window: bytes | memoryview, seen: frozenset[bytes] | None = None) -> None:
        seen = WORDS.found_in(window) if seen is None else seen & WORDS.sought
        if _OPENSSH in seen and _OPENSSH_VERSION.search(window) is None:
            seen -= {_OPENSSH}
        self._seen |= seen

    @property
    def is_multicall(self) -> bool:
        """Whether what was read so far says that it is many tools in one program."""
        return bool(self._seen & _MULTICALL)

    def finish(self) -> tuple[Found, ...]:
        """The tools recognised, each kind once."""
        if not self._seen:
            return ()
        found = {kind: name for needle, (kind, name) in reversed(_SIGNATURES) if needle in self._seen}
        if not found.keys() & {ToolKind.SSH_CLIENT, ToolKind.SSH_SERVER}:
            found |= self._stripped_ssh()
        return tuple(found.items())

    def _stripped_ssh(self) -> Mapping[ToolKind, str]:
        """What tells of an SSH program whose usage text was taken out."""
        if _OPENSSH in self._seen:
            return {ToolKind.SSH_SERVER: "sshd"} if _SSHD_CONFIG in self._seen else {ToolKind.SSH_CLIENT: "ssh"}
        return {ToolKind.SSH_SERVER: "dropbear"} if _DROPBEAR in self._seen else {}


_MULTICALL = frozenset(multicall.WORDS)
WORDS = Words((*(needle for needle, _ in _SIGNATURES), *multicall.WORDS, _OPENSSH, _SSHD_CONFIG, _DROPBEAR))
