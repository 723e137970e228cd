"""Tools by path, by package and by content; and what looks like one and is none."""

import shutil
from pathlib import Path

import pytest

from config.vocabulary import ToolKind
from scanning.facts import EntryKind, Evidence, FileEntry, FileFinds, Tool
from scanning.files import examine
from scanning.files.tools import named, packaged
from tests.scanning.files.files import ELF, told

NETWORK = {ToolKind.SSH_CLIENT, ToolKind.SSH_SERVER, ToolKind.NETCAT, ToolKind.TELNET}


def tools(found: FileFinds | None) -> tuple[Tool, ...]:
    return found.tools if found else ()


@pytest.mark.parametrize(
    ("path", "kind", "name"),
    [
        ("usr/bin/ssh", ToolKind.SSH_CLIENT, "ssh"),
        ("usr/local/sbin/sshd", ToolKind.SSH_SERVER, "sshd"),
        ("bin/nc.traditional", ToolKind.NETCAT, "nc"),
        ("usr/bin/telnet", ToolKind.TELNET, "telnet"),
        ("usr/bin/nmap", ToolKind.NETWORK_SCANNER, "nmap"),
        ("usr/bin/gdb", ToolKind.DEBUGGER, "gdb"),
        ("usr/bin/sudo", ToolKind.PRIVILEGE, "sudo"),
        ("bin/su", ToolKind.PRIVILEGE, "su"),
        ("usr/bin/apt-get", ToolKind.PACKAGE_MANAGER, "apt-get"),
        ("sbin/apk", ToolKind.PACKAGE_MANAGER, "apk"),
        ("usr/bin/x86_64-linux-gnu-gcc-12", ToolKind.COMPILER, "gcc"),
        ("usr/bin/g++", ToolKind.COMPILER, "g++"),
    ],
)
def test_programs_by_name(path: str, kind: ToolKind, name: str) -> None:
    assert tools(told(path, ELF, mode=0o755)) == (Tool(kind, name, path, Evidence.PATH),)


WINDOWS = b"MZ\x90\0" + bytes(60)


@pytest.mark.parametrize(
    ("path", "content", "kind", "name", "evidence"),
    [
        ("Files/Windows/System32/OpenSSH/ssh.exe", b"", ToolKind.SSH_CLIENT, "ssh", Evidence.PATH),
        ("Files/tools/SSHD.EXE", b"", ToolKind.SSH_SERVER, "sshd", Evidence.PATH),
        ("Files/Windows/System32/telnet.exe", b"", ToolKind.TELNET, "telnet", Evidence.PATH),
        ("Files/app/update.exe", b"usage: sshd [-46DdeGiqTtV]", ToolKind.SSH_SERVER, "sshd", Evidence.CONTENT),
        ("Files/app/a.dll", b"Usage: plink [options]", ToolKind.SSH_CLIENT, "plink", Evidence.CONTENT),
        ("Files/app/b.exe", b"UPX!", ToolKind.PACKED, "upx", Evidence.CONTENT),
    ],
)
@pytest.mark.parametrize("chunk", [7, 1 << 16])
def test_t93_tools_of_windows(
    path: str, content: bytes, kind: ToolKind, name: str, evidence: Evidence, chunk: int
) -> None:
    assert tools(told(path, WINDOWS + content + bytes(9), chunk=chunk)) == (Tool(kind, name, path, evidence),)


@pytest.mark.parametrize("path", ["Files/Windows/System32/curl.exe", "Files/Windows/System32/whoami.exe"])
def test_programs_of_windows_that_are_no_such_tools(path: str) -> None:
    assert not tools(told(path, WINDOWS))


def test_a_text_called_as_a_tool_of_windows_is_none() -> None:
    assert not tools(told("Files/ssh.exe", b"see ssh\n"))


def test_a_script_is_a_tool_where_programs_lie_and_can_run() -> None:
    script = b"#!/bin/sh\nexec /opt/ssh.real\n"
    assert tools(told("usr/bin/ssh", script, mode=0o755))
    assert not tools(told("usr/bin/ssh", script, mode=0o644))
    assert not tools(told("etc/init.d/ssh", script, mode=0o755))


def test_an_executable_is_a_tool_wherever_it_lies() -> None:
    assert tools(told("opt/ssh", ELF, mode=0o644))


@pytest.mark.parametrize("path", ["usr/share/doc/ssh", "usr/share/bash-completion/completions/ssh", "etc/pam.d/sshd"])
def test_a_file_that_cannot_run_is_no_tool(path: str) -> None:
    assert told(path, b"words about ssh\n") is None


def test_a_program_elsewhere_that_is_called_as_a_shell_or_download_tool_is_none() -> None:
    assert tools(told("usr/bin/ftp", ELF, mode=0o755))
    assert not tools(told("usr/lib/apt/methods/ftp", ELF, mode=0o755))


def test_an_empty_file_is_no_tool() -> None:
    assert told("usr/bin/ssh", b"", mode=0o755) is None


@pytest.mark.parametrize(
    ("words", "kind", "name"),
    [
        (b"usage: ssh [-46AaCfGgKkMNnqsTtVvXxYy]", ToolKind.SSH_CLIENT, "ssh"),
        (b"OpenSSH_9.2p1 Debian-2+deb12u6", ToolKind.SSH_CLIENT, "ssh"),
        (b"usage: sshd [-46DdeiqTtV]", ToolKind.SSH_SERVER, "sshd"),
        (b"/etc/ssh/sshd_config\0OpenSSH_9.2p1", ToolKind.SSH_SERVER, "sshd"),
        (b"Dropbear SSH client v%s", ToolKind.SSH_CLIENT, "dbclient"),
        (b"Dropbear server v%s", ToolKind.SSH_SERVER, "dropbear"),
        (b"SSH-2.0-dropbear_2022.83", ToolKind.SSH_SERVER, "dropbear"),
        (b"usage: nc [-46CDdFhklNnrStUuvZz]", ToolKind.NETCAT, "nc"),
        (b"connect to somewhere:\tnc [-options]", ToolKind.NETCAT, "nc"),
        (b"Ncat 7.93 ( https://nmap.org/ncat )", ToolKind.NETCAT, "ncat"),
        (b"socat by Gerhard Rieger and contributors", ToolKind.NETCAT, "socat"),
        (b"Telnet escape character is '%s'.", ToolKind.TELNET, "telnet"),
    ],
)
@pytest.mark.parametrize("offset", [0, 4000, 3_000_001])
def test_a_renamed_tool_is_found_by_its_words_at_any_offset(
    words: bytes, kind: ToolKind, name: str, offset: int
) -> None:
    content = ELF + bytes(offset) + words + bytes(100)
    assert tools(told("opt/innocent", content)) == (Tool(kind, name, "opt/innocent", Evidence.CONTENT),)


@pytest.mark.parametrize(
    "words",
    [
        b"SSH-2.0-Go",
        b"SSH-2.0-libssh2_1.10.0",
        b"/etc/ssh/ssh_config",
        b"/etc/ssh/sshd_config",
        b"OpenSSH_7.2",
        b"OpenSSH_OpenTcp",
        b"BusyBox v1.36.1",
    ],
)
def test_the_words_of_libraries_and_of_busybox_are_none(words: bytes) -> None:
    assert told("usr/bin/podman", ELF + words, mode=0o755) is None


def test_words_in_a_file_that_is_no_program_are_none() -> None:
    assert told("usr/share/doc/manual", b"usage: ssh [-46AaCfGgKkMNnqsTtVvXxYy]\n") is None


def test_a_program_of_two_kinds_is_two_tools() -> None:
    found = tools(told("bin/dropbearmulti", ELF + b"Dropbear server v%s\0Dropbear SSH client v%s", mode=0o755))
    assert {tool.kind for tool in found} == {ToolKind.SSH_SERVER, ToolKind.SSH_CLIENT}


def test_content_speaks_before_the_name_and_a_false_name_is_told_too() -> None:
    assert tools(told("usr/bin/ssh", ELF + b"usage: ssh [-4", mode=0o755)) == (
        Tool(ToolKind.SSH_CLIENT, "ssh", "usr/bin/ssh", Evidence.CONTENT),
    )
    assert {tool.kind for tool in tools(told("usr/bin/nc", ELF + b"usage: ssh [-4", mode=0o755))} == {
        ToolKind.NETCAT,
        ToolKind.SSH_CLIENT,
    }


@pytest.mark.parametrize(
    ("path", "target", "kind"),
    [
        ("usr/bin/nc", "/bin/busybox", ToolKind.NETCAT),
        ("opt/tools/telnet", "../../bin/busybox", ToolKind.TELNET),
        ("usr/bin/nc", "/etc/alternatives/nc", ToolKind.NETCAT),
        ("usr/bin/slogin", "ssh", ToolKind.SSH_CLIENT),
    ],
)
@pytest.mark.parametrize("link", [EntryKind.SYMLINK, EntryKind.HARDLINK])
def test_links_called_as_a_tool(path: str, target: str, kind: ToolKind, link: EntryKind) -> None:
    (tool,) = tools(examine.examine_link(FileEntry(path, link, 0o777, link=target)))
    assert (tool.kind, tool.path, tool.evidence) == (kind, path, Evidence.PATH)


@pytest.mark.parametrize(
    ("path", "target"), [("usr/lib/apt/methods/ssh", "rsh"), ("usr/bin/ls", "busybox"), ("etc/rc2.d/ssh", "../x")]
)
def test_links_that_are_no_tool(path: str, target: str) -> None:
    assert examine.examine_link(FileEntry(path, EntryKind.SYMLINK, 0o777, link=target)) is None


@pytest.mark.parametrize(
    ("type_", "name", "kinds"),
    [
        ("deb", "openssh-client", {ToolKind.SSH_CLIENT}),
        ("deb", "openssh-server", {ToolKind.SSH_SERVER}),
        ("apk", "openssh", {ToolKind.SSH_CLIENT, ToolKind.SSH_SERVER}),
        ("apk", "openssh-client-default", {ToolKind.SSH_CLIENT}),
        ("deb", "dropbear-bin", {ToolKind.SSH_CLIENT, ToolKind.SSH_SERVER}),
        ("deb", "netcat-traditional", {ToolKind.NETCAT}),
        ("deb", "inetutils-telnet", {ToolKind.TELNET}),
        ("apk", "apk-tools", {ToolKind.PACKAGE_MANAGER}),
        ("deb", "gcc-12", {ToolKind.COMPILER}),
        ("deb", "gcc-12-base", set()),
        ("deb", "libssh2-1", set()),
        ("deb", "openssh-known-hosts", set()),
        ("npm", "ncat", set()),
    ],
)
def test_tools_by_package(type_: str, name: str, kinds: set[ToolKind]) -> None:
    assert {kind for kind, _ in packaged(type_, name)} == kinds


@pytest.mark.parametrize(
    ("type_", "name"),
    [
        ("pypi", "AsyncSSH"),
        ("pypi", "ssh2_python"),
        ("npm", "ssh2"),
        ("gem", "net-ssh"),
        ("cargo", "russh"),
        ("maven", "org.apache.sshd:sshd-core"),
        ("composer", "phpseclib/phpseclib"),
        ("nuget", "SSH.NET"),
    ],
)
def test_t93_libraries_of_languages_that_speak_ssh(type_: str, name: str) -> None:
    assert packaged(type_, name) == ((ToolKind.SSH_LIBRARY, name),)
    assert packaged("deb", name) == packaged(type_, f"not-{name}") == ()


def test_what_a_minimal_debian_needs_is_no_network_tool() -> None:
    for name in ("apt", "dpkg", "su", "passwd", "bash", "busybox", "login", "mount"):
        called = named(f"usr/bin/{name}")
        assert called is None or called[0] not in NETWORK


def _real(name: str) -> bytes:
    path = shutil.which(name, path="/usr/bin:/usr/sbin:/bin:/sbin")
    if path is None:
        pytest.skip(f"{name} is not installed here")
    return Path(path).read_bytes()


@pytest.mark.real
@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("ssh", ToolKind.SSH_CLIENT),
        ("sshd", ToolKind.SSH_SERVER),
        ("nc.openbsd", ToolKind.NETCAT),
        ("nc.traditional", ToolKind.NETCAT),
        ("ncat", ToolKind.NETCAT),
        ("socat", ToolKind.NETCAT),
        ("telnet", ToolKind.TELNET),
    ],
)
def test_real_tools_under_another_name(name: str, kind: ToolKind) -> None:
    assert [(tool.kind, tool.evidence) for tool in tools(told("opt/innocent", _real(name)))] == [
        (kind, Evidence.CONTENT)
    ]


@pytest.mark.real
@pytest.mark.parametrize("name", ["podman", "docker", "dockerd", "skopeo", "buildah", "curl", "git", "bash"])
def test_real_programs_that_speak_ssh_are_no_ssh(name: str) -> None:
    assert not {tool.kind for tool in tools(told("opt/innocent", _real(name), mode=0o755))} & NETWORK
