"""What compilers and packagers leave in programs: Go's build information, Rust's crates, notes, GraalVM's bills."""

import gzip
import json
import zlib

from tests.fuzz import forge
from tests.fuzz.reading import read_in_pieces
from tests.native_images import COMPONENTS
from tests.scanning.packages.test_golang import MODULES, info
from tests.scanning.packages.test_programs import CRATES

_ELF = b"\x7fELF" + bytes(60)
_NOTE = {"type": "rpm", "name": "bash", "version": "5.2.26-3.fc40", "architecture": "x86_64"}
_BILL = {"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "components": list(COMPONENTS)}


def built(data: bytes) -> None:
    """A program with one of these, changed before or after it was packed. It tells the same in pieces as whole."""
    choice, changes = data[:1] or b"\0", data[1:]
    first, later = (changes, b"") if choice[0] < 0xC0 else (b"", changes)
    match choice[0] % 5:
        case 0:
            left = info(b"go1.26.8", forge.lines(MODULES.decode(), first).encode("utf-8", "surrogatepass"))
        case 1:
            left = info(forge.content(b"go1.26.8", first), MODULES)
        case 2:
            crates = forge.forged({"packages": CRATES, "format": 1}, first)
            left = zlib.compress(json.dumps(crates, separators=(",", ":")).encode()) + b"\0.dep-v0\0"
        case 3:
            note = forge.text_of(forge.forged(_NOTE, first)) + b"\0"
            left = b"\4\0\0\0" + len(note).to_bytes(4, "little") + b"\x7e\x1a\xfe\xcaFDO\0" + note
        case _:
            bill = json.dumps(forge.forged(_BILL, first), separators=(",", ":")).encode()
            left = b"__svm_version_info\0" + gzip.compress(bill, mtime=0)
    read_in_pieces("usr/local/bin/app", _ELF + forge.content(left, later) + bytes(40))
