"""Layers with a table of contents, as the libraries of stargz-snapshotter, BuildKit and podman write them, pass."""

import json
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from scanning.facts import EntryKind, LayerFacts
from scanning.layers.inspect import inspect_layer
from scanning.layers.toc.annotations import disagreement
from tests.images import File, image
from tests.scanning.layers.archives import END, LIMITS, NET_RAW, Collector, chunked, member, pax, python_archive
from tests.scanning.layers.go_programs import go_program

pytestmark = pytest.mark.real

SOURCE = Path(__file__).parent / "packers"
FORMATS = ["estargz", "shared", "chunked"]
GZIP = b"\x1f\x8b\x08\0\0\0\0\0"
"""How the builders begin a gzip member."""
LONG = "usr/share/" + "a-long-name/" * 12 + "file"


@pytest.fixture(scope="module")
def packers(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return go_program(SOURCE, tmp_path_factory, "the builders' libraries")


def made(
    path: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE, **more: object
) -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(path)
    info.type, info.size, info.mtime, info.mode = kind, len(content), 1700000000, 0o755
    for name, value in more.items():
        setattr(info, name, value)
    return info, content


PROGRAM = Path("/bin/sh").read_bytes()
"""Of more than one chunk."""
MEMBERS = (
    made("./", kind=tarfile.DIRTYPE),
    made("etc/", kind=tarfile.DIRTYPE),
    made("etc/empty"),
    made("etc/.wh.gone"),
    made("opt/.wh..wh..opq"),
    made("bin", kind=tarfile.SYMTYPE, linkname="usr/bin"),
    made("usr/bin/sh", PROGRAM, mode=0o4755, uid=1000, gid=1001, uname="app"),
    made("usr/bin/ash", kind=tarfile.LNKTYPE, linkname="usr/bin/sh", mode=0o4755, uid=1000, gid=1001),
    made("usr/bin/zeros", PROGRAM + bytes(1 << 20) + PROGRAM),
    made("usr/bin/ping", PROGRAM[:513], pax_headers={"SCHILY.xattr.user.a": "b"}),
    made("dev/null", kind=tarfile.CHRTYPE, devmajor=1, devminor=3),
    made("dev/pipe", kind=tarfile.FIFOTYPE),
    made("usr/share/block", b"x" * 512),
    made(LONG, b"content", mtime=1700000000.5),
    made("usr/share/\N{LATIN SMALL LETTER E WITH ACUTE}", b"x"),
)


def packed(packers: Path, kind: str, archive: bytes, folder: Path) -> tuple[bytes, dict[str, str]]:
    done = subprocess.run([packers, kind, folder], input=archive, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return (folder / "blob").read_bytes(), json.loads((folder / "annotations").read_text())


def inspected(blob: bytes) -> LayerFacts:
    return inspect_layer(chunked(blob, 1 << 18), LIMITS, Collector())


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("tar_format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT], ids=["pax", "gnu"])
def test_what_builders_write_is_accepted_with_its_table(
    kind: str, tar_format: int, packers: Path, tmp_path: Path
) -> None:
    archive = python_archive(((info, content) for info, content in MEMBERS), tar_format)
    blob, annotations = packed(packers, kind, archive, tmp_path)
    facts = inspected(blob)
    assert facts.table is not None
    assert disagreement(annotations, facts.table) == ""
    assert annotations
    told = {entry.path: entry for entry in facts.entries}
    assert {info.name.strip("./") for info, _ in MEMBERS if ".wh." not in info.name} - {""} <= told.keys()
    assert told["usr/bin/sh"].size == len(PROGRAM)
    assert told["usr/bin/ash"].kind is EntryKind.HARDLINK


@pytest.mark.parametrize("kind", FORMATS)
def test_file_capabilities(kind: str, packers: Path, tmp_path: Path) -> None:
    archive = pax((b"SCHILY.xattr.security.capability", NET_RAW)) + member(b"ping", b"program") + END
    blob, _ = packed(packers, kind, archive, tmp_path)
    facts = inspected(blob)
    assert facts.table is not None
    assert [entry.capabilities for entry in facts.entries if entry.path == "ping"] == ["cap_net_raw+ep"]


def test_podman_s_format_before_2023(tmp_path: Path) -> None:
    """As Debian 12's skopeo writes it; later ones write the new one."""
    if shutil.which("skopeo") is None:
        pytest.skip("skopeo is not installed")
    layout = image({"usr/bin/sh": File(PROGRAM, 0o4755), "zeros": bytes(3 << 20), "etc/a": b"b"}).write_layout(tmp_path)
    command = [
        "skopeo",
        "copy",
        "--dest-compress-format",
        "zstd:chunked",
        f"oci:{layout}:latest",
        f"oci:{tmp_path}/new:1",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    blobs = tmp_path / "new" / "blobs" / "sha256"
    (entry,) = json.loads((tmp_path / "new" / "index.json").read_text())["manifests"]
    (layer,) = json.loads((blobs / entry["digest"].removeprefix("sha256:")).read_text())["layers"]
    facts = inspected((blobs / layer["digest"].removeprefix("sha256:")).read_bytes())
    assert facts.table is not None
    assert any("zstd-chunked" in name for name in layer["annotations"])
    assert disagreement(layer["annotations"], facts.table) == ""


@pytest.mark.parametrize("kind", FORMATS)
def test_a_layer_of_nothing_but_folders(kind: str, packers: Path, tmp_path: Path) -> None:
    blob, _ = packed(packers, kind, python_archive([MEMBERS[1]], tarfile.PAX_FORMAT), tmp_path)
    assert inspected(blob).table is not None


@pytest.mark.parametrize("kind", FORMATS)
def test_a_real_tree(kind: str, packers: Path, tmp_path: Path) -> None:
    """A part of the standard library of this Python, as tar writes it."""
    source = Path(json.__file__).parent.parent
    parts = ["json", "email", "asyncio", "encodings"]
    done = subprocess.run(["tar", "--create", "--directory", source, *parts], capture_output=True, check=True)
    blob, annotations = packed(packers, kind, done.stdout, tmp_path)
    facts = inspected(blob)
    assert facts.table is not None
    assert disagreement(annotations, facts.table) == ""
    assert len(facts.entries) > 100
    if kind != "chunked":
        assert (blob.count(GZIP) < 50) == (kind == "shared")
