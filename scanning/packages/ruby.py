"""Ruby gems: the specification RubyGems keeps of each installed gem, as Ruby source.

    .../specifications/NAME-VERSION[-PLATFORM].gemspec
    .../specifications/default/NAME-VERSION.gemspec        gems that come with Ruby

The source is not run. What RubyGems writes is regular: `s.name = "rake".freeze`, `s.version = "13.0.6"`.
"""

import re

from scanning.errors import InvalidContentError
from scanning.facts import Package
from scanning.packages.fields import checked_name, checked_version, text_of

_SPECIFICATION = re.compile(r"(?:^|.*/)specifications/(?:default/)?[^/]+\.gemspec")
_FIELD = re.compile(
    r"""^[ \t]*+\w++\.(?P<field>name|version|licenses?)[ \t]*+=[ \t]*+(?:Gem::Version\.new\([ \t]*+)?"""
    r"""(?P<value>\[[^\]\n]*\]|["'][^"'\n]*["'])""",
    re.MULTILINE,
)
_TEXT = re.compile(r"""["']([^"'\n]*)["']""")


def matches(path: str) -> bool:
    """Whether `path` is the specification of an installed gem."""
    return path.endswith(".gemspec") and _SPECIFICATION.fullmatch(path) is not None


def read(path: str, content: bytes) -> tuple[Package, ...]:
    """The one gem specified. Raises `InvalidContentError` if it has no name or version, or two different ones."""
    fields: dict[str, tuple[str, ...]] = {}
    for found in _FIELD.finditer(text_of(content)):
        values = tuple(_TEXT.findall(found["value"]))
        if fields.setdefault(found["field"], values) != values and found["field"] in {"name", "version"}:
            raise InvalidContentError(f"{path} gives two different values for {found['field']}; reinstall the gem")
    if not fields.get("name") or not fields.get("version"):
        raise InvalidContentError(f"{path} does not say which gem it specifies; reinstall the gem")
    name = checked_name(fields["name"][0], path)
    version = checked_version(fields["version"][0], name, path)
    licences = fields.get("licenses") or fields.get("license") or ()
    return (Package("gem", name, version, name, version, path, licences=licences),)
