"""What a system says of itself: which distribution it is (os-release(5)) and whom it knows (passwd(5), shadow(5))."""

import re
from collections.abc import Sequence

from scanning.facts import Account, OsRelease
from scanning.packages.fields import text_of

ACCOUNTS = "etc/passwd"
PASSWORDS = "etc/shadow"

OS_RELEASES = ("etc/os-release", "usr/lib/os-release")
VARIANTS = "usr/lib/os.release.d/"  # where Fedora's usr/lib/os-release leads

_ASSIGNMENT = re.compile(r"([A-Z][A-Z0-9_]*)=(.*)")
_ESCAPED = re.compile(r"\\([$\"'\\`])")
_ID = re.compile(r"[a-z0-9._-]+")
_MAX_LENGTH = 200
_NUMBER = re.compile(r"[+-]?[0-9]{1,18}")
_MAX_UID = 0xFFFF_FFFF
_PASSWD_FIELDS = 7  # shadow(5) has more


def is_read_as(path: str, what: str) -> bool:
    """Whether `path` is read as `what`, ACCOUNTS or PASSWORDS: there, and in folders that links lead to from there, as
    Nix makes them.
    """
    return path == what or path.endswith(f"/{what}")


def is_os_release(path: str) -> bool:
    """Whether `path` can say which distribution this is."""
    return path in OS_RELEASES or path.startswith(VARIANTS)


def read_os_release(path: str, content: bytes) -> OsRelease:
    """What it says. Lines that are no assignment are skipped and the last one counts, as a shell would have it."""
    values = {}
    for line in text_of(content).splitlines():
        found = _ASSIGNMENT.fullmatch(line.strip())
        if found:
            values[found[1]] = _unquoted(found[2])[:_MAX_LENGTH]
    name = values.get("ID", "linux")  # os-release(5): what it is called that has no ID
    return OsRelease(
        id=name if _ID.fullmatch(name) else "linux",
        version_id=values.get("VERSION_ID", ""),
        codename=values.get("VERSION_CODENAME", ""),
        pretty_name=values.get("PRETTY_NAME", ""),
        path=path,
    )


def _unquoted(value: str) -> str:
    for quote in ('"', "'"):
        if len(value) >= 2 and value[0] == value[-1] == quote:
            value = value[1:-1]
            break
    return _ESCAPED.sub(r"\1", value)


def read_passwd(content: bytes) -> tuple[Account, ...]:
    """The accounts, in order, as runtimes read them (moby/sys/user, which docker, containerd and podman look up USER
    with): blanks around a line do not count, a uid that is missing or no number is 0, and of a large one 32 bits count.
    """
    lines = (line.strip() for line in text_of(content).split("\n"))
    return tuple(Account(parts[0], _uid(parts)) for line in lines if (parts := line.split(":")) and parts[0])


def _uid(parts: Sequence[str]) -> int:
    return int(parts[2]) & _MAX_UID if len(parts) > 2 and _NUMBER.fullmatch(parts[2]) else 0


def read_open_accounts(content: bytes) -> tuple[str, ...]:
    """The accounts of passwd(5) or shadow(5) whose password is empty: whoever names one is logged in."""
    fields = (line.split(":") for line in text_of(content).splitlines())
    return tuple(parts[0] for parts in fields if len(parts) >= _PASSWD_FIELDS and is_name(parts[0]) and not parts[1])


def is_name(name: str) -> bool:
    """Whether a line of this name is an account, and no comment or reference to a directory service (`+`, `-`)."""
    return name[:1] not in {"", "+", "-", "#"}
