"""Which package installed a file: for naming the package of a tool, never for trusting one.

var/lib/dpkg/info/NAME[:ARCH].list        one path a line, directories among them
var/lib/dpkg/status.d/NAME.md5sums        `digest  path` (distroless)
lib/apk/db/installed                      apk's own database
"""

from collections.abc import Iterable, Iterator
from pathlib import PurePosixPath

from scanning.facts import Ownership
from scanning.packages import apk, dpkg
from scanning.packages.fields import text_of

_LISTS = "var/lib/dpkg/info/"


def matches(path: str) -> bool:
    """Whether `path` tells who owns which files."""
    return (path.startswith(_LISTS) and path.endswith(".list")) or _is_sums(path) or apk.matches(path)


def read(path: str, content: bytes) -> tuple[Ownership, ...]:
    """What the file tells. Raises `InvalidContentError` where it is a database that cannot be understood."""
    if apk.matches(path):
        return apk.ownership(path, content)
    lines = text_of(content).split("\n")
    if _is_sums(path):
        lines = [line.partition("  ")[2] for line in lines]
    package = PurePosixPath(path).stem.partition(":")[0]
    paths = tuple(_files(line.strip().removeprefix("./").removeprefix("/") for line in lines))
    return (Ownership(package, paths),) if package and paths else ()


def _is_sums(path: str) -> bool:
    return path.startswith(dpkg.FRAGMENTS) and path.endswith(".md5sums")


def _files(paths: Iterable[str]) -> Iterator[str]:
    """The paths that are no directory: dpkg lists a directory just before what is in it."""
    previous = ""
    for path in paths:
        if previous not in {"", "."} and not path.startswith(f"{previous}/"):
            yield previous
        previous = path
    if previous not in {"", "."}:
        yield previous
