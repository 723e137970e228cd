"""Kernels and modules, laid out as boot loaders and the kernel take them."""

import struct
from collections.abc import Mapping

RELEASE = "6.1.0-50-cloud-amd64"
BANNER = f"{RELEASE} (debian-kernel@lists.debian.org) #1 SMP PREEMPT_DYNAMIC Debian 6.1.176-1 (2026-07-04)"


def boot_image(version: str = BANNER, pointer: int = 0x3900) -> bytes:
    """A bzImage whose header leads to `version` (boot.rst): it begins as a Windows program, for EFI."""
    image = bytearray(0x12000)
    image[0:2], image[510:512], image[514:518] = b"MZ", b"\x55\xaa", b"HdrS"
    image[497], image[529] = 40, 1  # sectors of the setup; it is a bzImage
    image[518:520], image[526:528] = struct.pack("<H", 0x20F), struct.pack("<H", pointer)
    place = pointer + 0x200
    image[place : place + len(version) + 1] = version.encode() + b"\0"
    return bytes(image)


def raw_image(magic: bytes = b"ARM\x64", banner: str = BANNER) -> bytes:
    """A kernel for arm64 or RISC-V (arch/arm64/booting.rst, arch/riscv/boot-image-header.rst): code, and its banner."""
    head = struct.pack("<IIQQQQQQ", 0xFA405A4D, 0x144E2353, 0, 0x1C00000, 0xA, 0, 0, 0) + magic + struct.pack("<I", 64)
    return head + bytes(5000) + f"\0Linux version {banner} (gcc-12 12.2.0) #1 SMP\n\0".encode() + bytes(3000)


def zboot(packed: bytes, packing: bytes) -> bytes:
    """A packed kernel that EFI starts (drivers/firmware/efi/libstub/zboot-header.S)."""
    head = struct.pack("<4s4sII8x32sII", b"MZ\0\0", b"zimg", 4096, len(packed), packing, 0x818223CD, 64)
    return head.ljust(4096, b"\0") + packed + bytes(512)


def module(information: Mapping[str, str], *, is_64: bool = True, order: str = "<") -> bytes:
    """A kernel module that has nothing but a section .modinfo."""
    content = b"".join(f"{key}={value}".encode() + b"\0" for key, value in information.items())
    names = b"\0.modinfo\0.shstrtab\0"
    size, entry = (64, 64) if is_64 else (52, 40)
    start, count = size + len(content) + len(names), 3

    def section(name: int, kind: int, offset: int, length: int) -> bytes:
        if is_64:
            return struct.pack(f"{order}IIQQQQIIQQ", name, kind, 0, 0, offset, length, 0, 0, 1, 0)
        return struct.pack(f"{order}10I", name, kind, 0, 0, offset, length, 0, 0, 1, 0)

    ident = b"\x7fELF" + bytes((2 if is_64 else 1, 1 if order == "<" else 2, 1)) + bytes(9)
    head = (
        ident + struct.pack(f"{order}HHI", 1, 62, 1) + struct.pack(f"{order}{'QQQ' if is_64 else 'III'}", 0, 0, start)
    )
    head += struct.pack(f"{order}IHHHHHH", 0, size, 0, 0, entry, count, 2)
    table = section(0, 0, 0, 0) + section(1, 1, size, len(content)) + section(10, 3, size + len(content), len(names))
    return head + content + names + table
