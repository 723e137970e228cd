"""Inputs to begin with: one line of Base85 for each, in a text file for each target.

They are what `python -m tests.fuzz.seeds` makes of the images that tests are made of, and some of what runs have found
to reach something new (`make fuzz ARGS='--keep'`).
"""

import base64
import zlib
from collections.abc import Iterable
from pathlib import Path

FOLDER = Path(__file__).parent / "corpus"
MAX_BYTES = 8192
"""Of one input, as it is fed."""


def read(target: str) -> list[bytes]:
    """The inputs of a target."""
    file = FOLDER / f"{target}.txt"
    lines = file.read_text().split() if file.exists() else []
    return [zlib.decompress(base64.b85decode(line)) for line in lines]


def write(target: str, inputs: Iterable[bytes]) -> None:
    """Keep these inputs of a target, the smallest first."""
    kept = sorted(
        {content for content in inputs if len(content) <= MAX_BYTES}, key=lambda content: (len(content), content)
    )
    FOLDER.mkdir(exist_ok=True)
    lines = (base64.b85encode(zlib.compress(content, 9)).decode() for content in kept)
    (FOLDER / f"{target}.txt").write_text("".join(f"{line}\n" for line in lines))
