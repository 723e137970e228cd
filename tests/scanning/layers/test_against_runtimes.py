"""Whenever the gate accepts an image, every runtime shows the same files: those that the gate has judged."""

import base64
import hashlib
import json
import os
import struct
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import HealthCheck, event, given, settings

from scanning.errors import UnreadableLayerError
from scanning.facts import EntryKind
from scanning.layers.capabilities import named_capabilities
from scanning.layers.filesystem import FileSystem, Node
from scanning.layers.inspect import Unpacking
from scanning.layers.paths import archive_path, to_text
from tests.scanning.layers.archives import (
    END,
    GNU,
    LIMITS,
    NET_RAW,
    Collector,
    archive_in_a_skippable_frame,
    directory,
    header,
    inspect,
    long_name,
    member,
    pax,
)
from tests.scanning.layers.go_programs import go_program
from tests.scanning.layers.sequences import DrawnImage, images
from tests.scanning.layers.strategies import blobs

pytestmark = pytest.mark.real

SOURCE = Path(__file__).parent / "runtimes"


class Runtimes:
    """The Go program, unpacking one image after the other."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    def show(self, layers: Sequence[bytes]) -> dict[str, Any]:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(struct.pack(">I", len(layers)))
        for layer in layers:
            stdin.write(struct.pack(">I", len(layer)) + layer)
        stdin.flush()
        answer: dict[str, Any] = json.loads(stdout.readline())
        return answer


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return go_program(SOURCE, tmp_path_factory, "the runtimes' libraries")


@pytest.fixture(scope="module")
def runtimes(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtimes]:
    """They unpack whole images."""
    if os.geteuid() != 0:
        pytest.skip("runtimes set owners and mount, which needs root")
    command: list[str | Path] = ["unshare", "--mount", program, tmp_path_factory.mktemp("unpacked")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield Runtimes(process)


@pytest.fixture(scope="module")
def decompressors(program: Path) -> Iterator[Runtimes]:
    """They decompress one blob."""
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield Runtimes(process)


@dataclass(frozen=True)
class Judged:
    """An image that the gate accepts."""

    tree: FileSystem
    contents: list[dict[str, bytes]]
    implied: list[set[str]]
    """By layer, the folders that it writes or hides something in."""
    has_hard_links: bool
    """Then some files lose their capabilities: setting the owner of a link takes them away."""

    def is_implied_above(self, folder: str, layer: int) -> bool:
        """Whether a layer above `layer` writes into `folder` without an entry for it."""
        return any(folder in folders for folders in self.implied[layer + 1 :])


def judged(layers: Sequence[bytes]) -> Judged | None:
    tree, contents, implied, has_hard_links = FileSystem(), [], [], False
    for layer in layers:
        collector = Collector()
        try:
            facts = inspect(layer, collector=collector)
        except UnreadableLayerError:
            return None
        tree.apply(facts)
        contents.append(collector.files)
        has_hard_links |= any(entry.kind is EntryKind.HARDLINK for entry in facts.entries)
        paths = [*(entry.path for entry in facts.entries), *facts.whiteouts, *(f"{path}/x" for path in facts.opaque)]
        implied.append({folder for path in paths for folder in _folders_of(path)})
    return None if tree.refusals else Judged(tree, contents, implied, has_hard_links)


def _folders_of(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path


def differences(image: Judged, runtime: str, entries: Sequence[Any]) -> Iterator[str]:
    """What `runtime` shows otherwise than the gate has judged it."""
    theirs = {archive_path(base64.b64decode(entry["path"]), LIMITS): entry for entry in entries}
    ours = dict(image.tree.walk())
    for path in sorted(ours.keys() - theirs.keys()):
        yield f"{path} is missing"
    for path in sorted(theirs.keys() - ours.keys()):
        # A folder of nothing but deletions.
        if theirs[path]["type"] != EntryKind.DIRECTORY or not any(path in implied for implied in image.implied):
            yield f"{path} is there"
    names = _names(ours)
    for path in sorted(ours.keys() & theirs.keys()):
        ours_here, theirs_here = _ours(image, path, ours[path], runtime), _theirs(theirs[path])
        for what, value in ours_here.items():
            if theirs_here[what] != value:
                yield f"{path}: {what} {theirs_here[what]!r}, not {value!r}"
        if ours[path].kind is not EntryKind.FILE:
            continue
        capabilities = _capabilities(theirs[path])
        file = ours[path].source.entry
        granted = file.capabilities if file else ""
        if capabilities != granted and (capabilities or not image.has_hard_links):
            yield f"{path}: capabilities {capabilities!r}, not {granted!r}"
    inodes: dict[int, set[str]] = {}
    for path, entry in theirs.items():
        if entry["type"] != EntryKind.DIRECTORY:
            inodes.setdefault(entry["inode"], set()).add(path)
    ours_linked = {frozenset(paths) for paths in names.values() if len(paths) > 1}
    theirs_linked = {frozenset(paths) for paths in inodes.values() if len(paths) > 1}
    if ours_linked != theirs_linked:
        yield f"hard links: {theirs_linked}, not {ours_linked}"


def _names(ours: dict[str, Node]) -> dict[int, dict[str, Node]]:
    names: dict[int, dict[str, Node]] = {}
    for path, node in ours.items():
        names.setdefault(id(node.source), {})[path] = node
    return names


def _ours(image: Judged, path: str, node: Node, runtime: str) -> dict[str, Any]:
    entry, kind = node.source.entry, node.kind
    facts: dict[str, Any] = {"type": kind}
    if entry is None:
        return facts
    if kind is EntryKind.DIRECTORY and "overlay" in runtime and image.is_implied_above(path, node.layer):
        return facts  # such a folder of its own layer is given rights of the runtime's choice
    facts |= {"owner": (entry.uid, entry.gid)}
    if kind is EntryKind.SYMLINK:
        return facts | {"link": entry.link}
    facts |= {"mode": entry.mode}
    if kind is EntryKind.FILE:
        content = image.contents[node.source.layer].get(entry.path, b"")
        facts |= {"size": entry.size, "sum": hashlib.sha256(content).hexdigest()}
    return facts


def _theirs(entry: Any) -> dict[str, Any]:
    return {
        "type": entry["type"],
        "owner": (entry["uid"], entry["gid"]),
        "mode": entry["mode"],
        "size": entry["size"],
        "link": to_text(base64.b64decode(entry["link"] or "")),
        "sum": entry["sum"],
    }


def _capabilities(entry: Any) -> str:
    value = base64.b64decode(entry["capability"] or "")
    return named_capabilities(value) if value else ""


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(images())
def test_what_is_accepted_is_what_every_runtime_shows(runtimes: Runtimes, drawn: DrawnImage) -> None:
    image = judged(drawn.layers)
    event("accepted" if image else "refused")
    if image is None:
        return
    for runtime, listing in runtimes.show(drawn.layers).items():
        if listing["error"]:
            event(f"{runtime} refuses")
        else:
            assert list(differences(image, runtime, listing["entries"])) == [], runtime


def symlink(name: bytes, target: bytes) -> bytes:
    return header(name, b"2", link=target)


def hardlink(name: bytes, target: bytes, **fields: bytes) -> bytes:
    return header(name, b"1", link=target, **fields)


def archive(*members: bytes) -> bytes:
    return b"".join(members) + END


OPAQUE = b"/.wh..wh..opq"


def test_what_builders_write_is_accepted_by_all(runtimes: Runtimes) -> None:
    layers = [
        archive(
            directory(b"./"),
            directory(b"./usr/"),
            member(b"./usr/bin/su", b"elf", mode=b"0104755\x00", uid=b"0000000\x00"),
            hardlink(b"usr/bin/sudo", b"./usr/bin/su", mode=b"0104755\x00", uid=b"0000000\x00"),
            symlink(b"bin", b"usr/bin"),
            directory(b"tmp/", mode=b"0001777\x00"),
            member(b"opt/a/x", b"1"),
            member(b"opt/b/x", b"2"),
            member(b"opt/c", b"3"),
            header(b"dev/tty", b"3", major=b"0000005\x00"),
            header(b"run/pipe", b"6"),
        ),
        archive(member(b"opt/.wh.c"), directory(b"opt/a"), member(b"opt/a" + OPAQUE), member(b"opt/a/y", b"4")),
        archive(member(b"opt/.wh.b"), symlink(b"opt/a", b"/usr"), member(b"opt/c", b"5"), member(b".wh.bin")),
        archive(directory(b"opt/a"), member(b"opt/a" + OPAQUE), member(b"opt/a/z", b"7")),
        archive(directory(b"bin/"), long_name(b"bin/" + b"n" * 150), member(b"cut", b"6", magic=GNU), bytes(10240)),
    ]
    image = judged(layers)
    assert image is not None
    shown = runtimes.show(layers)
    assert len(shown) == 8
    for runtime, listing in shown.items():
        assert listing["error"] == "", runtime
        assert list(differences(image, runtime, listing["entries"])) == [], runtime


FOLDER_A = archive(member(b"a/x", b"1"), member(b"b/x", b"2"))
LINK = archive(symlink(b"lib", b"usr"), member(b"usr/x", b"1"))


@pytest.mark.parametrize(
    "layers",
    [
        pytest.param([FOLDER_A, archive(member(b".wh..wh..opq"))], id="everything in the root hidden"),
        pytest.param([archive(member(b"a/b/x", b"1"), member(b"a" + OPAQUE))], id="hidden after writing"),
        pytest.param([archive(member(b"x"), hardlink(b"y", b"x", mode=b"0004755\x00"))], id="mode of a hard link"),
        pytest.param([archive(member(b"x"), hardlink(b"y", b"x", uid=b"0000000\x00"))], id="owner of a hard link"),
        pytest.param([archive(member(b"x"), member(b".wh.x"))], id="hidden and created"),
        pytest.param([FOLDER_A, archive(member(b"a/y"), member(b".wh.a"))], id="a folder hidden and written to"),
        pytest.param([LINK, archive(member(b"lib/y"))], id="through a link"),
        pytest.param([LINK, archive(member(b"lib/.wh.x"))], id="hidden through a link"),
        pytest.param([LINK, archive(member(b"lib/x"), directory(b"lib"))], id="through a link, which is then replaced"),
        pytest.param([LINK, archive(member(b"lib" + OPAQUE), directory(b"lib"))], id="hidden before it is replaced"),
        pytest.param([archive(member(b"a")), archive(member(b"a/x"))], id="below a file"),
        pytest.param([archive(member(b"a")), archive(member(b"a" + OPAQUE))], id="everything in a file hidden"),
        pytest.param([archive(header(b"a", b"3", major=b"0000000\x00"))], id="device 0:0"),
        pytest.param([FOLDER_A, archive(member(b"a/.wh."))], id="nothing hidden"),
        pytest.param([archive(member(b".wh..wh.plnk/1", b"1"))], id="aufs bookkeeping"),
        pytest.param([FOLDER_A, archive(hardlink(b"c", b"a/x"), member(b"a/x", b"3"))], id="linked, then replaced"),
        pytest.param(
            [FOLDER_A, archive(pax((b"SCHILY.xattr.trusted.overlay.opaque", b"y")), directory(b"a"))],
            id="an overlay attribute",
        ),
        pytest.param([archive(pax((b"path", b"z"), kind=b"g"), member(b"a"))], id="a global path"),
    ],
)
def test_t54_what_is_refused_has_several_meanings(runtimes: Runtimes, layers: list[bytes]) -> None:
    assert judged(layers) is None
    assert len({_seen(listing) for listing in runtimes.show(layers).values()}) > 1


def _seen(listing: Any) -> str:
    """What a user could tell apart: rights of folders are left out."""
    if listing["error"]:
        return "refused"
    return str(
        [
            (entry["path"], entry["type"])
            if entry["type"] == EntryKind.DIRECTORY
            else [entry[what] for what in ("path", "type", "mode", "uid", "gid", "link", "sum")]
            for entry in listing["entries"]
        ]
    )


def test_t54_capabilities_of_a_hard_link_outlive_it(runtimes: Runtimes) -> None:
    capable = pax((b"SCHILY.xattr.security.capability", NET_RAW))
    layers = [archive(member(b"a", b"1"), capable, hardlink(b"b", b"a")), archive(member(b".wh.b"))]
    assert judged(layers) is None
    for runtime, listing in runtimes.show(layers).items():
        (entry,) = listing["entries"]
        assert (_capabilities(entry), runtime) == ("" if "umoci" in runtime else "cap_net_raw+ep", runtime)


def test_t54_capabilities_of_a_symbolic_link_are_its_targets_in_docker(runtimes: Runtimes) -> None:
    capable = pax((b"SCHILY.xattr.security.capability", NET_RAW))
    layers = [archive(member(b"a", b"1"), capable, symlink(b"b", b"a"))]
    assert judged(layers) is None
    shown = runtimes.show(layers)
    assert _capabilities(shown["docker"]["entries"][0]) == "cap_net_raw+ep"
    assert _capabilities(shown["containerd"]["entries"][0]) == ""


@pytest.mark.parametrize("uid", [2**32 - 1, 2**32])
def test_t54_an_owner_above_32_bits_is_root(runtimes: Runtimes, uid: int) -> None:
    layers = [archive(pax((b"uid", b"%d" % uid)), member(b"a", b"1", mode=b"0004755\x00"))]
    assert judged(layers) is None
    assert {entry["uid"] for listing in runtimes.show(layers).values() for entry in listing["entries"]} == {0}


def decompressed(blob: bytes) -> bytes | None:
    """What the gate makes of a blob, None if it refuses it."""
    unpacking = Unpacking(LIMITS)
    try:
        pieces = (*unpacking.feed(blob), *unpacking.finish())
        return b"".join(piece for piece in pieces if isinstance(piece, bytes))
    except UnreadableLayerError:
        return None


def test_t49_an_archive_in_a_zstd_frame_to_skip_is_what_podman_takes(decompressors: Runtimes) -> None:
    hidden, shown = archive_in_a_skippable_frame(), archive(member(b"a", b"1"))
    blob = hidden + zstandard.compress(shown)
    assert decompressed(blob) is None
    sums = {runtime: answer["sum"] for runtime, answer in decompressors.show([blob]).items()}
    assert sums["podman"] == hashlib.sha256(blob).hexdigest()
    assert sums["containerd"] == hashlib.sha256(shown).hexdigest()


@settings(max_examples=500, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(blobs())
def test_t49_what_is_accepted_is_what_every_runtime_decompresses(decompressors: Runtimes, blob: bytes) -> None:
    content = decompressed(blob)
    event("refused" if content is None else "accepted")
    if content is None:
        return
    for runtime, answer in decompressors.show([blob]).items():
        if answer["error"]:
            event(f"{runtime} refuses")
        else:
            assert answer["sum"] == hashlib.sha256(content).hexdigest(), runtime
