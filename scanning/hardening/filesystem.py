"""Checks of the files a container would see."""

import re
from collections.abc import Iterator, Sequence

from scanning.facts import EntryKind, FileEntry, LayerFacts, Weakness
from scanning.layers.filesystem import FileSystem, Node

PROGRAM_FOLDERS = frozenset({"bin", "sbin", "usr/bin", "usr/sbin", "usr/local/bin", "usr/local/sbin"})
"""Where programs are found though no PATH names the folder."""
FOR_EVERYBODY = 0o002
STICKY = 0o1000

_SET_ID = 0o6000
_LIBRARIES = frozenset({"lib", "lib64", "usr/lib", "usr/lib64", "usr/local/lib"})
_SETTLED_FOLDERS = PROGRAM_FOLDERS | _LIBRARIES | {"etc"}
_SETTLED = re.compile(
    r"etc/(?:passwd|shadow|group|gshadow|sudoers|crontab|profile|environment|ld\.so\.(?:preload|conf|cache)"
    r"|(?:sudoers|cron|pam|profile|init|ld\.so\.conf)\.d/[^/]+)"
)
"""What decides who is who and what runs."""
_OF_BASE_IMAGES = frozenset(
    # What login, passwd, mount, util-linux, PAM and shadow install on Debian, Ubuntu, Alpine and Red Hat's family.
    (
        *("chage", "chfn", "chsh", "expiry", "gpasswd", "newgidmap", "newgrp", "newuidmap", "passwd"),
        *("bbsuid", "mount", "su", "umount", "userhelper", "utempter", "wall", "write"),
        *("pam_timestamp_check", "unix_chkpwd"),
    )
)
_PLACES_OF_BASE_IMAGES = re.compile(r"(?:usr/)?s?bin|usr/lib(?:exec|64)?(?:/.*)?")
"""Where they install it. Elsewhere the name says nothing."""
_DEVICES = frozenset({EntryKind.BLOCK_DEVICE, EntryKind.CHARACTER_DEVICE})
_HARMLESS_DEVICES = re.compile(r"dev/(?:null|zero|full|random|urandom|tty|console|ptmx|stdin|stdout|stderr)")
_KEYS = ("authorized_keys", "authorized_keys2")
_PRELOADED = "etc/ld.so.preload"
_ENDS_OF_LETTING_IN = (*(f"/{name}" for name in _KEYS), "/.ssh", _PRELOADED)
_LETS_IN = (
    (
        re.compile(r"(?:root|home/[^/]+|etc/(?:ssh|dropbear)|(?:.+/)?\.ssh)(?:/\.ssh)?/authorized_keys2?"),
        "keys that may log in",
    ),
    (re.compile(r"etc/ld\.so\.preload"), "libraries that every program loads first"),
)


def weaknesses(tree: FileSystem, layers: Sequence[LayerFacts]) -> Iterator[Weakness]:
    """What the files make easier for an attacker. `tree` is the image's, of `layers`."""
    folder = tree.at("etc")
    if folder is not None and folder.kind is EntryKind.SYMLINK:
        yield from _behind_links(tree, _PRELOADED, layers)
    for path, node in tree.walk():
        entry = node.source.entry
        if entry is None or not _is_remarkable(path, node, entry):
            continue
        for check, detail in (*_rights(path, entry), *_capable(node), *_intruders(path, entry)):
            yield Weakness(check, path, detail, layers[node.layer].digest)
        if node.kind is EntryKind.SYMLINK and path.endswith(_ENDS_OF_LETTING_IN):
            for name in (f"{path}/{key}" for key in _KEYS) if path.endswith("/.ssh") else (path,):
                yield from _behind_links(tree, name, layers)


def _is_remarkable(path: str, node: Node, entry: FileEntry) -> bool:
    """Whether a check could find anything: asked of every path, nearly none of which is."""
    return bool(
        (entry.mode & (_SET_ID | FOR_EVERYBODY) and entry.kind is not EntryKind.SYMLINK)
        or entry.kind in _DEVICES
        or entry.capabilities
        or (node.entry is not None and node.entry.capabilities)
        or path.endswith(_ENDS_OF_LETTING_IN)
    )


def _rights(path: str, entry: FileEntry) -> Iterator[tuple[str, str]]:
    folder, _, name = path.rpartition("/")
    mode = f"its mode is {entry.mode:04o}"
    is_file, is_folder = entry.kind is EntryKind.FILE, entry.kind is EntryKind.DIRECTORY
    is_of_base = name in _OF_BASE_IMAGES and _PLACES_OF_BASE_IMAGES.fullmatch(folder)
    if is_file and entry.mode & _SET_ID and not is_of_base:
        yield "H16", f"{mode}, its owner {entry.uid}:{entry.gid}"
    if is_file and entry.mode & FOR_EVERYBODY and (folder in PROGRAM_FOLDERS or _SETTLED.fullmatch(path)):
        yield "H24", mode
    if is_folder and entry.mode & FOR_EVERYBODY and not entry.mode & STICKY and path in _SETTLED_FOLDERS:
        yield "H24", mode
    is_harmless = entry.kind is EntryKind.CHARACTER_DEVICE and _HARMLESS_DEVICES.fullmatch(path)
    if entry.kind in _DEVICES and not is_harmless:
        yield "H24", f"it is a {entry.kind}"


def _capable(node: Node) -> Iterator[tuple[str, str]]:
    """A hard link shares its file's attributes, and runtimes set those that either entry names."""
    if node.kind is EntryKind.FILE:
        entries = (entry for entry in (node.entry, node.source.entry) if entry is not None)
        found = dict.fromkeys(entry.capabilities for entry in entries if entry.capabilities)
        if found:
            yield "H17", f"it has {' and '.join(found)}"


def _behind_links(tree: FileSystem, path: str, layers: Sequence[LayerFacts]) -> Iterator[Weakness]:
    """What lets somebody in under a name that symbolic links give it."""
    reached = tree.resolve(path)
    if reached and (entry := reached[1].source.entry):
        for check, detail in _intruders(path, entry):
            yield Weakness(check, path, detail, layers[reached[1].source.layer].digest)


def _intruders(path: str, entry: FileEntry) -> Iterator[tuple[str, str]]:
    if entry.kind is EntryKind.FILE and entry.size:
        yield from (("H27", f"it holds {what}") for pattern, what in _LETS_IN if pattern.fullmatch(path))
