"""What the members of one layer make together, and the combinations that runtimes do not unpack alike.

A layer may mention a name once: created, replaced below, linked to or hidden, never two of these, since the result
would hang on the order or on the runtime. Directories may be repeated unchanged. A hard link has the owner and the
permissions of its file: runtimes set those of the link on both.

    `.wh.NAME`        hides NAME of the layers below (OCI image specification, layer.md, Whiteouts)
    `.wh..wh..opq`    hides whatever the layers below have in its directory, nothing of its own layer; containerd and
                      docker remove, though, what their layer wrote in folders that had no entry yet
"""

from scanning.errors import LimitExceededError, UnreadableLayerError
from scanning.facts import EntryKind, FileEntry
from scanning.layers.limits import InspectionLimits

_WHITEOUT = ".wh."
_OPAQUE = ".wh..wh..opq"


class LayerTree:
    """Collects the members of one layer. Raises `UnreadableLayerError` where they contradict each other."""

    def __init__(self, limits: InspectionLimits) -> None:
        self._limits = limits
        self._path_bytes = 0
        self._created: dict[str, FileEntry | None] = {"": None}  # None: a directory only implied by a path below it
        self._hidden: dict[str, None] = {}
        self._opaque: dict[str, None] = {}
        self._belated: dict[str, None] = {}
        self._linked: set[str] = set()  # hard link targets left to the layers below
        self._above_implied: set[str] = set()  # directories that have, at some depth, one that is only implied
        self._directory = ""  # the last one found to be a directory, which it then stays

    @property
    def entries(self) -> tuple[FileEntry, ...]:
        """What the layer creates, in the order of the archive, whiteouts left out."""
        return tuple(entry for entry in self._created.values() if entry is not None)

    @property
    def whiteouts(self) -> tuple[str, ...]:
        """The paths it hides in the layers below."""
        return tuple(self._hidden)

    @property
    def opaque(self) -> tuple[str, ...]:
        """The directories whose content in the layers below it hides; "" is the root."""
        return tuple(self._opaque)

    @property
    def belated(self) -> tuple[str, ...]:
        """The directories that have their entry only after something in them is created, hidden or linked to."""
        return tuple(self._belated)

    @property
    def whiteout_members(self) -> frozenset[str]:
        """The paths of the whiteouts themselves, as members of the archive."""
        hidden = (path.rpartition("/") for path in self._hidden)
        opaque = (f"{path}/{_OPAQUE}" if path else _OPAQUE for path in self._opaque)
        return frozenset((*(f"{parent}{slash}{_WHITEOUT}{name}" for parent, slash, name in hidden), *opaque))

    def add(self, entry: FileEntry) -> bool:
        """Take the next member. Returns whether it is a file of the layer, not a whiteout."""
        path = entry.path
        self._count(path, entry.link)
        parent, _, name = path.rpartition("/")
        if parent != self._directory:
            self._imply_directory(parent, entry)
            self._directory = parent
        if _WHITEOUT in path and self._is_whiteout(entry, parent, name):
            return False
        if path in self._created:
            return self._repeat(entry)
        if path in self._hidden:
            raise UnreadableLayerError("the layer both creates and hides this path", entry=path)
        if path in self._linked:
            raise UnreadableLayerError("a hard link comes before the file it links to", entry=path)
        if entry.kind is EntryKind.HARDLINK:
            self._link(entry)
        self._created[path] = entry
        return True

    def _count(self, path: str, link: str = "") -> None:
        self._path_bytes += len(path) + len(link)
        if self._path_bytes > self._limits.path_bytes:
            raise LimitExceededError("path_bytes", self._limits.path_bytes, entry=path[:100])

    def _repeat(self, entry: FileEntry) -> bool:
        known = self._created[entry.path]
        if known is None and entry.kind is not EntryKind.DIRECTORY:
            raise UnreadableLayerError(
                f"the layer makes this path a {entry.kind} after writing below it", entry=entry.path
            )
        if entry.kind is not EntryKind.DIRECTORY or (known is not None and known != entry):
            raise UnreadableLayerError("the layer holds this path twice", entry=entry.path)
        if known is None:
            self._belated[entry.path] = None
            del self._created[entry.path]  # to stand where the entry stands
        self._created[entry.path] = entry
        return True

    def _imply_directory(self, path: str, entry: FileEntry) -> None:
        """Make sure that nothing on the way to `entry` is, in this layer, anything but a directory."""
        while path:
            known = self._created.get(path, entry)
            if known is None:
                return
            if known is not entry:
                if known.kind is EntryKind.DIRECTORY:
                    return
                raise UnreadableLayerError(
                    f"the layer writes below {path!r}, which it makes a {known.kind}", entry=entry.path
                )
            if path in self._hidden or path in self._linked:
                raise UnreadableLayerError(
                    f"the layer writes below {path!r}, which it also hides or links to", entry=entry.path
                )
            self._count(path)
            self._created[path] = None
            self._note_implied(path)
            path = path.rpartition("/")[0]

    def _note_implied(self, path: str) -> None:
        while path:
            path = path.rpartition("/")[0]
            if path in self._above_implied:
                return
            self._above_implied.add(path)

    def _is_whiteout(self, entry: FileEntry, parent: str, name: str) -> bool:
        if any(component.startswith(_WHITEOUT) for component in parent.split("/")):
            raise UnreadableLayerError("a path goes through a whiteout", entry=entry.path)
        if not name.startswith(_WHITEOUT):
            return False
        if entry.kind is not EntryKind.FILE or entry.size:
            raise UnreadableLayerError("a whiteout must be an empty regular file", entry=entry.path)
        if name == _OPAQUE:
            if parent in self._above_implied:
                raise UnreadableLayerError(
                    "the layer hides what is below this directory after it wrote into a folder there that has no entry"
                    " of its own: some runtimes then remove that folder",
                    entry=entry.path,
                )
            self._opaque[parent] = None
            return True
        hidden = name.removeprefix(_WHITEOUT)
        if hidden in {"", ".", ".."} or hidden.startswith(_WHITEOUT):
            raise UnreadableLayerError(
                "the whiteout names nothing, a directory itself or aufs's own bookkeeping", entry=entry.path
            )
        path = f"{parent}/{hidden}" if parent else hidden
        if path in self._created or path in self._linked:
            raise UnreadableLayerError("the layer both creates and hides this path", entry=path)
        if path in self._hidden:
            raise UnreadableLayerError("the layer hides this path twice", entry=path)
        self._hidden[path] = None
        return True

    def _link(self, entry: FileEntry) -> None:
        target = entry.link
        if target == entry.path or not target:
            raise UnreadableLayerError("a hard link leads to itself or to the root", entry=entry.path)
        if target.startswith(f"{entry.path}/"):
            raise UnreadableLayerError(f"a hard link takes the place of {target!r}, its own target", entry=entry.path)
        self._imply_directory(target.rpartition("/")[0], entry)
        if target not in self._created:
            if target in self._hidden:
                raise UnreadableLayerError(f"a hard link leads to {target!r}, which the layer hides", entry=entry.path)
            self._linked.add(target)
            return
        known = self._created[target]
        if known is None or known.kind is EntryKind.DIRECTORY:
            raise UnreadableLayerError(f"a hard link leads to the directory {target!r}", entry=entry.path)
        difference = disagreement(entry, known)
        if difference:
            raise UnreadableLayerError(difference, entry=entry.path)


def disagreement(link: FileEntry, target: FileEntry) -> str:
    """How the hard link `link` contradicts its target about owner, permissions and capabilities, "" if not.

    They share them, and runtimes set what the link says on both, which can be setuid root, and stays when the link is
    deleted in a later layer. Symbolic links have no permissions. Most tars do not repeat capabilities.
    """
    if (link.uid, link.gid) != (target.uid, target.gid):
        what = f"is owned by {link.uid}:{link.gid}, and {target.path} by {target.uid}:{target.gid}"
    elif link.mode != target.mode and target.kind is not EntryKind.SYMLINK:
        what = f"has the mode {link.mode:04o}, and {target.path} {target.mode:04o}"
    elif link.capabilities not in {"", target.capabilities}:
        what = f"has {link.capabilities}, and {target.path} {target.capabilities or 'no capabilities'}"
    else:
        return ""
    return f"a hard link {what}: they are one file, and which of the two it gets depends on the runtime"
