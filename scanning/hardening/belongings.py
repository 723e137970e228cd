"""Checks of what belongs to whom: executables that are nobody's (H21), files that are not what their package installed
(H22), programs that are not what the approved base image brought (H35).
"""

from collections.abc import Iterable, Iterator

from config.vocabulary import Gravity
from scanning.facts import ChangedFile, ReplacedFile, UnownedFile, Weakness
from scanning.oci.digest import Digest

_NAMED = 3
"""Files named of those that lie in one folder of one layer."""


def unowned_weaknesses(files: Iterable[UnownedFile]) -> Iterator[Weakness]:
    """H21, told once for the files that one layer brings to one folder."""
    groups: dict[tuple[str, Digest], list[str]] = {}
    for file in files:
        folder, _, name = file.path.rpartition("/")
        groups.setdefault((folder, file.layer), []).append(name)
    for (folder, layer), names in groups.items():
        where = f"{folder}/{names[0]}" if len(names) == 1 and folder else folder or names[0]
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        detail = "it belongs to no package"
        if len(names) > 1:
            detail = f"{len(names)} executables belong to no package ({', '.join(names[:_NAMED])}{more})"
        yield Weakness("H21", where, detail, layer)


def changed_weaknesses(files: Iterable[ChangedFile]) -> Iterator[Weakness]:
    """H22: of less gravity for configuration, which is made to be changed."""
    for file in files:
        gravity = Gravity.INFO if file.is_configuration else None
        yield Weakness("H22", file.path, f"it is not what {file.package} installed there", file.layer, gravity)


def replaced_weaknesses(files: Iterable[ReplacedFile], base: str) -> Iterator[Weakness]:
    """H35, in the layer that put something else in the place of a program of `base`."""
    for file in files:
        now = f"its sha256 is {file.sha256[:12]}" if file.sha256 else "it is no program"
        detail = f"{now} and not {file.before[:12]} as in {base}, and no newer package brought it"
        yield Weakness("H35", file.path, detail, file.ended_by)
