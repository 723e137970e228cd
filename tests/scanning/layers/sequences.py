"""Random images: layers over layers on few paths, so that they meet in every way, spelt in every way.

Most layers keep to what builders write; the rest of them does what nobody would, since that is where readers part.
"""

from dataclasses import dataclass

from hypothesis import strategies as st

from tests.scanning.layers.archives import END, GNU, NET_RAW, USTAR, V7, header, long_name, padded, pax
from tests.scanning.layers.strategies import damage

_COMMON = (b"a", b"b", b"c")
_ODD = (
    *(b".wh", b"wh.a", b"a.wh.b", b".w", b"...", b".a", b"a b", b"A", b"-", b"~", b"a:b", b"a\n", b"\\", b"\\xff"),
    *(b"\xff", b"\xc3\xa9", b"e\xcc\x81", b"x" * 101, b"y" * 200, b"\x7f", b"\t"),
)
_MODES = (0o644, 0o755, 0o4755, 0o2755, 0o1777, 0o600, 0, 0o6777)
_OWNERS = ((0, 0), (0, 0), (1000, 1000), (0, 42), (2**21, 5))
_CONTENTS = (b"", b"x", b"y", b"z" * 600)
_TARGETS = (b"a", b"b", b"c", b"/a", b"../a", b"a/b", b"../../b", b"nowhere", b".", b"/", b"\xff", b"t" * 120)
_TYPES = {
    b"0": 0o100000,
    b"5": 0o040000,
    b"2": 0o120000,
    b"6": 0o010000,
    b"3": 0o020000,
    b"4": 0o060000,
    b"1": 0o100000,
}

_rarely = st.integers(0, 9).map(lambda number: number == 9)
_seldom = st.integers(0, 29).map(lambda number: number == 29)
_components = st.integers(0, 149).map(lambda number: _ODD[number] if number < len(_ODD) else _COMMON[number % 3])
_new_paths = st.lists(_components, min_size=1, max_size=3).map(b"/".join)
_FILE, _LINKED, _LINK, _FOLDER, _HIDE, _OPAQUE = b"0", b"1", b"2", b"5", b"hide", b"opaque"
_kinds = st.sampled_from(
    (*[_FILE] * 4, *[_FOLDER] * 3, *[_HIDE] * 2, *[_OPAQUE] * 2, *[_LINKED] * 2, *[_LINK] * 2, b"6", b"3")
)


@dataclass(frozen=True)
class DrawnImage:
    """The archives of an image, the lowest first, and their members for people."""

    layers: list[bytes]
    members: list[list[str]]

    def __repr__(self) -> str:
        return "\n".join(f"layer {number}: {members}" for number, members in enumerate(self.members, start=1))


class _Drawing:
    """What the layers drawn so far have made, so that later ones can refer to it."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw
        self._made: dict[bytes, tuple[bytes, int, tuple[int, int]]] = {}
        self._touched: set[bytes] = set()
        self.members: list[list[str]] = []

    def layer(self) -> bytes:
        """One archive."""
        self._touched = set()
        self.members.append([])
        members = [self._member() for _ in range(self._draw(st.integers(1, 4)))]
        return b"".join(members) + self._draw(st.sampled_from((END, END, b"", bytes(512))))

    def _member(self) -> bytes:
        draw = self._draw
        kind = draw(_kinds)
        if kind == _HIDE:
            path = self._path()
            folder, slash, name = path.rpartition(b"/")
            if not draw(_rarely):
                self._made.pop(path, None)
            return self._written(folder + slash + b".wh." + name, _FILE, 0o600, (0, 0))
        if kind == _OPAQUE:
            folder = draw(st.sampled_from((b"", *sorted(self._folders()))))
            return self._written(folder + b"/.wh..wh..opq" if folder else b".wh..wh..opq", _FILE, 0o600, (0, 0))
        if kind == _LINKED:
            return self._hard_link()
        path = self._path()
        mode, owner = draw(st.sampled_from(_MODES)), draw(st.sampled_from(_OWNERS))
        self._made[path] = (kind, mode, owner)
        content = draw(st.sampled_from(_CONTENTS)) if kind == _FILE else b""
        link = draw(st.sampled_from(_TARGETS)) if kind == _LINK else b""
        return self._written(path, kind, mode, owner, content, link)

    def _hard_link(self) -> bytes:
        draw = self._draw
        files = sorted(path for path, made in self._made.items() if made[0] != _FOLDER)
        target = draw(st.sampled_from(files)) if files and not draw(_rarely) else draw(_new_paths)
        path = self._path()
        made = self._made.get(target, (_FILE, 0o644, (0, 0)))
        if draw(_rarely):
            made = made[0], draw(st.sampled_from(_MODES)), draw(st.sampled_from(_OWNERS))
        self._made[path] = made
        return self._written(path, _LINKED, made[1], made[2], b"", self._spelling(target, is_folder=False))

    def _folders(self) -> set[bytes]:
        folders = {path for path, made in self._made.items() if made[0] == _FOLDER}
        for path in self._made:
            while path := path.rpartition(b"/")[0]:
                folders.add(path)
        return folders

    def _path(self) -> bytes:
        """Somewhere new, below a folder there is, or in the place of something; seldom what the layer touched."""
        draw = self._draw
        folders = sorted(self._folders())
        path = draw(_new_paths)
        choice = draw(st.integers(0, 9))
        if choice < 3 and folders:
            path = draw(st.sampled_from(folders)) + b"/" + draw(_components)
        elif choice < 6 and self._made:
            path = draw(st.sampled_from(sorted(self._made)))
        elif choice == 6 and self._made:
            path = draw(st.sampled_from(sorted(self._made))) + b"/" + draw(_components)
        if path in self._touched and not draw(_rarely):
            path = draw(_new_paths)
        self._touched.add(path)
        return path

    def _spelling(self, path: bytes, *, is_folder: bool) -> bytes:
        draw = self._draw
        if draw(_rarely):
            path = draw(st.sampled_from((b"./", b"/", b".//", b"/./"))) + path
            path = path.replace(b"/", draw(st.sampled_from((b"/", b"//", b"/./"))))
        return path + draw(st.sampled_from((b"/", b"/", b"", b"//", b"/."))) if is_folder else path

    def _written(
        self, path: bytes, kind: bytes, mode: int, owner: tuple[int, int], content: bytes = b"", link: bytes = b""
    ) -> bytes:
        draw = self._draw
        name = self._spelling(path, is_folder=kind == _FOLDER)
        magic = draw(st.sampled_from((USTAR, USTAR, GNU, V7)))
        before = b""
        if len(link) > 100 or (link and draw(_rarely)):
            before += long_name(link, b"K")
        records = (
            [(b"SCHILY.xattr.security.capability", NET_RAW)] if draw(_rarely if kind == _FILE else _seldom) else []
        )
        if len(name) > 100 or draw(_seldom):
            if draw(st.booleans()):
                records.append((b"path", name))
            else:
                before += long_name(name)
        if max(owner) > 8**7 - 1 or draw(_seldom):
            records += [(b"uid", b"%d" % owner[0]), (b"gid", b"%d" % owner[1])]
        before += pax(*records) if records else b""
        if draw(_seldom):
            mode |= _TYPES[kind]
        told = f"{kind.decode()} {name!r} {mode:o} {owner[0]}:{owner[1]} {len(content)} {link!r} {records or ''}"
        self.members[-1].append(told.strip())
        fields = {
            "mode": b"%07o\x00" % mode,
            "uid": b"%07o\x00" % min(owner[0], 8**7 - 1),
            "gid": b"%07o\x00" % min(owner[1], 8**7 - 1),
            **({"major": b"0000001\x00", "minor": b"0000003\x00"} if kind == b"3" and magic != V7 else {}),
        }
        if (kind == _FILE or (magic == V7 and name.endswith(b"/"))) and draw(_seldom):
            kind = b"\x00"
        block = header(name[:100], kind, size=len(content), link=link[:100], magic=magic, **fields)
        return before + block + padded(content)


@st.composite
def images(draw: st.DrawFn) -> DrawnImage:
    """An image of one to four layers. Now and then one of them is damaged."""
    drawing = _Drawing(draw)
    layers = [drawing.layer() for _ in range(draw(st.integers(1, 4)))]
    if draw(_rarely):
        place = draw(st.integers(0, len(layers) - 1))
        layers[place] = damage(draw, layers[place])
        drawing.members[place].append("damaged")
    return DrawnImage(layers, drawing.members)
