"""Java runtimes: the `release` file beside each (JEP 223 and the JDK's own build).

.../jvm/NAME/release, .../openjdk/release       IMPLEMENTOR="Eclipse Adoptium"
                                                JAVA_VERSION="17.0.15"
                                                JAVA_RUNTIME_VERSION="17.0.15+6"
"""

import re

from scanning.facts import Package
from scanning.packages.fields import checked_version, text_of
from scanning.packages.programs import GENERIC

_RELEASE = re.compile(r"(?:.*/)?[^/]*(?:jvm|java|jdk|jre|graal|corretto|zulu|temurin)[^/]*/(?:[^/]+/)?release")
_FIELD = re.compile(r'(?P<name>[A-Z_]+)="?(?P<value>[^"\n]*)"?')
_NAMES = (*(("GraalVM", "graalvm"), ("IBM", "ibm-java"), ("Azul", "zulu"), ("Oracle", "jdk")),)
_OPEN = "openjdk"


def matches(path: str) -> bool:
    """Whether `path` can describe a Java runtime."""
    return path.endswith("/release") and _RELEASE.fullmatch(path) is not None


def read(path: str, content: bytes) -> tuple[Package, ...]:
    """The one runtime described; nothing if it is some other file. Raises `InvalidContentError` for an odd version."""
    fields = {
        found["name"]: found["value"].strip() for found in map(_FIELD.fullmatch, text_of(content).splitlines()) if found
    }
    version = fields.get("JAVA_RUNTIME_VERSION") or fields.get("JAVA_VERSION", "")
    if not version or "JAVA_VERSION" not in fields:
        return ()
    version = checked_version(version, _OPEN, path)
    implementor = " ".join(fields.get(key, "") for key in ("IMPLEMENTOR", "GRAALVM_VERSION"))
    name = (
        "graalvm"
        if "GRAALVM_VERSION" in fields
        else next((name for word, name in _NAMES if word in implementor), _OPEN)
    )
    return (Package(GENERIC, name, version, name, version, path, architecture=fields.get("OS_ARCH", "")),)
