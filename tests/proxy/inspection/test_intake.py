"""The first stage in its thread: what two stages side by side say is what one after the other would have said."""

import gzip
import io
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proxy.inspection.framing import ABANDON, END, frames
from proxy.inspection.intake import AbandonedError, IncomingLayer, Intake, PipeClosedError
from scanning.errors import UnreadableLayerError
from scanning.facts import LayerFacts
from scanning.layers.compression import STEP_BYTES
from scanning.layers.inspect import ArchiveReading, inspect_layer
from scanning.layers.limits import KIB, MIB, InspectionLimits
from tests.scanning.layers import archives
from tests.scanning.layers.archives import LIMITS, Collector, chunked, member
from tests.scanning.layers.strategies import archives as whole_archives
from tests.scanning.layers.strategies import damaged_archives

pytestmark = pytest.mark.timeout(120)

LONG = member(b"a", bytes(20 * MIB)) + archives.END


def layer(chunks: Iterable[bytes], end: bytes = END) -> bytes:
    """What the gate writes for one layer."""
    return b"".join(part for chunk in chunks for frame in frames(chunk) for part in frame) + end


def started(requests: bytes, limits: InspectionLimits = LIMITS) -> Intake:
    intake = Intake(limits, io.BytesIO(requests))
    intake.start()
    return intake


def read(incoming: IncomingLayer) -> LayerFacts | str:
    reading = ArchiveReading(LIMITS, Collector())
    try:
        for piece in incoming:
            reading.feed(piece)
        return reading.finish(incoming.blob)
    except UnreadableLayerError as refused:
        incoming.discard()
        return str(refused)


def expected(blob: bytes) -> LayerFacts | str:
    try:
        return inspect_layer([blob], LIMITS, Collector())
    except UnreadableLayerError as refused:
        return str(refused)


@given(
    st.lists(
        st.one_of(whole_archives().map(lambda written: written[0]), damaged_archives()).flatmap(
            lambda archive: st.sampled_from((archive, gzip.compress(archive, 1), gzip.compress(archive, 1)[:-9]))
        ),
        max_size=4,
    ),
    st.integers(1, 2000),
)
def test_layer_after_layer_is_read_or_refused_as_by_one_thread(blobs: list[bytes], size: int) -> None:
    intake = started(b"".join(layer(chunked(blob, size)) for blob in blobs))
    assert [read(intake.next_layer()) for _ in blobs] == [expected(blob) for blob in blobs]
    with pytest.raises(PipeClosedError):
        intake.next_layer()
    intake.join()


def test_the_stages_never_drift_far_apart() -> None:
    requests = io.BytesIO(layer(chunked(LONG, 64 * KIB)))
    intake = Intake(LIMITS, requests)
    intake.start()
    pieces = iter(intake.next_layer())
    total = 0
    for piece in pieces:
        assert isinstance(piece, bytes)
        total += len(piece)
        assert requests.tell() - total <= 6 * STEP_BYTES
    assert total == len(LONG)
    intake.join()


def test_a_layer_that_nobody_wants_any_more_makes_way_for_the_next() -> None:
    intake = started(layer(chunked(LONG, 64 * KIB)) + layer([LONG]))
    first = intake.next_layer()
    next(iter(first))
    first.discard()
    assert read(intake.next_layer()) == expected(LONG)
    intake.join()


def test_an_abandoned_layer_says_so_after_what_came_before() -> None:
    intake = started(layer([LONG[:1024]], ABANDON) + layer([], ABANDON) + layer([LONG]))
    for count in (1, 0):
        abandoned = iter(intake.next_layer())
        assert len([next(abandoned) for _ in range(count)]) == count
        with pytest.raises(AbandonedError):
            next(abandoned)
    assert read(intake.next_layer()) == expected(LONG)


def test_a_pipe_closed_in_the_middle_ends_the_layer_and_the_thread() -> None:
    intake = started(layer([LONG])[: 3 * MIB])
    with pytest.raises(PipeClosedError):
        list(intake.next_layer())
    with pytest.raises(PipeClosedError):
        intake.next_layer()
    intake.join()


class BrokenPipe(io.BytesIO):
    """A pipe that cannot be read any more after its first message."""

    def read(self, size: int | None = -1) -> bytes:
        if self.tell() > 4:
            raise MemoryError
        return super().read(size)


def test_memory_that_is_missing_in_the_first_stage_is_told_in_the_second(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_self: object, _chunk: bytes) -> Iterable[bytes]:
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr("scanning.layers.compression.Decompressor.feed", fail)
        intake = started(layer([LONG]) + layer([LONG]))
        with pytest.raises(MemoryError):
            list(intake.next_layer())
        intake.join()

    intake = Intake(LIMITS, BrokenPipe(layer([LONG])))
    intake.start()
    with pytest.raises(MemoryError):
        list(intake.next_layer())
    with pytest.raises(PipeClosedError):
        intake.next_layer()
    intake.join()
