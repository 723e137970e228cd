"""WordPress plugins: the header of a plugin's main file (WordPress Plugin Handbook, "Header Requirements").

    .../wp-content/plugins/NAME/*.php       Plugin Name: Akismet
                                            Version: 5.3.1
                                            License: GPLv2 or later

A plugin is known by its folder, as WordPress' own directory of plugins knows it.
"""

import re

from scanning.errors import InvalidContentError
from scanning.facts import Package
from scanning.packages.fields import checked_name, checked_version, text_of

TYPE = "wordpress-plugin"
_PLUGIN = re.compile(r"(?:.*/)?wp-content/plugins/(?P<folder>[^/]+)/[^/]+\.php")
_FIELD = re.compile(
    r"^[ \t/*#@]*+(?P<name>Plugin Name|Version|License):(?P<value>[^\n]*)$", re.MULTILINE | re.IGNORECASE
)
_HEADER_CHARACTERS = 8192
"""WordPress looks no further into the file."""


def matches(path: str) -> bool:
    """Whether `path` can be the main file of a plugin."""
    return path.endswith(".php") and "wp-content/plugins/" in path and _PLUGIN.fullmatch(path) is not None


def read(path: str, content: bytes) -> tuple[Package, ...]:
    """The one plugin described; nothing for every other file of a plugin, and for one whose version is no version."""
    place = _PLUGIN.fullmatch(path)
    fields: dict[str, str] = {}
    for found in _FIELD.finditer(text_of(content[:_HEADER_CHARACTERS])):
        fields.setdefault(found["name"].lower(), found["value"].strip(" \t\r*/"))
    if place is None or not fields.get("plugin name") or not fields.get("version"):
        return ()
    try:
        name = checked_name(place["folder"], path)
        version = checked_version(fields["version"], name, path)
    except InvalidContentError:
        return ()  # WordPress runs it all the same, and no advisory could name it
    licence = fields.get("license", "")
    return (Package(TYPE, name, version, name, version, path, licences=(licence,) if licence else ()),)
