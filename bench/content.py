"""What is pushed and pulled: layers that do not compress, as most of what images hold does not."""

import gzip
import io
import json
import os
import sysconfig
import tarfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from isal import igzip

from proxy.demo.images import Image, build_manifest, describe
from scanning.oci.digest import Digest

_SOURCES = ("stdlib", "purelib", "scripts", "include")
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


def pack_python(target: Path, volume: int) -> None:
    """Pack into a gzip layer what this Python consists of, again and again up to `volume`: programs and text."""
    with gzip.open(target, "wb", compresslevel=6) as packed, tarfile.open(fileobj=packed, mode="w|") as archive:
        copy = 0
        while packed.tell() < volume:
            copy += 1
            for source in dict.fromkeys(sysconfig.get_path(name) for name in _SOURCES):
                archive.add(source, f"opt/{copy}{source}", filter=partial(_until, lambda: packed.tell() >= volume))


def _until(full: Callable[[], bool], member: tarfile.TarInfo) -> tarfile.TarInfo | None:
    return None if full() or not (member.isfile() or member.isdir()) else member
