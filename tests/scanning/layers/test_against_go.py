"""Whenever the gate accepts an archive, Go's archive/tar reads the same members: runtimes are built on it."""

import base64
import hashlib
import json
import os
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from scanning.errors import UnreadableLayerError
from scanning.facts import EntryKind, LayerFacts
from scanning.layers.paths import archive_path, to_text
from tests.scanning.layers.archives import LIMITS, Collector, inspect
from tests.scanning.layers.strategies import damaged_archives

pytestmark = [pytest.mark.real, pytest.mark.timeout(900)]

_TYPES = {
    "0": EntryKind.FILE,
    "1": EntryKind.HARDLINK,
    "2": EntryKind.SYMLINK,
    "3": EntryKind.CHARACTER_DEVICE,
    "4": EntryKind.BLOCK_DEVICE,
    "5": EntryKind.DIRECTORY,
    "6": EntryKind.FIFO,
}


class GoTar:
    """The Go program, listing one archive after the other."""

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process

    def list(self, archive: bytes) -> Any:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        stdin.write(struct.pack(">I", len(archive)) + archive)
        stdin.flush()
        return json.loads(stdout.readline())


@pytest.fixture(scope="module")
def go_tar(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GoTar]:
    go = shutil.which("go")
    if go is None:
        pytest.skip("no go on PATH: Go's archive/tar cannot be asked")
    program = tmp_path_factory.mktemp("gotar") / "gotar"
    source = Path(__file__).parent / "gotar" / "main.go"
    subprocess.run([go, "build", "-o", program, source], check=True, env={**os.environ, "GOFLAGS": "-mod=mod"})
    with subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        yield GoTar(process)


def accepted(archive: bytes, collector: Collector) -> LayerFacts | None:
    try:
        return inspect(archive, collector=collector)
    except UnreadableLayerError:
        return None


def assert_equal(facts: LayerFacts, contents: dict[str, bytes], go: Any) -> None:
    assert go["error"] == ""
    ours = [
        (entry.path, entry.kind, entry.link, entry.size, entry.mode, entry.uid, entry.gid, _sum(entry.path, contents))
        for entry in facts.entries
    ]
    theirs = [_theirs(entry) for entry in go["entries"] if entry["type"] != "g"]
    root = [entry for entry in theirs if entry[0] == ""]
    hidden = len(facts.whiteouts) + len(facts.opaque)
    visible = [entry for entry in theirs if entry not in root]
    if hidden:
        assert len(visible) == len(ours) + hidden
    else:
        # A directory may be repeated unchanged; the gate then keeps it where it came first.
        assert sorted(set(visible)) == sorted(ours)


def _sum(path: str, contents: dict[str, bytes]) -> str:
    return hashlib.sha256(contents.get(path, b"")).hexdigest()


def _theirs(entry: Any) -> tuple[str, EntryKind, str, int, int, int, int, str]:
    kind = _TYPES[entry["type"]]
    name, link = base64.b64decode(entry["name"] or ""), base64.b64decode(entry["link"] or "")
    target = ""
    if kind is EntryKind.HARDLINK:
        target = archive_path(link, LIMITS)
    elif kind is EntryKind.SYMLINK:
        target = to_text(link)
    mode = entry["mode"] & 0o7777
    return archive_path(name, LIMITS), kind, target, entry["size"], mode, entry["uid"], entry["gid"], entry["sum"]


@settings(max_examples=600, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(damaged_archives())
def test_t54_what_is_accepted_is_what_go_reads(go_tar: GoTar, archive: bytes) -> None:
    collector = Collector()
    facts = accepted(archive, collector)
    if facts is not None:
        assert_equal(facts, collector.files, go_tar.list(archive))


def test_t54_gos_own_test_archives(go_tar: GoTar) -> None:
    root = subprocess.run(["go", "env", "GOROOT"], check=True, capture_output=True, text=True).stdout.strip()
    archives = sorted(Path(root, "src/archive/tar/testdata").glob("*.tar"))
    if not archives:
        pytest.skip("this Go came without the sources of archive/tar")
    read = set()
    for path in archives:
        collector = Collector()
        facts = accepted(path.read_bytes(), collector)
        if facts is not None:
            assert_equal(facts, collector.files, go_tar.list(path.read_bytes()))
            read.add(path.stem)
    assert {"gnu", "gnu-utf8", "pax", "pax-records", "ustar", "v7", "xattrs", "hardlink"} <= read
    refused = {"neg-size", "pax-multi-hdrs", "gnu-multi-hdrs", "pax-nul-path", "sparse-formats", "gnu-long-nul", "star"}
    assert not refused & read
