"""What is pushed and pulled: layers that do not compress, as most of what images hold does not."""

import io
import json
import os
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass

from isal import igzip

from proxy.demo.images import Image, build_manifest, describe
from scanning.oci.digest import Digest

_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"


@dataclass(frozen=True, slots=True)
class Layer:
    """A gzip layer of random files."""

    content: bytes
    diff_id: Digest

    @property
    def digest(self) -> Digest:
        """The digest of the packed layer."""
        return Digest.of(self.content)


def layer(size: int, file_size: int = 1 << 20) -> Layer:
    """A layer of about `size` bytes in files of `file_size`; never the same twice."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for number in range(max(1, size // file_size)):
            member = tarfile.TarInfo(f"opt/bench/{number}.bin")
            member.size = min(size, file_size)
            archive.addfile(member, io.BytesIO(os.urandom(member.size)))
    plain = buffer.getvalue()
    return Layer(igzip.compress(plain, compresslevel=0), Digest.of(plain))


def image(layers: Sequence[Layer], comment: str = "bench") -> Image:
    """An image of these layers. Another `comment` makes another image of the same layers."""
    config = {
        "architecture": "amd64",
        "os": "linux",
        "config": {"User": "10001:10001", "Env": ["PATH=/usr/bin:/bin"]},
        "rootfs": {"type": "layers", "diff_ids": [str(part.diff_id) for part in layers]},
        "history": [{"created_by": comment} for _ in layers],
    }
    return build_manifest(
        json.dumps(config).encode(), [(part.content, describe(part.content, _LAYER)) for part in layers]
    )
