"""Layers through one inspection worker, beside the same pass in one thread; and its memory by layer size."""

import asyncio
import gc
import gzip
import hashlib
import os
import tarfile
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from bench import content, debian
from bench.errors import BenchError
from bench.plan import Amount, Plan
from bench.report import Goal, Result
from bench.turns import Candidate, Sample, in_turns
from proxy.inspection.pool import InspectionPool
from scanning.facts import LayerFacts
from scanning.files.examine import Examiner
from scanning.layers.inspect import ArchiveReading, BlobFacts, inspect_layer
from scanning.layers.limits import GIB, KIB, MIB, InspectionLimits
from scanning.oci.digest import Digest

_CHUNK = 256 * KIB
_LIMITS = InspectionLimits(ratio=1 << 20)
_PACKED_MIB = {Amount.FULL: 1200, Amount.QUICK: 40, Amount.TINY: 2}
_REAL = ("base", "runtimes", "compilers")
"""Layers as images have them, besides: a system, many small files of Python and npm, large programs and archives."""
_ZLIB, _ISAL, _WORKER = "zlib, one thread", "isal, one thread", "imagegate"


def inspections(plan: Plan) -> list[Result]:
    """Every check is on: digest, inflating, diffID, the strict walk, package databases, tools by content, secrets."""
    packed = plan.folder / "layer.tar.gz"
    content.pack_python(packed, _PACKED_MIB[plan.amount] * MIB)
    found = [("Python files of this machine", packed)]
    if not plan.quick:
        real = debian.files()
        found += [(f"Debian's {name}", real[name]) for name in _REAL]
    return [_inspection(plan, name, layer) for name, layer in found]


def _inspection(plan: Plan, name: str, layer: Path) -> Result:
    facts: set[LayerFacts] = set()

    def keep(found: LayerFacts) -> None:
        facts.add(found)
        if len(facts) > 1:
            raise BenchError("the passes do not find the same in one layer")

    samples = in_turns(
        [
            Candidate(_ZLIB, lambda: _in_one_thread(_with_zlib, layer, keep)),
            Candidate(_ISAL, lambda: _in_one_thread(_with_isal, layer, keep)),
            Candidate(_WORKER, lambda: asyncio.run(_by_worker(_file(layer), keep))),
        ],
        plan.rounds,
    )
    (one,) = facts
    title = (
        f"One layer, {name}: {one.size / 1e6:.0f} MB, {one.uncompressed_size / 1e6:.0f} MB unpacked,"
        f" {len(one.entries)} entries"
    )
    return Result(title, "MB/s", samples, "s/GB", (Goal(_WORKER, _ZLIB, 2),))


def memory(plan: Plan) -> list[Result]:
    """The most memory one worker ever held, for layers of files that do not compress."""
    sizes = (10 * MIB, 100 * MIB) if plan.quick else (10 * MIB, 400 * MIB, 4 * GIB)
    names = [f"{size // MIB} MiB" for size in sizes]
    samples = {
        name: asyncio.run(_by_worker(_random_layer(size), lambda _: None, value="peak MiB"))
        for name, size in zip(names, sizes, strict=True)
    }
    return [
        Result(
            "Memory of the worker by size of the layer",
            "MiB",
            samples,
            "s/GB",
            tuple(Goal(name, names[0], 1.25) for name in names[1:]),
            less_is_better=True,
        )
    ]


def _file(layer: Path) -> Iterator[bytes]:
    with layer.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _random_layer(size: int) -> Iterator[bytes]:
    """A layer of about `size` bytes whose files hold one random block: nothing to be gained by compressing it."""
    block = os.urandom(MIB)
    for number in range(size // MIB):
        member = tarfile.TarInfo(f"opt/{number}")
        member.size = len(block)
        yield gzip.compress(member.tobuf() + block, compresslevel=0)
    yield gzip.compress(bytes(1024))


def _with_isal(layer: Path) -> LayerFacts:
    return inspect_layer(_file(layer), _LIMITS, Examiner(_LIMITS))


def _with_zlib(layer: Path) -> LayerFacts:
    blob, archive, size, plain_size = hashlib.sha256(), hashlib.sha256(), 0, 0
    reading, inflating = ArchiveReading(_LIMITS, Examiner(_LIMITS)), zlib.decompressobj(31)
    for chunk in _file(layer):
        blob.update(chunk)
        size += len(chunk)
        rest, full = chunk, True
        while rest or full:
            plain = inflating.decompress(rest, _CHUNK)
            rest, full = inflating.unconsumed_tail, len(plain) == _CHUNK
            plain_size += len(plain)
            archive.update(plain)
            reading.feed(plain)
    digest, diff_id = Digest("sha256", blob.hexdigest()), Digest("sha256", archive.hexdigest())
    return reading.finish(BlobFacts(digest, diff_id, "gzip", size, plain_size))


def _in_one_thread(inspect: Callable[[Path], LayerFacts], layer: Path, keep: Callable[[LayerFacts], None]) -> Sample:
    with _collecting_as_a_worker():
        started, used = time.perf_counter(), time.process_time()
        facts = inspect(layer)
        seconds, used = time.perf_counter() - started, time.process_time() - used
    keep(facts)
    return Sample(facts.size / 1e6 / seconds, used / (facts.size / 1e9))


@contextmanager
def _collecting_as_a_worker() -> Iterator[None]:
    before = gc.get_threshold()
    gc.collect()
    gc.set_threshold(100_000)
    try:
        yield
    finally:
        gc.set_threshold(*before)


async def _by_worker(chunks: Iterator[bytes], keep: Callable[[LayerFacts], None], value: str = "") -> Sample:
    pool = InspectionPool(1, _LIMITS)
    await pool.start()
    try:
        running = await pool.begin()
        used, started = _processor_seconds(running.process), time.perf_counter()
        fed = started
        for chunk in chunks:
            await running.feed(chunk)
            fed = time.perf_counter()
        facts = await running.finish()
        ended = time.perf_counter()
        used = _processor_seconds(running.process) - used
        more = {"lag s": ended - fed, "peak MiB": _peak_memory(running.process) / MIB}
    finally:
        await pool.close()
    keep(facts)
    more["MB/s"] = facts.size / 1e6 / (ended - started)
    return Sample(more.pop(value or "MB/s"), used / (facts.size / 1e9), more)


def _processor_seconds(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _peak_memory(process: int) -> int:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    (peak,) = [line.split()[1] for line in lines if line.startswith("VmHWM:")]
    return int(peak) * KIB
