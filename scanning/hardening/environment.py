"""Checks of the environment that programs get from the image configuration: what they load, and where they are found.

LD_PRELOAD, LD_AUDIT            libraries that every program loads first (ld.so(8))
NODE_OPTIONS, BASH_ENV ...      code that every program of one language runs first
PATH                            folders that everybody may write to, or may make
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from config.vocabulary import Gravity
from scanning.facts import EntryKind, LayerFacts, Weakness
from scanning.hardening.filesystem import FOR_EVERYBODY, PROGRAM_FOLDERS, STICKY
from scanning.layers.filesystem import FileSystem, Node
from scanning.oci.manifest import ImageConfig

_LIBRARIES = ("LD_PRELOAD", "LD_AUDIT")
_SEPARATORS = re.compile(r"[\s:]+")
_LIBRARY_FOLDERS = tuple(
    f"{folder}{machine}"
    for folder in ("lib", "usr/lib", "usr/local/lib", "lib64", "usr/lib64")
    for machine in ("", "/x86_64-linux-gnu", "/aarch64-linux-gnu")
)
"""Where a library without a folder is looked for, more or less: it depends on the machine."""
_RUN_FIRST = {
    "BASH_ENV": re.compile(r"\S"),
    "ENV": re.compile(r"/"),  # a file for sh; others name an environment so: ENV=production
    "PROMPT_COMMAND": re.compile(r"\S"),
    "PYTHONSTARTUP": re.compile(r"\S"),
    "NODE_OPTIONS": re.compile(r"(?:^|\s)(?:-r|--require|--import|--loader|--experimental-loader)\b"),
    "PERL5OPT": re.compile(r"(?:^|\s)-[A-Za-z]*[mM]"),
    "RUBYOPT": re.compile(r"(?:^|\s)-[A-Za-z]*r"),
    **dict.fromkeys(
        ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS"), re.compile(r"-(?:javaagent|agentpath|agentlib):")
    ),
}
_WINDOWS = "windows"
_SHOWN = 200
LONGEST_ARGUMENT = 128 * 1024 - 1
"""Of one entry, or word of a command: Linux starts no program with a longer one (MAX_ARG_STRLEN, execve(2))."""


@dataclass(frozen=True, slots=True)
class Preload:
    """A library that the variable `name` has every program load, and where it lies, links followed; `path` is "" if
    that cannot be told.
    """

    name: str
    library: str
    path: str


def preloads(config: ImageConfig, tree: FileSystem) -> tuple[Preload, ...]:
    """Every library that the environment has loaded. `tree` is the image's."""
    environment = _environment(config)
    named = ((name, library) for name in _LIBRARIES for value in environment.get(name, ()) for library in _named(value))
    return tuple(Preload(name, library, _place(library, tree)) for name, library in dict.fromkeys(named))


def weaknesses(
    preloaded: Iterable[Preload],
    config: ImageConfig,
    tree: FileSystem,
    layers: Sequence[LayerFacts],
    is_brought: Callable[[str], bool],
) -> Iterator[Weakness]:
    """What the environment, with the libraries `preloaded` by it, makes easier for an attacker. `tree` is the image's,
    of `layers`; `is_brought` tells whether a package installed a file of it as it is. No value is told that is not a
    path.
    """
    for one in preloaded:
        yield _loaded_first(one, is_brought)
    environment = _environment(config)
    for name, pattern in _RUN_FIRST.items():
        if any(map(pattern.search, environment.get(name, ()))):
            yield Weakness("H27", f"env {name}", "it has code run before that of a program", gravity=Gravity.MEDIUM)
    paths = environment.get("PATH", ()) if config.platform.os != _WINDOWS else ()
    for folder in dict.fromkeys(folder for path in paths for folder in path.split(":")):
        yield from _searched(folder, tree, layers)


def _environment(config: ImageConfig) -> Mapping[str, Sequence[str]]:
    """All values of each name: some runtimes keep the last alone, others hand on all, of which Node and Python take the
    first and a shell the last.
    """
    values: dict[str, list[str]] = {}
    for entry in config.environment:
        if len(entry) <= LONGEST_ARGUMENT:
            name, _, value = entry.partition("=")
            values.setdefault(name, []).append(value)
    return values


def _named(value: str) -> Iterable[str]:
    return dict.fromkeys(filter(None, _SEPARATORS.split(value)))


def _loaded_first(one: Preload, is_brought: Callable[[str], bool]) -> Weakness:
    gravity = Gravity.LOW if one.path and is_brought(one.path) else None
    detail = f"every program loads {one.library[:_SHOWN]} first, which {'a' if gravity else 'no'} package brought"
    return Weakness("H27", f"env {one.name}", detail, gravity=gravity)


def _place(library: str, tree: FileSystem) -> str:
    places = (library,) if "/" in library else tuple(f"{folder}/{library}" for folder in _LIBRARY_FOLDERS)
    reached = next(filter(None, map(tree.resolve, places)), None)
    return reached[0] if reached and reached[1].kind is EntryKind.FILE else ""


def _searched(folder: str, tree: FileSystem, layers: Sequence[LayerFacts]) -> Iterator[Weakness]:
    shown = folder[:_SHOWN]
    if not folder.startswith("/"):
        detail = f"{shown!r} in it means the folder a program is started in, whatever that is"
        yield Weakness("H24", "env PATH", detail, gravity=Gravity.MEDIUM)
        return
    path = folder.strip("/")
    reached = tree.resolve(path)
    if reached is None:
        above = _nearest(path, tree)
        if above is not None and _mode(above[1]) & FOR_EVERYBODY:
            detail = f"{shown} in it is not there, and everybody may make it in /{above[0]}"
            yield Weakness("H24", "env PATH", detail, layers[above[1].layer].digest, Gravity.MEDIUM)
    elif reached[0] not in PROGRAM_FOLDERS and reached[1].children is not None:
        mode = _mode(reached[1])
        if mode & FOR_EVERYBODY:
            detail = f"it is in PATH, and its mode is {mode:04o}"
            gravity = Gravity.MEDIUM if mode & STICKY else None
            yield Weakness("H24", reached[0], detail, layers[reached[1].layer].digest, gravity)


def _nearest(path: str, tree: FileSystem) -> tuple[str, Node] | None:
    """The folder that is there of those on the way to `path`, which is not; None for the root, or if it is none."""
    steps = path.split("/")
    nearest = None
    for depth in range(1, len(steps)):
        reached = tree.resolve("/".join(steps[:depth]))
        if reached is None:
            break
        nearest = reached
    return nearest if nearest and nearest[1].children is not None else None


def _mode(folder: Node) -> int:
    return folder.entry.mode if folder.entry else 0
