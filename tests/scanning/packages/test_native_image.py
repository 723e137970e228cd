"""Java programs made into machine code by GraalVM, with the bill of materials in them."""

from pathlib import Path

import pytest

from scanning.errors import InvalidContentError
from tests.native_images import COMPONENTS, bill_of, native_image
from tests.scanning.packages.test_programs import ELF, read, told

JARS = [("maven", "io.micronaut:micronaut-core", "4.2.1"), ("maven", "org.yaml:snakeyaml", "1.33")]
SYMBOLS = b"\0sbom\0sbom_length\0__svm_version_info\0"


@pytest.mark.parametrize("chunk", [1, 7, 1000, 1 << 20])
def test_what_the_bill_lists_wherever_it_is_cut(chunk: int) -> None:
    program = ELF + SYMBOLS + bytes(2000) + bill_of() + bytes(100)
    assert told(program, chunk=chunk) == JARS
    assert told(ELF + bytes(100) + bill_of() + SYMBOLS, chunk=chunk) == JARS


@pytest.mark.real
def test_a_library_that_a_compiler_made(tmp_path: Path) -> None:
    assert told(native_image(tmp_path, bill_of())) == JARS


def test_programs_that_graalvm_did_not_make() -> None:
    assert told(ELF + bill_of()) == []


@pytest.mark.parametrize("packed", [b"\x1f\x8b\x08\0" * 3, bill_of(())])
def test_a_program_without_a_bill(packed: bytes) -> None:
    assert told(ELF + SYMBOLS + packed) == []


def test_a_component_without_group_or_version() -> None:
    packed = bill_of(({"name": "app"}, {"group": "a", "name": "b"}))
    assert told(ELF + SYMBOLS + packed) == [("maven", "app", ""), ("maven", "a:b", "")]


@pytest.mark.parametrize(
    "packed",
    [
        *(bill_of(COMPONENTS * 200)[:-20], bill_of(({"name": 1},)), bill_of(("text",)), bill_of(({"version": "1"},))),  # type: ignore[arg-type]
        *(bill_of(({"name": name},)) for name in ("a:", " ", "/", ": /")),  # of which no purl can be made
    ],
)
def test_a_damaged_bill_is_a_problem(packed: bytes) -> None:
    with pytest.raises(InvalidContentError, match="damaged"):
        read(ELF + SYMBOLS + packed)


def test_t56_a_bill_cannot_hide_among_many() -> None:
    with pytest.raises(InvalidContentError, match="could hide in it"):
        read(ELF + SYMBOLS + b"\x1f\x8b\x08\0" * 2000 + bill_of())
