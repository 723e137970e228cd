"""Licences that a package's own database does not tell, but a file beside the package.

    usr/share/doc/NAME/copyright                    Debian: machine-readable (DEP 5), or prose that names the texts in
                                                    /usr/share/common-licenses
    var/db/pkg/CATEGORY/NAME-VERSION/LICENSE        Gentoo

Debian's short names are told as SPDX's where both mean the same.
"""

import re
from collections.abc import Iterator
from types import MappingProxyType

from scanning.facts import Package
from scanning.packages import gentoo
from scanning.packages.fields import text_of

MAX_LICENCES = 40
"""Told of one package. Sources put together from hundreds have each file's."""

_COPYRIGHT = re.compile(r"usr/share/doc/[^/]+/copyright")
_DEP5 = re.compile(r"^Format:[^\n]*(?:copyright-format|dep5?)", re.MULTILINE | re.IGNORECASE)
_DEP5_LICENCE = re.compile(r"^License:[ \t]*+(?P<name>[^\s][^\n]{0,200})$", re.MULTILINE | re.IGNORECASE)
_COMMON = re.compile(r"/usr/share/common-licenses/(?P<name>[A-Za-z][A-Za-z0-9.-]*[A-Za-z0-9])")
_PROSE = re.compile(r"[.,;:]?\s.*", re.DOTALL)
_SHORT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9.+/_-]*")
_OR_LATER = re.compile(
    r"(?P<name>A?GPL|LGPL|GFDL)-(?P<version>[0-9](?:\.[0-9])?)(?:\.0)?(?P<later>\+|-or-later|-only)?"
)
_SPDX = MappingProxyType(
    {
        "Artistic": "Artistic-1.0-Perl",
        "Artistic-2": "Artistic-2.0",
        "BSD-2-clause": "BSD-2-Clause",
        "BSD-3-clause": "BSD-3-Clause",
        "BSD-4-clause": "BSD-4-Clause",
        "Expat": "MIT",
        "Apache-2": "Apache-2.0",
        "CC0": "CC0-1.0",
        "MPL-1.1+": "MPL-1.1",
        "zlib": "Zlib",
        "ZLIB": "Zlib",
        "Perl": "Artistic-1.0-Perl OR GPL-1.0-or-later",
    }
)
ENDINGS = ("/copyright", "/LICENSE")
"""How every path ends that `matches`."""
_WORDS = MappingProxyType({"and": "AND", "or": "OR", "with": "WITH"})


def matches(path: str) -> bool:
    """Whether `path` tells the licences of a package."""
    return (path.endswith("/copyright") and _COPYRIGHT.fullmatch(path) is not None) or (
        path.startswith(gentoo.ROOT) and path.endswith("/LICENSE")
    )


def read(path: str, content: bytes) -> tuple[str, ...]:
    """The licences told, each once, in order."""
    text = text_of(content)
    if path.startswith(gentoo.ROOT):
        found: Iterator[str] = iter([" ".join(text.split())[:200]])
    elif _DEP5.search(text[:2000]):
        found = (_spdx(match["name"]) for match in _DEP5_LICENCE.finditer(text))
    else:
        found = (_spdx(match["name"]) for match in _COMMON.finditer(text))
    return tuple(dict.fromkeys(licence for licence in found if licence))[:MAX_LICENCES]


def file_of(package: Package) -> str:
    """Where the licences of `package` are told, "" where no file does."""
    if package.type == "deb":
        return f"usr/share/doc/{package.name}/copyright"
    if package.type == "ebuild":
        return f"{package.path.rpartition('/')[0]}/LICENSE"
    return ""


def _spdx(licence: str) -> str:
    """`licence` in SPDX's words; "" for a sentence, which is no name."""
    words = [_WORDS.get(word.lower()) or _named(word) for word in licence.replace(",", " ").split()]
    exception = words.index("WITH") if "WITH" in words else len(words)
    operators = words[1:exception:2]
    if not all(words) or exception % 2 == 0 or not all(word in _WORDS.values() for word in operators):
        return ""
    return " ".join(words)


def _named(word: str) -> str:
    if _SHORT_NAME.fullmatch(word) is None:
        return ""
    gnu = _OR_LATER.fullmatch(word)
    if gnu is None:
        return _SPDX.get(word, word)
    version = gnu["version"] if "." in gnu["version"] else f"{gnu['version']}.0"
    return f"{gnu['name']}-{version}-{'or-later' if gnu['later'] in ('+', '-or-later') else 'only'}"
