"""Every limit of the inspection is a setting, reaches the workers, and is named by the refusal when it is passed."""

import gzip
import io
import os
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import fields
from itertools import repeat

import pytest
import zstandard

from config.settings import Inspection
from config.settings_file import load_settings
from proxy.inspection.build import inspection_pool
from proxy.inspection.pool import InspectionPool
from scanning.errors import LimitExceededError
from scanning.facts import LayerFacts
from scanning.layers.limits import MIB, InspectionLimits
from tests.images import dpkg_status
from tests.scanning.layers.archives import END, header, member, pax

STATUS = b"var/lib/dpkg/status"


def jar(files: Mapping[str, bytes]) -> bytes:
    """A Java archive of these files."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as made:
        for name, content in files.items():
            made.writestr(name, content)
    return buffer.getvalue()


def zstd_with_window(log: int) -> bytes:
    """A frame that asks for a window of `1 << log` bytes."""
    parameters = zstandard.ZstdCompressionParameters(window_log=log, write_content_size=False)
    packing = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    return packing.compress(member(b"random", os.urandom(2 * MIB)) + END) + packing.flush()


NESTED = jar({"lib/b.jar": jar({"lib/c.jar": jar({"Main.class": b""})})})
ZEROS = gzip.compress(header(b"zeros", size=8**11 - 1)), gzip.compress(bytes(16 * MIB), 1)

CASES: dict[str, tuple[int, Iterator[bytes]]] = {
    "uncompressed_bytes": (4096, iter([member(b"a", bytes(8192)) + END])),
    "ratio": (20, iter([gzip.compress(member(b"zeros", bytes(65 * MIB)) + END, 1)])),
    "ratio_grace_bytes": (1 * MIB, iter([gzip.compress(member(b"zeros", bytes(2 * MIB)) + END)])),
    "window_bytes": (1 * MIB, iter([zstd_with_window(21)])),
    "entries": (2, iter([member(b"a") + member(b"b") + member(b"c") + END])),
    "path_length": (20, iter([member(b"a" * 21) + END])),
    "path_depth": (3, iter([member(b"a/b/c/d") + END])),
    "path_bytes": (20, iter([member(b"a" * 11) + member(b"b" * 11) + END])),
    "pax_bytes": (100, iter([pax((b"comment", b"c" * 100)) + member(b"a") + END])),
    "file_bytes": (100, iter([member(STATUS, dpkg_status(("base-files", "12"), ("dash", "0.5"))) + END])),
    "packages": (1, iter([member(STATUS, dpkg_status(("base-files", "12"), ("dash", "0.5"))) + END])),
    "archive_depth": (2, iter([member(b"app/a.jar", NESTED) + END])),
    "archive_entries": (2, iter([member(b"app/a.jar", jar({"a": b"", "b": b"", "c": b""})) + END])),
    "archive_bytes": (100, iter([member(b"app/a.jar", jar({"b.jar": bytes(200)})) + END])),
    "cpu_seconds": (1, iter((ZEROS[0], *repeat(ZEROS[1], 10_000)))),
    "memory_bytes": (192 * MIB, iter((header(STATUS, size=8**11 - 1), *repeat(bytes(MIB), 10_000)))),
}
"""A low value of each limit, and a layer that passes it."""

ROOM = {
    "cpu_seconds": {"uncompressed_bytes": 1 << 50, "ratio": 1 << 30},
    "memory_bytes": {"file_bytes": 1 << 40},
    "archive_bytes": {"archive_depth": 4},
}
"""What else has to be raised so that no other limit is passed before it."""


def test_every_limit_is_a_setting_with_the_same_default() -> None:
    defaults = Inspection()
    assert {field.name: getattr(defaults, field.name) for field in fields(InspectionLimits)} == {
        field.name: field.default for field in fields(InspectionLimits)
    }
    assert set(CASES) == {field.name for field in fields(InspectionLimits)}


@pytest.mark.parametrize("limit", CASES)
async def test_t56_t74_a_layer_that_passes_it_is_refused_by_its_name_and_told_how_to_raise_it(
    limit: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    value, blob = CASES[limit]
    for name, amount in {limit: value, "workers": 1, **ROOM.get(limit, {})}.items():
        monkeypatch.setenv(f"IMAGEGATE_INSPECTION__{name.upper()}", str(amount))
    pool = inspection_pool(load_settings().inspection)
    await pool.start()
    try:
        sentence = await refusal(pool, blob)
    finally:
        await pool.close()

    named, allowed = ("ratio", 200) if limit == "ratio_grace_bytes" else (limit, value)
    assert f"the inspection limit {named} of {allowed} is passed; raise inspection.{named} if this is" in sentence


async def refusal(pool: InspectionPool, blob: Iterator[bytes]) -> str:
    """Why the layer is refused, or what of it cannot be understood."""
    running = await pool.begin()
    try:
        for chunk in blob:
            await running.feed(chunk)
        facts: LayerFacts = await running.finish()
    except LimitExceededError as error:
        return str(error)
    finally:
        await running.abandon()
    (found,) = facts.finds
    assert facts.is_provisional
    return found.problem
