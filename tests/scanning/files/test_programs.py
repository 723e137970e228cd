"""Programs by their content: tools as Debian builds them, applets of multi-call programs, packed programs."""

import os
import struct
import subprocess
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.vocabulary import ToolKind
from scanning.errors import InvalidContentError
from scanning.facts import Evidence
from scanning.files import packers
from scanning.files.nrv import unpack_nrv2b, unpack_nrv2d, unpack_nrv2e
from tests.debian_packages import debian_program
from tests.scanning.files.files import ELF, told

APPLETS = b"[ [[ ash cat chmod cp date echo kill mkdir mount mv nc sh sleep su telnet telnetd wget"
WORDS = b"\0BusyBox v1.36.1 (2023-06-22 15:34:11 UTC)\0"
TABLE = b"\0" + APPLETS.replace(b" ", b"\0") + b"\0\0"
STRIPPED = b"\x7fELF\x02\x01\x01".ljust(64, b"\0")  # says of itself that it has no sections


def kinds(content: bytes, path: str = "opt/innocent", chunk: int = 1 << 16) -> dict[ToolKind, tuple[str, Evidence]]:
    """The tools of a program by kind, each with its name and what told of it."""
    found = told(path, content, 0o755, chunk)
    return {tool.kind: (tool.name, tool.evidence) for tool in found.tools} if found else {}


@pytest.mark.real
@pytest.mark.parametrize(
    ("package", "path", "kind", "name"),
    [
        ("dropbear-bin", "usr/bin/dbclient", ToolKind.SSH_CLIENT, "dbclient"),
        ("dropbear-bin", "usr/sbin/dropbear", ToolKind.SSH_SERVER, "dropbear"),
        ("tinysshd", "usr/sbin/tinysshd", ToolKind.SSH_SERVER, "tinysshd"),
        ("putty-tools", "usr/bin/plink", ToolKind.SSH_CLIENT, "plink"),
        ("sshpass", "usr/bin/sshpass", ToolKind.SSH_CLIENT, "sshpass"),
        ("inetutils-telnetd", "usr/sbin/telnetd", ToolKind.TELNET, "telnetd"),
        ("nmap", "usr/bin/nmap", ToolKind.NETWORK_SCANNER, "nmap"),
        ("masscan", "usr/bin/masscan", ToolKind.NETWORK_SCANNER, "masscan"),
        ("zmap", "usr/sbin/zmap", ToolKind.NETWORK_SCANNER, "zmap"),
        ("tcpdump", "usr/bin/tcpdump", ToolKind.NETWORK_SCANNER, "tcpdump"),
        ("tshark", "usr/bin/tshark", ToolKind.NETWORK_SCANNER, "tshark"),
        ("hping3", "usr/sbin/hping3", ToolKind.NETWORK_SCANNER, "hping3"),
        ("ngrep", "usr/bin/ngrep", ToolKind.NETWORK_SCANNER, "ngrep"),
        ("arp-scan", "usr/sbin/arp-scan", ToolKind.NETWORK_SCANNER, "arp-scan"),
        ("hydra", "usr/bin/hydra", ToolKind.NETWORK_SCANNER, "hydra"),
        ("gdb", "usr/bin/gdb", ToolKind.DEBUGGER, "gdb"),
        ("gdbserver", "usr/bin/gdbserver", ToolKind.DEBUGGER, "gdbserver"),
        ("strace", "usr/bin/strace", ToolKind.DEBUGGER, "strace"),
        ("ltrace", "usr/bin/ltrace", ToolKind.DEBUGGER, "ltrace"),
        ("sudo", "usr/bin/sudo", ToolKind.PRIVILEGE, "sudo"),
        ("opendoas", "usr/bin/doas", ToolKind.PRIVILEGE, "doas"),
        ("dpkg", "usr/bin/dpkg", ToolKind.PACKAGE_MANAGER, "dpkg"),
        ("apt", "usr/bin/apt", ToolKind.PACKAGE_MANAGER, "apt"),
        ("gcc-12", "usr/bin/x86_64-linux-gnu-gcc-12", ToolKind.COMPILER, "gcc"),
        ("tcc", "usr/bin/tcc", ToolKind.COMPILER, "tcc"),
        ("iodine", "usr/sbin/iodine", ToolKind.TUNNEL, "iodine"),
        ("wget", "usr/bin/wget", ToolKind.DOWNLOADER, "wget"),
        ("bash", "bin/bash", ToolKind.SHELL, "bash"),
        ("mksh", "bin/mksh", ToolKind.SHELL, "mksh"),
    ],
)
def test_debian_s_tools_under_another_name(package: str, path: str, kind: ToolKind, name: str) -> None:
    assert kinds(debian_program(package, path).read_bytes()) == {kind: (name, Evidence.CONTENT)}


@pytest.mark.real
@pytest.mark.parametrize(
    ("package", "path", "expected"),
    [
        (
            "busybox",
            "bin/busybox",
            {
                ToolKind.NETCAT: "nc",
                ToolKind.TELNET: "telnet",
                ToolKind.PACKAGE_MANAGER: "rpm",
                ToolKind.DOWNLOADER: "wget, tftp, ftpget",
                ToolKind.SHELL: "sh, ash",
            },
        ),
        (
            "busybox-static",
            "bin/busybox",
            {
                ToolKind.NETCAT: "nc",
                ToolKind.TELNET: "telnet, telnetd",
                ToolKind.PRIVILEGE: "su",
                ToolKind.PACKAGE_MANAGER: "dpkg, rpm",
                ToolKind.DOWNLOADER: "wget, tftp, ftpget",
                ToolKind.SHELL: "sh, ash",
            },
        ),
        (
            "toybox",
            "bin/toybox",
            {ToolKind.NETCAT: "nc", ToolKind.PRIVILEGE: "su", ToolKind.DOWNLOADER: "wget, ftp, ftpget"},
        ),
    ],
)
def test_the_applets_of_debian_s_multi_call_programs_without_any_link(
    package: str, path: str, expected: dict[ToolKind, str]
) -> None:
    content = debian_program(package, path).read_bytes()
    assert kinds(content) == {kind: (name, Evidence.APPLET) for kind, name in expected.items()}


@pytest.mark.parametrize("content", [ELF + WORDS + TABLE, ELF + bytes(70_000) + TABLE + bytes(3_000_000) + WORDS])
@pytest.mark.parametrize("chunk", [1000, 1 << 16, 1 << 24])
def test_applets_are_found_wherever_the_table_lies(content: bytes, chunk: int) -> None:
    assert kinds(content, chunk=chunk) == {
        ToolKind.NETCAT: ("nc", Evidence.APPLET),
        ToolKind.TELNET: ("telnet, telnetd", Evidence.APPLET),
        ToolKind.PRIVILEGE: ("su", Evidence.APPLET),
        ToolKind.DOWNLOADER: ("wget", Evidence.APPLET),
        ToolKind.SHELL: ("sh, ash", Evidence.APPLET),
    }


def test_applets_of_a_busybox_without_a_table_are_found_among_its_strings() -> None:
    scattered = b"\0".join((b"", b"cat", b"%s: x", b"nc", b"sleep", b"mount", b"$", b"echo", b""))
    assert kinds(ELF + WORDS + scattered) == {ToolKind.NETCAT: ("nc", Evidence.APPLET)}


def test_a_program_that_only_speaks_of_busybox_has_no_applets() -> None:
    assert kinds(ELF + WORDS + b"\0nc\0cc\0su\0") == {}
    assert kinds(ELF + TABLE) == {}


def test_words_of_busybox_do_not_hide_what_a_program_is() -> None:
    found = kinds(ELF + WORDS + TABLE + b"usage: ssh [-46")
    assert found[ToolKind.SSH_CLIENT] == ("ssh", Evidence.CONTENT)


@pytest.mark.parametrize(
    ("words", "kind", "name"),
    [
        (b"github.com/jpillora/chisel/server.NewServer", ToolKind.TUNNEL, "chisel"),
        (b"github.com/fatedier/frp/client.NewService", ToolKind.TUNNEL, "frpc"),
        (b"Usage: xmrig [OPTIONS]", ToolKind.MINER, "xmrig"),
        (b"golang.org/x/crypto/ssh.NewClientConn", ToolKind.SSH_LIBRARY, "golang.org/x/crypto/ssh"),
    ],
)
def test_tools_of_other_builders(words: bytes, kind: ToolKind, name: str) -> None:
    assert kinds(ELF + bytes(1000) + words + bytes(10)) == {kind: (name, Evidence.CONTENT)}


def upx(package: str, path: str, target: Path, *options: str) -> bytes:
    """A program of Debian as UPX packs it."""
    packer = debian_program("upx-ucl", "usr/bin/upx-ucl")
    target.unlink(missing_ok=True)
    done = subprocess.run(
        [packer, "-qq", "-f", *options, "-o", target, debian_program(package, path)],
        check=False,
        capture_output=True,
        text=True,
        env={**os.environ, "UPX": ""},
    )
    assert done.returncode == 0, done.stderr
    return target.read_bytes()


@pytest.mark.real
@pytest.mark.parametrize("method", ["--nrv2b", "--nrv2d", "--nrv2e", "--lzma"])
def test_what_upx_has_packed_is_told_and_named(method: str, tmp_path: Path) -> None:
    packed = upx("dropbear-bin", "usr/bin/dbclient", tmp_path / "packed", method)
    assert b"Dropbear SSH client v" not in packed
    for chunk in (5000, len(packed)):
        assert kinds(packed, chunk=chunk) == {
            ToolKind.PACKED: ("upx", Evidence.CONTENT),
            ToolKind.SSH_CLIENT: ("dbclient", Evidence.CONTENT),
        }


@pytest.mark.real
def test_a_packed_netcat_is_netcat(tmp_path: Path) -> None:
    found = kinds(upx("netcat-openbsd", "bin/nc.openbsd", tmp_path / "packed"))
    assert found == {ToolKind.PACKED: ("upx", Evidence.CONTENT), ToolKind.NETCAT: ("nc", Evidence.CONTENT)}


@pytest.mark.real
def test_a_packed_program_whose_marks_were_wiped_out_is_still_told_as_packed(tmp_path: Path) -> None:
    packed = upx("dropbear-bin", "usr/bin/dbclient", tmp_path / "packed").replace(b"UPX!", b"ABCD")
    assert kinds(packed) == {ToolKind.PACKED: ("packed program", Evidence.CONTENT)}


@pytest.mark.real
def test_a_packed_program_that_was_changed_afterwards_is_told_as_packed(tmp_path: Path) -> None:
    packed = upx("dropbear-bin", "usr/bin/dbclient", tmp_path / "packed", "--nrv2e")
    broken = packed[:3000] + bytes(2000) + packed[5000:]
    assert kinds(broken) == {ToolKind.PACKED: ("upx", Evidence.CONTENT)}


def test_a_stripped_program_is_not_packed_and_an_encrypted_one_is() -> None:
    noise = Random(1).randbytes(300_000)  # noqa: S311 # nothing is protected by it
    assert kinds(STRIPPED + b"mov add sub jmp " * 20_000) == {}
    assert kinds(STRIPPED + noise) == {ToolKind.PACKED: ("packed program", Evidence.CONTENT)}
    with_sections = bytearray(STRIPPED)
    struct.pack_into("<H", with_sections, 0x3C, 30)
    assert kinds(bytes(with_sections) + noise) == {}


def test_t56_program_headers_beyond_any_file_are_refused() -> None:
    headers = bytearray(b"\x7fELF\x02" + bytes(59))
    headers[0x20:0x28] = b"\xff" * 8
    headers[0x38] = 1
    block = struct.pack("<IIBBBB", 64, 64, 2, 0, 0, 0) + headers
    with pytest.raises(InvalidContentError, match="no program headers"):
        list(packers.unpack_upx(b"UPX!" + bytes(16) + block))


def test_no_more_is_unpacked_than_the_bound() -> None:
    headers = bytearray(b"\x7fELF\x02\x01\x01".ljust(120, b"\0"))
    struct.pack_into("<Q", headers, 0x20, 64)
    struct.pack_into("<HH", headers, 0x36, 56, 1)
    struct.pack_into("<I28xQ", headers, 64, 1, packers.MAX_UNPACKED_BYTES + 1)
    block = struct.pack("<IIBBBB", len(headers), len(headers), 0, 0, 0, 0) + headers
    with pytest.raises(InvalidContentError, match="larger than"):
        list(packers.unpack_upx(b"\x7fELF" + bytes(60) + b"UPX!" + bytes(16) + block))


@given(st.binary(max_size=200), st.integers(0, 1000))
def test_any_bytes_are_unpacked_or_refused(data: bytes, size: int) -> None:
    for unpack in (unpack_nrv2b, unpack_nrv2d, unpack_nrv2e):
        with suppress(InvalidContentError):
            assert len(unpack(data, size)) == size
    try:
        pieces = list(packers.unpack_upx(b"UPX!" + bytes(8 + 8) + data))
    except InvalidContentError:
        return
    assert sum(map(len, pieces)) <= packers.MAX_UNPACKED_BYTES
