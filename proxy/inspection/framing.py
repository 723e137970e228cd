"""What the gate and an inspection worker say to each other over two pipes.

    gate -> worker    limits, then for each layer: chunk... END or ABANDON
                      every message is a length (4 bytes, big endian) and that many bytes
    worker -> gate    READY, then for each layer: PART... and one of FACTS, REFUSED, SPENT, ABANDONED, FAILED
                      every message is its kind (1 byte), a length (4 bytes) and a document of that length

A refusal may come before END; what follows it is read and dropped. SPENT is a refusal after which the worker ends, as
it does after FAILED. Facts come in parts, so that reading those of a large layer never holds up the event loop long.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from scanning.documents import encode
from scanning.errors import LimitExceededError, NotALayerError, UnreadableLayerError
from scanning.facts import FileEntry, FileFinds, LayerFacts

LENGTH: Final = struct.Struct(">I")
REPLY_HEAD: Final = struct.Struct(">cI")
FRAME_BYTES: Final = 256 << 10
REPLY_BYTES: Final = 512 << 20
"""The largest reply to one layer the gate accepts from a worker, which has read hostile data and is not trusted."""

END: Final = LENGTH.pack(0)
ABANDON_LENGTH: Final = 0xFFFF_FFFF
ABANDON: Final = LENGTH.pack(ABANDON_LENGTH)

READY, PART, FACTS, REFUSED, SPENT, ABANDONED, FAILED = b"R", b"P", b"F", b"X", b"T", b"A", b"!"

_ENTRIES_IN_PART = 500
_FINDS_IN_PART = 50


@dataclass(frozen=True, slots=True)
class Part:
    """Some of a layer's entries and finds."""

    entries: tuple[FileEntry, ...] = ()
    finds: tuple[FileFinds, ...] = ()


@dataclass(frozen=True, slots=True)
class Refusal:
    """An `UnreadableLayerError` in transit. `limit` is named where one is passed."""

    reason: str
    entry: str
    offset: int | None
    is_layer: bool
    limit: str
    allowed: int

    @classmethod
    def of(cls, error: UnreadableLayerError) -> "Refusal":
        """Take the error apart."""
        limit, allowed = (error.limit, error.allowed) if isinstance(error, LimitExceededError) else ("", 0)
        return cls(error.reason, error.entry, error.offset, not isinstance(error, NotALayerError), limit, allowed)

    def to_error(self) -> UnreadableLayerError:
        """Put it together again."""
        if self.limit:
            return LimitExceededError(self.limit, self.allowed, entry=self.entry, offset=self.offset)
        kind = UnreadableLayerError if self.is_layer else NotALayerError
        return kind(self.reason, entry=self.entry, offset=self.offset)


def frames(chunk: bytes) -> Iterator[tuple[bytes, memoryview]]:
    """Cut a chunk into messages for the worker: the length and the bytes of each."""
    view = memoryview(chunk)
    for start in range(0, len(view), FRAME_BYTES):
        piece = view[start : start + FRAME_BYTES]
        yield LENGTH.pack(len(piece)), piece


def reply(kind: bytes, document: bytes = b"") -> bytes:
    """One message of the worker."""
    return REPLY_HEAD.pack(kind, len(document)) + document


def facts_replies(facts: LayerFacts) -> Iterator[bytes]:
    """The messages that carry a layer's facts."""
    for start in range(0, len(facts.entries), _ENTRIES_IN_PART):
        yield reply(PART, encode(Part(entries=facts.entries[start : start + _ENTRIES_IN_PART])))
    for start in range(0, len(facts.finds), _FINDS_IN_PART):
        yield reply(PART, encode(Part(finds=facts.finds[start : start + _FINDS_IN_PART])))
    yield reply(FACTS, encode(replace(facts, entries=(), finds=())))
