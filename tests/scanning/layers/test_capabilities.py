"""File capabilities: the bytes setcap leaves behind, under the names people know."""

import base64
import os
import struct
from pathlib import Path

import pytest

from scanning.errors import UnreadableLayerError
from scanning.layers.capabilities import named_capabilities
from tests.scanning.layers.archives import END, header, inspect, pax

PING = struct.pack("<IIIII", 0x0200_0001, 1 << 13, 0, 0, 0)
PLAIN, ENCODED = b"SCHILY.xattr.security.capability", b"LIBARCHIVE.xattr.security.capability"


@pytest.mark.parametrize(
    ("attribute", "name"),
    [
        (PING, "cap_net_raw+ep"),
        (struct.pack("<III", 0x0100_0000, 1 << 7, 1 << 7), "cap_setuid+ip"),
        (struct.pack("<IIIII", 0x0200_0000, 1 << 21, 0, 1 << 6, 0), "cap_sys_admin,cap_perfmon+p"),
        (struct.pack("<IIIII", 0x0200_0001, 0b01, 0b10, 0, 0), "cap_chown+ep cap_dac_override+ei"),
        (struct.pack("<IIIII", 0x0200_0000, 0, 0, 1 << 31, 0), "cap_63+p"),
        (struct.pack("<IIIIII", 0x0300_0001, 1 << 10, 0, 0, 0, 1000), "cap_net_bind_service+ep [rootid=1000]"),
        (struct.pack("<IIIII", 0x0200_0001, 0, 0, 0, 0), ""),
    ],
)
def test_each_revision_is_read(attribute: bytes, name: str) -> None:
    assert named_capabilities(attribute) == name


@pytest.mark.parametrize("attribute", [b"", PING[:-1], PING + b"\0", struct.pack("<IIIII", 0x0400_0000, 1, 0, 0, 0)])
def test_what_the_kernel_would_not_take_is_refused(attribute: bytes) -> None:
    with pytest.raises(UnreadableLayerError, match="the kernel would not take"):
        named_capabilities(attribute)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may set file capabilities")
@pytest.mark.parametrize("attribute", [PING, struct.pack("<IIIII", 0x0200_0000, 1 << 21, 0, 1 << 6, 0)])
def test_the_kernel_takes_what_is_read(tmp_path: Path, attribute: bytes) -> None:
    file = tmp_path / "ping"
    file.touch()
    try:
        os.setxattr(file, "security.capability", attribute)
    except OSError:
        pytest.skip("the file system of the temporary folder keeps no file capabilities")
    assert os.getxattr(file, "security.capability") == attribute


@pytest.mark.parametrize(
    "records",
    [
        [(PLAIN, PING)],
        [(ENCODED, base64.b64encode(PING))],
        [(ENCODED, base64.b64encode(PING).rstrip(b"="))],
        [(PLAIN, PING), (ENCODED, base64.b64encode(PING))],
    ],
)
def test_an_extended_header_gives_them_to_its_member(records: list[tuple[bytes, bytes]]) -> None:
    ping, other = inspect(pax(*records) + header(b"usr/bin/ping") + header(b"usr/bin/other") + END).entries
    assert (ping.capabilities, other.capabilities) == ("cap_net_raw+ep", "")


@pytest.mark.parametrize(
    ("archive", "reason"),
    [
        (pax((PLAIN, PING), (ENCODED, base64.b64encode(PING[::-1]))) + header(b"ping"), "two different sets"),
        (pax((ENCODED, b"?")) + header(b"ping"), "not base64"),
        (pax((PLAIN, PING[:4])) + header(b"ping"), "the kernel would not take"),
        (pax((PLAIN, PING), kind=b"g") + header(b"ping"), "a global header sets"),
    ],
)
def test_t54_capabilities_that_readers_would_take_differently_are_refused(archive: bytes, reason: str) -> None:
    with pytest.raises(UnreadableLayerError, match=reason):
        inspect(archive + END)
