""".NET libraries: what their version resource tells, and of which files that counts."""

import struct

import pytest

from scanning.packages import assembly
from scanning.packages.ownership import folders_of
from tests.debian_packages import debian_program
from tests.scanning.files.files import examined

LIBRARY = {
    "FileDescription": "Json.NET",
    "FileVersion": "13.0.3.27908",
    "OriginalFilename": "Newtonsoft.Json.dll",
    "ProductName": "Json.NET",
    "ProductVersion": "13.0.3+0a2e291c0d9c0c7675d445703e51750363a549ef",
}
ORDINARY = "app/Newtonsoft.Json.dll"


def _block(key: str, value: bytes, *, units: int = 0, is_text: bool = False) -> bytes:
    """One block of a version resource: length, length of the value, whether it is a text, key, value."""
    head = key.encode("utf-16-le") + b"\0\0"
    head += bytes(-(6 + len(head)) % 4)
    block = struct.pack("<HHH", 6 + len(head) + len(value), units, is_text) + head + value
    return block + bytes(-len(block) % 4)


def version_resource(told: dict[str, str]) -> bytes:
    texts = b"".join(
        _block(key, (value + "\0").encode("utf-16-le"), units=len(value) + 1, is_text=True)
        for key, value in told.items()
    )
    strings = _block("StringFileInfo", _block("040904b0", texts, is_text=True), is_text=True)
    fixed = struct.pack("<IIIIIIIIIIIII", 0xFEEF04BD, 0x10000, *(0,) * 11)
    return _block("VS_VERSION_INFO", fixed + _block("VarFileInfo", b"", is_text=True) + strings, units=len(fixed))


def library(told: dict[str, str], *, is_dotnet: bool = True, is_64: bool = False, before: int = 0x600) -> bytes:
    """A Windows program with one section, of resources."""
    resource = version_resource(told)
    directories = [(0, 0)] * 16
    directories[2] = (0x4000, len(resource) + 88)
    directories[14] = (0x2008, 72) if is_dotnet else (0, 0)
    optional = struct.pack("<H", 0x20B if is_64 else 0x10B).ljust(112 - 4 if is_64 else 96 - 4, b"\0")
    optional += struct.pack("<I", 16) + b"".join(struct.pack("<II", *one) for one in directories)
    section = b".rsrc\0\0\0" + struct.pack("<IIII", len(resource) + 88, 0x4000, 0x1000, before) + bytes(16)
    head = struct.pack("<2sHIIIHH", b"\x4c\x01", 1, 0, 0, 0, len(optional), 0x2102)
    start = b"MZ".ljust(60, b"\0") + struct.pack("<I", 128) + bytes(64)
    return (start + b"PE\0\0" + head + optional + section).ljust(before, b"\0") + bytes(88) + resource


def told(content: bytes, path: str = ORDINARY, chunk: int = 1 << 16) -> list[tuple[str, str, str]]:
    found = examined(path, content, chunk=chunk)
    return [(package.type, package.name, package.version) for package in (found.packages if found else ())]


@pytest.mark.parametrize("chunk", [1, 100, 5000])
@pytest.mark.parametrize("is_64", [True, False])
def test_a_library_is_called_as_its_file_and_has_the_version_of_its_product(chunk: int, is_64: bool) -> None:
    assert told(library(LIBRARY, is_64=is_64, before=9000), chunk=chunk) == [("nuget", "Newtonsoft.Json", "13.0.3")]


@pytest.mark.real
def test_a_real_library() -> None:
    path = "usr/lib/cli/Newtonsoft.Json-5.0/Newtonsoft.Json.dll"
    content = debian_program("libnewtonsoft-json5.0-cil", path).read_bytes()
    assert told(content, path) == [("nuget", "Newtonsoft.Json", "6.0.8.18111")]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"ProductVersion": "8.0.0-preview.7.23375.6+abc"}, ("Newtonsoft.Json", "8.0.0-preview.7.23375.6")),
        ({"ProductVersion": "Release of May"}, ("Newtonsoft.Json", "13.0.3.27908")),
        ({"OriginalFilename": ""}, ("Renamed", "13.0.3")),
        ({"OriginalFilename": "", "InternalName": "Own.Name.exe"}, ("Own.Name", "13.0.3")),
        ({"OriginalFilename": "a b/c.dll"}, ("Renamed", "13.0.3")),
    ],
)
def test_what_a_resource_leaves_out(change: dict[str, str], expected: tuple[str, str]) -> None:
    assert told(library({**LIBRARY, **change}), "app/Renamed.dll") == [("nuget", *expected)]


@pytest.mark.parametrize(
    "content",
    [
        library(LIBRARY, is_dotnet=False),
        library({**LIBRARY, "OriginalFilename": "Newtonsoft.Json.resources.dll"}),
        library({}),
        library({**LIBRARY, "ProductVersion": "", "FileVersion": "x"}),
        b"MZ" + bytes(100),
        b"MZ" + b"\xff" * 5000,
        library(LIBRARY)[:300],
        library(LIBRARY)[:-200],
    ],
)
def test_what_is_no_package(content: bytes) -> None:
    """Windows programs of others, translations, no version, damaged ones."""
    assert told(content) == []


def test_t56_a_key_that_goes_on_behind_its_block_ends_what_is_read() -> None:
    """Else each of thousands of blocks would be searched to the end of the file."""
    content = library({"Comments": "", **LIBRARY})
    key = "Comments".encode("utf-16-le") + b"\0\0"
    assert told(content.replace(key + b"\0\0", key[:-2] + b"\1\1\1\1")) == []
    assert told(content) == [("nuget", "Newtonsoft.Json", "13.0.3")]


def test_a_library_claims_no_folder() -> None:
    search = assembly.begin("usr/share/dotnet/shared/a/b.dll", library(LIBRARY))
    assert search is not None
    search.feed(library(LIBRARY))
    (package,) = search.finish()
    assert folders_of(package) == ()
