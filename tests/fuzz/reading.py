"""What must hold of whatever layers and files are read, for the targets to share."""

from datetime import UTC, datetime

from scanning.documents import decode, encode
from scanning.errors import UnreadableLayerError
from scanning.facts import FileFinds, ImageFacts, LayerFacts
from scanning.files import examine
from scanning.layers.inspect import inspect_layer
from scanning.layers.limits import KIB, MIB, InspectionLimits
from scanning.layers.overlay import assemble
from scanning.oci import media_types
from scanning.oci.digest import Digest
from scanning.oci.manifest import Descriptor, ImageConfig, Manifest, ManifestKind, Platform
from tests.scanning.layers.archives import END, member

LIMITS = InspectionLimits(
    uncompressed_bytes=1 * MIB,
    ratio_grace_bytes=256 * KIB,
    window_bytes=1 * MIB,
    entries=2000,
    path_bytes=256 * KIB,
    pax_bytes=64 * KIB,
    file_bytes=256 * KIB,
    archive_entries=1000,
    archive_bytes=1 * MIB,
)
SUBJECT = Digest.of(b"image")
NOW = datetime(2026, 1, 1, tzinfo=UTC)


def read_layer(blob: bytes, size: int) -> LayerFacts | str:
    """The facts of a layer that is fed `size` bytes at a time, or why it is refused."""
    pieces = (blob[place : place + size] for place in range(0, len(blob), size))
    try:
        facts = inspect_layer(pieces, LIMITS, examine.Examiner(LIMITS))
    except UnreadableLayerError as error:
        return str(error)
    assert facts.digest == Digest.of(blob)
    assert decode(LayerFacts, encode(facts)) == facts
    for entry in facts.entries:
        assert not {"", ".", ".."} & set(entry.path.split("/")), entry
    return facts


def read_file(path: str, content: bytes, size: int = 1 << 20) -> FileFinds:
    """What a file of a layer tells that is fed `size` bytes at a time: the layer is read, whatever is in the file."""
    facts = read_layer(member(path.encode(), content) + END, size)
    assert isinstance(facts, LayerFacts), facts
    check_image(facts)
    return facts.finds[0] if facts.finds else FileFinds(path)


def read_in_pieces(path: str, content: bytes) -> FileFinds:
    """What a file tells: the same in pieces as whole."""
    whole = read_file(path, content)
    assert whole == read_file(path, content, 1 + len(content) % 97 + len(content) // 8)
    return whole


def manifest_of(*layers: Descriptor) -> Manifest:
    """A manifest of these layers."""
    return Manifest(kind=ManifestKind.IMAGE, media_type=media_types.OCI_MANIFEST, digest=SUBJECT, size=1, layers=layers)


def check_image(*layers: LayerFacts) -> None:
    """Whatever layers hold, they become an image or problems, and those can be kept."""
    descriptors = (Descriptor("application/vnd.oci.image.layer.v1.tar", facts.digest, facts.size) for facts in layers)
    config = ImageConfig(platform=Platform(), diff_ids=tuple(facts.diff_id for facts in layers))
    facts = assemble(manifest_of(*descriptors), config, layers)
    assert decode(ImageFacts, encode(facts)) == facts
