"""Linux and modules that do not come with it, told by what is in them, and by where kernels are installed."""

import gzip
import hashlib
import lzma
from collections.abc import Callable

import pytest
import zstandard

from scanning.errors import InvalidContentError
from scanning.facts import EntryKind, FileEntry
from scanning.files.examine import Examiner
from scanning.packages import kernel
from scanning.packages.catalogers import cataloger_of, must_be_read
from tests.debian_packages import debian_program
from tests.kernels import BANNER, RELEASE, boot_image, module, raw_image, zboot
from tests.scanning.files.files import examined

OWN = {"license": "GPL", "version": "2.2.2", "name": "zfs", "vermagic": "6.1.0 SMP"}
PATH = "lib/modules/6.1.0/updates/dkms/zfs.ko"


def told(path: str, content: bytes) -> list[tuple[str, str, str]]:
    found = examined(path, content)
    assert not (found and found.problem)
    return [(package.type, package.name, package.version) for package in (found.packages if found else ())]


@pytest.mark.parametrize("path", ["boot/vmlinuz-6.1.0-50-cloud-amd64", "opt/anything"])
@pytest.mark.parametrize("pointer", [0x1000, 0x3900, 0xFFFF])
def test_a_boot_image_is_known_by_its_header_whatever_it_is_called(path: str, pointer: int) -> None:
    assert told(path, boot_image(pointer=pointer)) == [("generic", "linux-kernel", RELEASE)]


@pytest.mark.parametrize("content", [boot_image(pointer=0), boot_image("iPXE 1.21"), boot_image()[:600]])
def test_what_boots_in_the_same_way_and_is_no_linux(content: bytes) -> None:
    assert told("boot/loader", content) == []


NOISE = hashlib.shake_256(b"what cannot be packed").digest(1 << 20)
LINUX = [("generic", "linux-kernel", RELEASE)]
PACKED = [
    (b"gzip", gzip.compress),
    (b"lzma", lambda content: lzma.compress(content, lzma.FORMAT_ALONE)),
    (b"xzkern", lambda content: lzma.compress(content, check=lzma.CHECK_CRC32)),
    (b"zstd22", zstandard.compress),
]


@pytest.mark.parametrize("magic", [b"ARM\x64", b"RSC\x05"])
@pytest.mark.parametrize("chunk", [1 << 9, 5000, 1 << 20])
def test_kernels_of_other_processors_by_their_banner(magic: bytes, chunk: int) -> None:
    image = raw_image(magic)
    packed = gzip.compress(image + NOISE)
    assert len(packed) > 1 << 20
    for content in (image, packed):
        found = examined("opt/anything", content, chunk=chunk)
        assert found is not None
        assert [(one.type, one.name, one.version) for one in found.packages] == LINUX


@pytest.mark.parametrize(("packing", "pack"), PACKED)
def test_a_kernel_that_efi_unpacks(packing: bytes, pack: Callable[[bytes], bytes]) -> None:
    assert told("boot/vmlinuz", zboot(pack(raw_image()), packing)) == LINUX


@pytest.mark.parametrize(
    "content", [boot_image(), raw_image(), gzip.compress(raw_image() + NOISE), zboot(b"?" * 100, b"lz4")]
)
def test_kernels_are_seen_among_the_small_files_of_an_archive(content: bytes) -> None:
    examiner = Examiner()
    piece = bytes(512) + content
    examiner.look_at(piece)
    entry = FileEntry("boot/vmlinuz", EntryKind.FILE, 0o644, size=len(content))
    found = examiner.examine(entry, memoryview(piece)[512:], 512)
    assert found is not None
    assert [one.name for one in found.packages] == ["linux-kernel"]


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(zboot(b"?" * 100, b"lz4"), id="packed in another way"),
        pytest.param(zboot(b"?" * 100, b"gzip"), id="damaged"),
        pytest.param(zboot(zstandard.compress(raw_image(banner="?")), b"zstd22"), id="no banner"),
        pytest.param(zboot(gzip.compress(raw_image()), b"gzip").replace(b"gzip", b"GZIP"), id="called otherwise"),
    ],
)
def test_a_kernel_that_tells_no_version_is_one_all_the_same(image: bytes) -> None:
    assert told("boot/vmlinuz", image) == [("generic", "linux-kernel", "")]


def test_t56_a_kernel_is_unpacked_up_to_a_bound() -> None:
    """It counts as one whose version nobody knows."""
    endless = raw_image(banner="?") + bytes(300 << 20)
    packed = gzip.compress(endless + NOISE, compresslevel=1)
    assert told("boot/vmlinuz", packed) == [("generic", "linux-kernel", "")]
    assert told("boot/vmlinuz", zboot(zstandard.compress(endless), b"zstd22")) == [("generic", "linux-kernel", "")]


@pytest.mark.parametrize("content", [raw_image(banner="?"), raw_image(b"ARM!"), gzip.compress(NOISE)])
def test_what_begins_in_the_same_way_and_is_no_linux(content: bytes) -> None:
    """U-Boot and Zephyr have the header of arm64 too."""
    assert told("boot/loader", content) == []


@pytest.mark.parametrize("chunk", [1, 100, 5000])
def test_chunks_do_not_matter(chunk: int) -> None:
    content = b"\x7fELF" + bytes(500) + f"swapper\0Linux version {BANNER}".encode() + bytes(100)
    found = examined("boot/vmlinux", content, chunk=chunk)
    assert found is not None
    assert [(one.name, one.version) for one in found.packages] == [("linux-kernel", RELEASE)]


@pytest.mark.real
def test_a_real_kernel_and_a_real_module_of_its_own() -> None:
    installed = debian_program("user-mode-linux", "usr/lib/uml/modules")
    (modules,) = installed.iterdir()
    release = modules.name
    assert told("usr/bin/linux", debian_program("user-mode-linux", "usr/bin/linux.uml").read_bytes()) == [
        ("generic", "linux-kernel", release)
    ]
    listed = f"usr/lib/uml/modules/{release}/modules.builtin"
    assert told(listed, (modules / "modules.builtin").read_bytes()) == [("generic", "linux-kernel", release)]
    own = next(modules.rglob("batman-adv.ko")).read_bytes()
    assert told(PATH, own) == []
    assert told(PATH, own.replace(b"intree=Y", b"outree=Y")) == [("generic", "batman_adv", "2022.3")]


@pytest.mark.parametrize(
    ("ending", "pack"),
    [("", bytes), (".xz", lzma.compress), (".gz", gzip.compress), (".zst", zstandard.compress)],
)
def test_a_module_from_elsewhere_is_a_package_packed_or_not(ending: str, pack: "type[bytes]") -> None:
    assert told(PATH + ending, pack(module(OWN))) == [("generic", "zfs", "2.2.2")]
    assert told(PATH + ending, pack(module({**OWN, "intree": "Y"}))) == []


@pytest.mark.parametrize("is_64", [True, False])
@pytest.mark.parametrize("order", ["<", ">"])
def test_modules_of_every_processor(is_64: bool, order: str) -> None:
    (package,) = kernel.read(PATH, module(OWN, is_64=is_64, order=order))
    assert (package.name, package.version, package.licences) == ("zfs", "2.2.2", ("GPL",))


def test_a_module_that_tells_no_name_or_version() -> None:
    assert told(PATH, module({"license": "GPL"})) == [("generic", "zfs", "")]


@pytest.mark.parametrize("content", [b"", "\N{HANGUL SYLLABLE GA}".encode(), module({}), b"\x7fELF"])
def test_other_files_called_so(content: bytes) -> None:
    """Texts in Korean, FreeBSD's modules."""
    if content == b"\x7fELF":
        with pytest.raises(InvalidContentError, match="no module that could be loaded"):
            kernel.read("doc/README.ko", content)
    else:
        assert told("doc/README.ko", content) == []
    assert not must_be_read("doc/README.ko")


def test_damaged_modules_are_problems() -> None:
    with pytest.raises(InvalidContentError, match="no compressed module"):
        kernel.read("lib/modules/6.1/a.ko.xz", b"damaged")
    with pytest.raises(InvalidContentError, match="no module that could be loaded"):
        kernel.read("lib/modules/6.1/a.ko", module(OWN)[:-40])
    beyond_memory = bytearray(module(OWN))
    beyond_memory[40:48] = b"\xff" * 8  # where the table of sections begins
    with pytest.raises(InvalidContentError, match="no module that could be loaded"):
        kernel.read("lib/modules/6.1/a.ko", bytes(beyond_memory))


def test_only_lists_of_kernels_are_read() -> None:
    assert cataloger_of("srv/modules/list/modules.builtin") is None
