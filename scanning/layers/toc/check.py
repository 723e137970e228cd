"""One table of contents, found and compared: what a layer's last word is on whether it has one."""

from dataclasses import dataclass

from scanning.errors import UnreadableLayerError
from scanning.facts import ContentsTable
from scanning.layers.limits import InspectionLimits
from scanning.layers.toc import locate, tar_split
from scanning.layers.toc.compare import compare, shared_frame
from scanning.layers.toc.read import read_table
from scanning.layers.toc.record import ContentRecord, Members
from scanning.layers.zstd import SkippedFrame


@dataclass(frozen=True, slots=True)
class BlobEnd:
    """What is to be known of a blob to find its table: its last bytes, its last skippable frames."""

    compression: str
    size: int
    tail: bytes = b""
    skipped: tuple[SkippedFrame, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidate:
    """What eStargz calls its table: what it holds, None if it was not kept, and where in the archive its header is."""

    content: bytes | None = None
    offset: int = 0


def checked_table(
    blob: BlobEnd, members: Members, record: ContentRecord, candidate: Candidate, limits: InspectionLimits
) -> ContentsTable | None:
    """The table of contents of a layer, None if it has none.

    Raises `UnreadableLayerError` if it does not say what the archive says.
    """
    locate.check_end(blob.tail, blob.compression)
    if blob.compression == "gzip":
        found = locate.in_gzip(blob.tail, record.frames, candidate.content, candidate.offset, limits)
    elif blob.compression == "zstd":
        found = locate.in_zstd(blob.tail, blob.size, blob.skipped, limits)
    else:
        found = None
    if found is None:
        return None
    if record.shared:
        raise shared_frame(record.shared)
    entries, named = read_table(found.content, limits)
    within = next((one.entry.path for one in entries for chunk in one.chunks if chunk.inner), None)
    if within is not None and blob.compression == "zstd":
        raise UnreadableLayerError(
            "the table of contents leads into a zstd frame and not to where one begins, which podman does not know of:"
            " build the layer without a least size of chunks",
            entry=within,
        )
    compare(entries, members, record.files)
    if found.tar_split is not None:
        if named not in {"", found.tar_split_digest}:
            raise UnreadableLayerError("the table of contents names other data of tar-split than the layer has")
        tar_split.compare(found.tar_split, members, limits)
    elif named:
        raise UnreadableLayerError("the table of contents names data of tar-split, and the layer has none")
    return found.facts
