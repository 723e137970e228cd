"""Lua rocks: the specification that LuaRocks keeps of each installed rock, as Lua source (LuaRocks, "Rockspec format").

.../rocks-5.4/NAME/VERSION/NAME-VERSION.rockspec        package = "lpeg"
                                                        version = "1.1.0-1"

The source is not run. Rockspecs elsewhere belong to sources and are no installation.
"""

import re

from scanning.errors import InvalidContentError
from scanning.facts import Package
from scanning.packages.fields import checked_name, checked_version, text_of

_SPECIFICATION = re.compile(r"(?:.*/)?rocks(?:-[0-9.]+)?/[^/]+/[^/]+/[^/]+\.rockspec")
_FIELD = re.compile(r"""^[ \t]*+(?P<name>package|version)[ \t]*+=[ \t]*+["'](?P<value>[^"'\n]+)["']""", re.MULTILINE)
_LICENCE = re.compile(r"""\blicense[ \t]*+=[ \t]*+["']([^"'\n]{1,100})["']""")


def matches(path: str) -> bool:
    """Whether `path` is the specification of an installed rock."""
    return path.endswith(".rockspec") and _SPECIFICATION.fullmatch(path) is not None


def read(path: str, content: bytes) -> tuple[Package, ...]:
    """The one rock specified. Raises `InvalidContentError` if it has no name or version, or two different ones."""
    text = text_of(content)
    fields: dict[str, str] = {}
    for found in _FIELD.finditer(text):
        if fields.setdefault(found["name"], found["value"]) != found["value"]:
            raise InvalidContentError(f"{path} gives two different values for {found['name']}; reinstall the rock")
    if not fields.get("package") or not fields.get("version"):
        raise InvalidContentError(f"{path} does not say which rock it specifies; reinstall the rock")
    name = checked_name(fields["package"], path)
    version = checked_version(fields["version"], name, path)
    licence = _LICENCE.search(text)
    return (Package("luarocks", name, version, name, version, path, licences=(licence[1],) if licence else ()),)
