"""Linux itself, and modules that do not come with it.

    vmlinux (ELF)               scanning.packages.known_programs, by the words of every kernel
    vmlinuz, Image              scanning.packages.boot_images, by their headers
    modules/RELEASE/modules.builtin     each installed kernel has one, wherever the kernel itself is
    *.ko, *.ko.xz, .gz, .zst    the section .modinfo: name=, version=, license=, intree=Y

A module of the kernel's own tree is the kernel, and no package beside it.
"""

import lzma
import re
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping

import zstandard

from scanning.errors import InvalidContentError
from scanning.facts import Package
from scanning.layers.limits import MIB
from scanning.packages.boot_images import GENERIC, NAME
from scanning.packages.fields import checked_name, checked_version

_BUILTIN = re.compile(r"(?:.*/)?modules/([0-9]+\.[0-9]+[^/]*)/modules\.builtin")
_ENDINGS = (".ko", ".ko.xz", ".ko.gz", ".ko.zst")
_MOST_BYTES = 64 * MIB
_ELF = b"\x7fELF"


def matches(path: str) -> bool:
    """Whether `path` is a module, or the list of what is built into a kernel."""
    return path.endswith(_ENDINGS) or (path.endswith("/modules.builtin") and _BUILTIN.fullmatch(path) is not None)


def read(path: str, content: bytes) -> tuple[Package, ...]:
    """The module, if it does not come with the kernel, or the kernel whose list it is."""
    built_in = _BUILTIN.fullmatch(path)
    if built_in is not None:
        return (_package(NAME, checked_version(built_in[1], NAME, path), path),)
    module = _unpacked(path, content)
    told = dict(_module_information(path, module)) if module.startswith(_ELF) else {}
    if not told or told.get("intree") == "Y":
        return ()
    name = told.get("name") or path.rpartition("/")[2].partition(".ko")[0]
    name = checked_name(name, path)
    version = told.get("version", "")
    licence = told.get("license", "")
    return (
        _package(
            name,
            checked_version(version, name, path) if version else "",
            path,
            (licence,) if licence else (),
        ),
    )


def _package(name: str, version: str, path: str, licences: tuple[str, ...] = ()) -> Package:
    return Package(GENERIC, name, version, name, version, path, licences=licences)


def _unpacked(path: str, content: bytes) -> bytes:
    """The module in a file that may be compressed, at most `_MOST_BYTES` of it."""
    unpack = next((unpack for ending, unpack in _UNPACKERS.items() if path.endswith(ending)), None)
    if unpack is None:
        return content
    try:
        return unpack(content)
    except (lzma.LZMAError, zlib.error, zstandard.ZstdError, EOFError) as error:
        raise InvalidContentError(f"{path} is no compressed module ({error}); install the module again") from error


_UNPACKERS: Mapping[str, Callable[[bytes], bytes]] = {
    ".xz": lambda content: lzma.LZMADecompressor(memlimit=128 * MIB).decompress(content, _MOST_BYTES),
    ".gz": lambda content: zlib.decompressobj(31).decompress(content, _MOST_BYTES),
    ".zst": lambda content: (
        zstandard.ZstdDecompressor(max_window_size=128 * MIB).stream_reader(content).read(_MOST_BYTES)
    ),
}


def _module_information(path: str, module: bytes) -> Iterator[tuple[str, str]]:
    """What stands in the section .modinfo, the first of each key."""
    seen: set[str] = set()
    for line in _section(path, module, b".modinfo").split(b"\0"):
        key, equals, value = line.partition(b"=")
        name = key.decode("ascii", "replace")
        if equals and name not in seen:
            seen.add(name)
            yield name, value.decode("utf-8", "backslashreplace")


def _section(path: str, module: bytes, name: bytes) -> bytes:
    """A section of an ELF file (ELF-64 and ELF-32 Object File Format, "Sections"); empty if it has none called so."""
    order = "<" if module[5:6] == b"\1" else ">"
    is_64 = module[4:5] == b"\2"
    head = struct.Struct(f"{order}{'QIHHHHHH' if is_64 else 'IIHHHHHH'}")
    section = struct.Struct(f"{order}{'II16xQQ' if is_64 else 'II8xII'}")  # name, type, offset, size
    try:
        table, _, _, _, _, size, count, names = head.unpack_from(module, 40 if is_64 else 32)
        found = [section.unpack_from(module, table + size * number) for number in range(count)]
        _, _, start, length = found[names]
        called = module[start : start + length]
        for named, _, place, extent in found:
            if called[named : named + len(name) + 1] == name + b"\0":
                return module[place : place + extent]
    except (struct.error, IndexError, OverflowError) as error:
        raise InvalidContentError(f"{path} is no module that could be loaded ({error}); install it again") from error
    return b""
