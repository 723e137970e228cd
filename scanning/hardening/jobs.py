"""What runs by itself though the image's command does not say so: jobs of cron, services of an init system (H27).

What packages bring is theirs, as long as it is what they brought. The folders are those that cron (Debian's, cronie,
busybox), inetd, System V's init and systemd read, links followed as these follow them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from config.vocabulary import Gravity
from scanning.facts import EntryKind, LayerFacts, Weakness
from scanning.layers.filesystem import FileSystem, Node

_CRON, _SERVICE = "a job of cron", "a service of the init system"
_FOLDERS = (
    *((folder, _CRON) for folder in ("var/spool/cron", "var/spool/cron/crontabs", "etc/crontabs", "etc/cron.d")),
    *((f"etc/cron.{often}", _CRON) for often in ("hourly", "daily", "weekly", "monthly")),
    *((f"etc/periodic/{often}", _CRON) for often in ("15min", "hourly", "daily", "weekly", "monthly")),
    *((folder, _SERVICE) for folder in ("etc/init.d", "etc/xinetd.d", "etc/systemd/system")),
    *((f"{folder}/systemd/system", _SERVICE) for folder in ("usr/lib", "usr/local/lib")),
)
_FILES = (
    *((path, _CRON) for path in ("etc/crontab", "etc/anacrontab")),
    *((path, _SERVICE) for path in ("etc/rc.local", "etc/inittab", "etc/inetd.conf")),
)
_UNITS = (".service", ".timer", ".socket", ".path")


@dataclass(frozen=True, slots=True)
class Job:
    """A file that is run, or says what is. `path` is where it lies, links followed."""

    path: str
    node: Node
    what: str


def jobs(tree: FileSystem) -> tuple[Job, ...]:
    """Every job and service of an image, each once."""
    return tuple({job.path: job for job in _jobs(tree)}.values())


def weaknesses(
    found: Sequence[Job], layers: Sequence[LayerFacts], is_brought: Callable[[str], bool]
) -> Iterator[Weakness]:
    """Those of `found` that no package brought. A container seldom has an init system, so its services weigh less."""
    for job in found:
        if not is_brought(job.path):
            gravity = Gravity.MEDIUM if job.what is _SERVICE else None
            detail = f"it is {job.what} that no package brought"
            yield Weakness("H27", job.path, detail, layers[job.node.layer].digest, gravity)


def _jobs(tree: FileSystem) -> Iterator[Job]:
    for folder, what in _FOLDERS:
        reached = tree.resolve(folder)
        for name in (reached[1].children or ()) if reached else ():
            if not name.startswith(".") and (not folder.endswith("/system") or name.endswith(_UNITS)):
                yield from _at(tree, f"{folder}/{name}", what)
    for path, what in _FILES:
        yield from _at(tree, path, what)


def _at(tree: FileSystem, path: str, what: str) -> Iterator[Job]:
    reached = tree.resolve(path)
    node = reached[1].source if reached else None
    if reached and node and node.entry and node.entry.kind is EntryKind.FILE and node.entry.size:
        yield Job(reached[0], node, what)
