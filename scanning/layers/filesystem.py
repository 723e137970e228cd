"""Layers laid over each other: the tree a container would see (OCI image specification, layer.md, Applying Changesets).

    directories around these              take the place of what is no directory, if their entries come first
    opaque directories, then whiteouts    take away what lower layers have
    entries                               a directory over a directory keeps its content; anything else replaces

Runtimes differ on what happens below a symbolic link of an earlier layer: some write where it leads, some replace
it. Such layers are refused. Those that hide everything in the root are too: as a layer of the overlay file system,
as containerd, docker and podman use it, they hide nothing. What one layer says twice was refused when it was read.
"""

from collections.abc import Iterator, Sequence

from scanning.facts import EntryKind, FileEntry, LayerFacts, LayerRefusal
from scanning.layers.tree import disagreement

MAX_STEPS = 4_000_000
"""Components followed through the links of one image: a few seconds. Links can be nested to take for ever."""

_MAX_LINKS = 40  # as Linux, path_resolution(7)


class Node:
    """One path of the tree. `entry` is None for a directory that is only implied by what is in it."""

    __slots__ = ("children", "entry", "layer", "source")

    def __init__(self, entry: FileEntry | None, layer: int, source: "Node | None" = None) -> None:
        self.entry = entry
        self.layer = layer
        self.source: Node = source or self
        """Whose content it has: the file itself, or the one a hard link was made to."""
        is_directory = entry is None or entry.kind is EntryKind.DIRECTORY
        self.children: dict[str, Node] | None = {} if is_directory else None

    @property
    def kind(self) -> EntryKind:
        """What it is, hard links followed."""
        entry = self.source.entry
        return entry.kind if entry else EntryKind.DIRECTORY


class FileSystem:
    """The tree of the layers applied so far."""

    def __init__(self) -> None:
        self.root = Node(None, 0)
        self._refusals: dict[str, LayerRefusal] = {}
        self._steps_left = MAX_STEPS
        self._layers: list[LayerFacts] = []
        self._directories: dict[str, Node] = {"": self.root}
        self._walked: tuple[tuple[str, Node], ...] | None = None

    def apply(self, layer: LayerFacts) -> None:
        """Lay `layer` over what is there."""
        self._walked = None
        index = len(self._layers)
        self._layers.append(layer)
        self._make_way(layer, index)
        for path in layer.opaque:
            self._clear(path)
        for path in layer.whiteouts:
            self._hide(path)
        for entry in layer.entries:
            self._add(entry, index)

    @property
    def refusals(self) -> tuple[LayerRefusal, ...]:
        """Where runtimes would not agree on the tree: one for each obstacle."""
        return tuple(self._refusals.values())

    @property
    def problems(self) -> tuple[str, ...]:
        """What keeps the tree from being looked at to its end."""
        too_many = f"its symbolic links take more than {MAX_STEPS} steps to follow"
        return () if self._steps_left > 0 else (too_many,)

    def _make_way(self, layer: LayerFacts, index: int) -> None:
        """Add the directories that something is hidden in, where their own entries come first.

        Where a container replaced a link by a directory, docker and buildah write that directory, and then that all
        below it is hidden.
        """
        around = set(layer.opaque)
        for hidden in (*layer.opaque, *layer.whiteouts):
            path = hidden
            while (path := path.rpartition("/")[0]) and path not in around:
                around.add(path)
        around.difference_update(layer.belated)
        if around:
            for entry in layer.entries:
                if entry.kind is EntryKind.DIRECTORY and entry.path in around:
                    self._add(entry, index)

    def _clear(self, path: str) -> None:
        if not path:
            if self.root.children:
                self._refuse(
                    path,
                    "the layer hides everything in the root, and runtimes disagree on the result: on an overlay file"
                    " system all of it stays; delete the files one by one, or leave the layers below out",
                )
            return
        directory = self._find(path, f"hides everything in {path}")
        if directory is not None and self._is_directory(path, directory, f"hides everything in {path}"):
            directory.children = {}
            self._forget_directories()

    def _hide(self, path: str) -> None:
        parent, _, name = path.rpartition("/")
        directory = self._find(parent, f"hides {path}")
        if directory is None or not self._is_directory(parent, directory, f"hides {path}"):
            return
        hidden = (directory.children or {}).pop(name, None)
        if hidden is not None and hidden.children is not None:
            self._forget_directories()

    def _find(self, path: str, action: str) -> Node | None:
        """The node at `path`, None if there is none or if something on the way is no directory."""
        node = self.root
        steps = path.split("/") if path else []
        for depth, step in enumerate(steps):
            if not self._is_directory("/".join(steps[:depth]), node, action):
                return None
            child = (node.children or {}).get(step)
            if child is None:
                return None
            node = child
        return node

    def _add(self, entry: FileEntry, index: int) -> None:
        path = entry.path
        if not path:
            self.root.entry, self.root.layer = entry, index
            return
        parent, _, name = path.rpartition("/")
        children = self._directory(parent, path, index)
        if children is None:
            return
        present = children.get(name)
        if entry.kind is EntryKind.DIRECTORY and present is not None and present.children is not None:
            present.entry, present.layer = entry, index
            return
        source = None
        if entry.kind is EntryKind.HARDLINK:
            source = self._link_target(entry)
            if source is None:
                return
        if entry.kind is EntryKind.CHARACTER_DEVICE and present is not None:
            self._complain(f"puts a character device, for some runtimes a deletion, at {path}", path, present)
        children[name] = Node(entry, index, source)
        if present is not None and present.children is not None:
            self._forget_directories()

    def _directory(self, path: str, whole: str, index: int) -> dict[str, Node] | None:
        """The content of the directory `path`, made where it is missing; None if something else is in the way."""
        known = self._directories.get(path)
        if known is None:
            parent, _, name = path.rpartition("/")
            siblings = self._directory(parent, whole, index)
            if siblings is None:
                return None
            known = siblings.get(name)
            if known is None:
                known = siblings[name] = Node(None, index)
            if known.children is None:
                self._is_directory(path, known, f"writes {whole}")
                return None
            self._directories[path] = known
        return known.children

    def _link_target(self, entry: FileEntry) -> Node | None:
        action = f"makes {entry.path} a hard link to {entry.link}"
        target = self._find(entry.link, action)
        if target is None or target.children is not None:
            self._refuse(entry.link, f"the layer {action}, where no layer has put a file")
            return None
        file = target.source.entry
        difference = disagreement(entry, file) if file else ""
        if difference:
            self._refuse(entry.path, difference)
        return target.source

    def _forget_directories(self) -> None:
        self._directories = {"": self.root}

    def _is_directory(self, path: str, node: Node, action: str) -> bool:
        """Whether the last layer may go through `path`; where it may not, that is a problem."""
        if node.children is None:
            self._complain(action, path, node)
        return node.children is not None

    def _complain(self, action: str, obstacle: str, node: Node) -> None:
        earlier = self._layers[node.layer].digest
        self._refuse(
            obstacle,
            f"the layer {action}, and runtimes disagree on the result, because {obstacle} is a {node.kind} of layer"
            f" {earlier}",
        )

    def _refuse(self, entry: str, reason: str) -> None:
        self._refusals.setdefault(entry, LayerRefusal(self._layers[-1].digest, reason, entry))

    def at(self, path: str) -> Node | None:
        """What stands at `path`, or the link in the way there; None if nothing does."""
        node = self.root
        for step in path.split("/"):
            child = node.children.get(step) if node.children is not None else None
            if child is None:
                return node if node.kind is EntryKind.SYMLINK else None
            node = child
        return node

    def resolve(self, path: str) -> tuple[str, Node] | None:
        """Where `path` leads with every symbolic link followed, as in the container; None if nowhere."""
        todo = path.split("/")[::-1]
        trail: list[tuple[str, Node]] = []
        links = 0
        while todo:
            if self._steps_left <= 0:
                return None
            self._steps_left -= 1
            step = todo.pop()
            node = trail[-1][1] if trail else self.root
            if step in {"", "."}:
                continue
            if step == "..":
                if trail:
                    trail.pop()
                continue
            child = node.children.get(step) if node.children is not None else None
            if child is None:
                return None
            if child.kind is not EntryKind.SYMLINK:
                trail.append((step, child))
                continue
            links += 1
            target = child.source.entry.link if child.source.entry else ""
            if links > _MAX_LINKS or not target:
                return None
            if target.startswith("/"):
                trail.clear()
            todo.extend(target.split("/")[::-1])
        return "/".join(step for step, _ in trail), trail[-1][1] if trail else self.root

    def walk(self) -> Sequence[tuple[str, Node]]:
        """Every path with its node, implied directories included, the root left out. Walked once for all who ask."""
        if self._walked is None:
            self._walked = tuple(self._walk())
        return self._walked

    def _walk(self) -> Iterator[tuple[str, Node]]:
        todo = [("", self.root)]
        while todo:
            prefix, directory = todo.pop()
            for name, node in (directory.children or {}).items():
                path = f"{prefix}{name}" if node.entry is None else node.entry.path
                yield path, node
                if node.children is not None:
                    todo.append((f"{path}/", node))
