"""What .NET leaves in its files: version resources of libraries, bundles of programs that are a single file."""

from tests import dotnet_bundles
from tests.fuzz import forge
from tests.fuzz.reading import read_in_pieces
from tests.scanning.packages.test_assembly import LIBRARY, library, version_resource

_RESOURCE = version_resource(LIBRARY)
_LIST = dotnet_bundles.dependencies({"A.B/1.0.0": {"type": "package"}})
_FILES = (
    dotnet_bundles.Embedded("a.dll", b"MZ" + bytes(60), dotnet_bundles.ASSEMBLY),
    dotnet_bundles.Embedded("a.deps.json", _LIST, dotnet_bundles.DEPENDENCIES),
    dotnet_bundles.Embedded("b.dll", b"MZ" + bytes(90), dotnet_bundles.ASSEMBLY, is_packed=True),
)
_WHOLES = (
    ("app/a.dll", library(LIBRARY, before=0x300)),
    ("app/a.dll", library(LIBRARY, is_64=True, before=0x300)),
    ("usr/bin/a", dotnet_bundles.bundle(_FILES, version=1)),
    ("usr/bin/a", dotnet_bundles.bundle(_FILES, version=2)),
    ("usr/bin/a", dotnet_bundles.bundle(_FILES)),
    ("usr/bin/a", dotnet_bundles.bundle(_FILES[:1])),
    ("app/a.exe", dotnet_bundles.bundle(_FILES, start=b"MZ" + bytes(62))),
)


def dotnet(data: bytes) -> None:
    """A library or a bundle that is changed: its resource, or any of it. It tells the same in pieces as whole."""
    choice, changes = data[:1] or b"\0", data[1:]
    path, whole = _WHOLES[choice[0] % len(_WHOLES)]
    if choice[0] >= 0x80 and whole.endswith(_RESOURCE):
        changed = whole.removesuffix(_RESOURCE) + forge.content(_RESOURCE, changes)
    else:
        changed = forge.content(whole, changes)
    read_in_pieces(path, changed)
