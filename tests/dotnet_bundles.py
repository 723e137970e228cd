""".NET programs published as a single file, byte for byte (.NET runtime, `Microsoft.NET.HostModel/Bundle`)."""

import hashlib
import json
import struct
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

SIGNATURE = hashlib.sha256(b".net core bundle\n").digest()
ASSEMBLY, DEPENDENCIES, SETTINGS = 1, 3, 4
LIBRARIES: dict[str, Any] = {
    "api/1.0.0": {"type": "project", "serviceable": False, "sha512": ""},
    "runtimepack.Microsoft.NETCore.App.Runtime.linux-x64/8.0.1": {"type": "runtimepack", "serviceable": False},
    "Newtonsoft.Json/13.0.1": {"type": "package", "serviceable": True, "sha512": "sha512-x"},
}


def dependencies(libraries: dict[str, Any] | None = None) -> bytes:
    """A list as the SDK writes it."""
    listed = LIBRARIES if libraries is None else libraries
    target = {"name": ".NETCoreApp,Version=v8.0/linux-x64", "signature": ""}
    document = {"runtimeTarget": target, "compilationOptions": {}, "targets": {}, "libraries": listed}
    return json.dumps(document, indent=2).encode()


@dataclass(frozen=True)
class Embedded:
    """A file in a bundle."""

    path: str
    content: bytes
    kind: int
    is_packed: bool = False


FILES = (
    Embedded("api.dll", b"MZ" + bytes(3000), ASSEMBLY),
    Embedded("api.deps.json", dependencies(), DEPENDENCIES),
    Embedded("api.runtimeconfig.json", b'{"runtimeOptions": {"tfm": "net8.0"}}', SETTINGS),
    Embedded("Newtonsoft.Json.dll", b"MZ" + bytes(5000), ASSEMBLY, is_packed=True),
)


def host(start: bytes = b"\x7fELF" + bytes(60), header: int = 0) -> bytes:
    """A host whose bundle's header is at byte `header`."""
    return start + bytes(700) + struct.pack("<q", header) + SIGNATURE + bytes(900)


def _text(value: str) -> bytes:
    content = value.encode()
    length = len(content)
    return (bytes([length]) if length < 0x80 else bytes([length & 0x7F | 0x80, length >> 7])) + content


def bundle(
    files: Sequence[Embedded] = FILES, *, version: int = 6, start: bytes = b"\x7fELF" + bytes(60), count: int = 0
) -> bytes:
    """The host, the files and the header of `version`."""
    before = len(host(start))
    body, entries = b"", b""
    places = {DEPENDENCIES: (0, 0), SETTINGS: (0, 0)}
    for one in files:
        if one.kind == ASSEMBLY and not one.is_packed:
            body += bytes(-(before + len(body)) % 16)
        deflate = zlib.compressobj(wbits=-15)
        stored = deflate.compress(one.content) + deflate.flush() if one.is_packed else one.content
        place = before + len(body)
        places[one.kind] = (place, len(one.content))
        entries += struct.pack("<qq", place, len(one.content))
        if version >= 6:
            entries += struct.pack("<q", len(stored) if one.is_packed else 0)
        entries += bytes([one.kind]) + _text(one.path)
        body += stored
    header = struct.pack("<IIi", version, 0, count or len(files)) + _text("ZKrWuvR4iM9X")
    if version >= 2:
        header += struct.pack("<qqqqQ", *places[DEPENDENCIES], *places[SETTINGS], 0)
    return host(start, before + len(body)) + body + header + entries
