"""Checks of the files a container would see."""

import re
from collections.abc import Iterator, Sequence

from scanning.facts import EntryKind, FileEntry, LayerFacts, Weakness
from scanning.layers.filesystem import FileSystem, Node

_SET_ID = 0o6000
_FOR_EVERYBODY = 0o002
_STICKY = 0o1000

_PROGRAM_FOLDERS = frozenset({"bin", "sbin", "usr/bin", "usr/sbin", "usr/local/bin", "usr/local/sbin"})
_OF_BASE_IMAGES = frozenset(
    # What login, passwd, mount, util-linux, PAM and shadow install on Debian, Ubuntu, Alpine and Red Hat's family.
    (
        *("chage", "chfn", "chsh", "expiry", "gpasswd", "newgidmap", "newgrp", "newuidmap", "passwd"),
        *("bbsuid", "mount", "su", "umount", "userhelper", "utempter", "wall", "write"),
        *("pam_timestamp_check", "unix_chkpwd"),
    )
)
_DEVICES = frozenset({EntryKind.BLOCK_DEVICE, EntryKind.CHARACTER_DEVICE})
_HARMLESS_DEVICES = re.compile(r"dev/(?:null|zero|full|random|urandom|tty|console|ptmx|stdin|stdout|stderr)")
_CRONTABS = "var/spool/cron/"
_ENDS_OF_LETTING_IN = ("/authorized_keys", "/authorized_keys2", "etc/ld.so.preload")
_LETS_IN = (
    (re.compile(r"(?:root|home/[^/]+|(?:.+/)?\.ssh)(?:/\.ssh)?/authorized_keys2?"), "keys that may log in"),
    (re.compile(r"etc/ld\.so\.preload"), "libraries that every program loads first"),
    (re.compile(r"var/spool/cron/(?:crontabs/)?[^/.][^/]*"), "a crontab of a user"),
)


def weaknesses(tree: FileSystem, layers: Sequence[LayerFacts]) -> Iterator[Weakness]:
    """What the files make easier for an attacker. `tree` is the image's, of `layers`."""
    for path, node in tree.walk():
        entry = node.source.entry
        if entry is None or not _is_remarkable(path, node, entry):
            continue
        for check, detail in (*_rights(path, entry), *_capable(node), *_intruders(path, entry)):
            yield Weakness(check, path, detail, layers[node.layer].digest)


def _is_remarkable(path: str, node: Node, entry: FileEntry) -> bool:
    """Whether a check could find anything: asked of every path, nearly none of which is."""
    return bool(
        entry.mode & (_SET_ID | _FOR_EVERYBODY)
        or entry.kind in _DEVICES
        or entry.capabilities
        or (node.entry is not None and node.entry.capabilities)
        or path.endswith(_ENDS_OF_LETTING_IN)
        or path.startswith(_CRONTABS)
    )


def _rights(path: str, entry: FileEntry) -> Iterator[tuple[str, str]]:
    folder, _, name = path.rpartition("/")
    mode = f"its mode is {entry.mode:04o}"
    is_file, is_folder = entry.kind is EntryKind.FILE, entry.kind is EntryKind.DIRECTORY
    if is_file and entry.mode & _SET_ID and name not in _OF_BASE_IMAGES:
        yield "H16", f"{mode}, its owner {entry.uid}:{entry.gid}"
    if is_file and entry.mode & _FOR_EVERYBODY and folder in _PROGRAM_FOLDERS:
        yield "H24", mode
    if is_folder and entry.mode & _FOR_EVERYBODY and not entry.mode & _STICKY and path in _PROGRAM_FOLDERS:
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


def _intruders(path: str, entry: FileEntry) -> Iterator[tuple[str, str]]:
    if entry.kind is EntryKind.FILE and entry.size:
        yield from (("H27", f"it holds {what}") for pattern, what in _LETS_IN if pattern.fullmatch(path))
