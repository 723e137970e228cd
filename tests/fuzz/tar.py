"""Input as archives: a reader that stops at a wrong checksum shows a fuzzer nothing of what lies behind it."""

from collections.abc import Iterator

from tests.scanning.layers.archives import END, header, member

_BLOCK = 512
_NAMES = (
    b"a",
    b"b",
    b"a/b",
    b"a/a",
    b"a/b/c",
    b".wh.a",
    b"a/.wh.b",
    b"a/.wh..wh..opq",
    b".wh..wh..opq",
    b"./a/b",
    b"/b/a",
)
_LINKS = (b"a", b"b", b"a/b", b"/a", b"../b", b".", b"a/../b", b"usr/lib")
_KINDS = (b"0", b"0", b"5", b"5", b"1", b"2", b"3", b"6", b"\x00")
_DATABASES = (b"var/lib/dpkg/status", b"lib/apk/db/installed", b"etc/passwd", b"etc/os-release", b"usr/bin/ssh")


def with_checksums(data: bytes) -> bytes:
    """`data` as an archive, the checksum of every header in it set right; what follows a bad size is left alone."""
    archive = bytearray(data)
    place = 0
    while place + _BLOCK <= len(archive):
        block = archive[place : place + _BLOCK]
        if any(block):
            block[148:156] = b" " * 8
            archive[place + 148 : place + 156] = b"%06o\0 " % sum(block)
        place += _BLOCK
        try:
            size = int(bytes(block[124:136]).strip(b" \0") or b"0", 8)
        except ValueError:
            break
        place += -(-size // _BLOCK) * _BLOCK if block[156:157] not in b"123456" else 0
    return bytes(archive)


def layers_of_few_names(data: bytes) -> Iterator[bytes]:
    """Archives of members whose names, kinds and links are chosen by four bytes each; a zero byte begins another."""
    members: list[bytes] = []
    for place in range(0, min(len(data), 400) - 3, 4):
        kind, name, link, mode = data[place : place + 4]
        if kind == 0:
            yield b"".join(members) + END
            members = []
            continue
        names = _DATABASES if mode & 0x80 else _NAMES
        chosen = names[name % len(names)]
        if (letter := _KINDS[kind % len(_KINDS)]) in b"012\x00" and letter == b"0":
            members.append(member(chosen, b"root::0:0:\n" * (link % 3), mode=b"%07o\0" % (mode * 17 % 0o10000)))
        else:
            device = {"major": b"%07o\0" % (link % 3), "minor": b"%07o\0" % (mode % 3)}
            members.append(
                header(chosen, letter, link=_LINKS[link % len(_LINKS)] if letter in b"12" else b"", **device)
            )
    yield b"".join(members) + END
