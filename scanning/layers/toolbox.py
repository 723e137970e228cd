"""One tool, told once: by its name, by its content, by its package, and under every link that leads to it.

Tools of one kind that come from one package are one; so are those whose content is the same file. What speaks for
them is the strongest evidence (content, then name), under the name people know best. An applet is told at the link
that leads to it, and at the program that holds it if there is none.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from config.vocabulary import ToolKind
from scanning.facts import Evidence, Package, Tool
from scanning.files.tools import is_multicall, packaged, preference
from scanning.layers.survivors import Survivor

_STRENGTH = (Evidence.CONTENT, Evidence.PATH, Evidence.APPLET, Evidence.PACKAGE)


@dataclass(frozen=True, slots=True)
class _Sighting:
    tool: Tool
    owner: Package | None

    @property
    def rank(self) -> tuple[int, int, bool, str]:
        tool = self.tool
        called = tool.path.rpartition("/")[2]
        return _STRENGTH.index(tool.evidence), preference(tool.name), called != tool.name, tool.path


def gather(
    survivors: Sequence[Survivor], packages: Sequence[Package], owner_of: Callable[[str], Package | None]
) -> tuple[Tool, ...]:
    """The tools of an image, by kind and path. `owner_of` tells the package that owns a path."""
    seen = [survivor for survivor in survivors if survivor.finds.tools]
    groups: dict[tuple[ToolKind, str], list[_Sighting]] = {}
    for survivor in seen:
        owner = owner_of(survivor.path)
        if owner is None and not is_multicall(survivor.target):  # busybox is not to go because of a link to it
            owner = owner_of(survivor.target)
        holds_applets = any(tool.evidence is Evidence.APPLET for tool in survivor.finds.tools)
        for tool in survivor.finds.tools:
            if holds_applets:
                owner = None  # nor because of what it holds: its links and its applets are the same tool
            key = tool.kind, f"package {_title(owner)}" if owner else survivor.target
            groups.setdefault(key, []).append(_Sighting(replace(tool, layer=survivor.layer), owner))
    found = [min(group, key=lambda sighting: sighting.rank) for group in groups.values()]
    _add_packaged(found, packages)
    tools = (replace(one.tool, package=_title(one.owner) if one.owner else "") for one in found)
    return tuple(sorted(tools, key=lambda tool: (list(ToolKind).index(tool.kind), tool.path, tool.name)))


def _title(package: Package) -> str:
    return f"{package.name} {package.version}"


def _add_packaged(found: list[_Sighting], packages: Iterable[Package]) -> None:
    """Add tools that packages are installed for and that no file gave away: renamed, or taken apart."""
    known = {(one.tool.kind, one.owner.source_name) for one in found if one.owner}
    for package in packages:
        for kind, name in packaged(package.type, package.name):
            if (kind, package.source_name) not in known:
                known.add((kind, package.source_name))
                tool = Tool(kind, name, package.path, Evidence.PACKAGE, layer=package.layer)
                found.append(_Sighting(tool, package))
