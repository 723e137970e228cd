"""Nix packages: the folders of the store (Nix Reference Manual, "Store Path").

    nix/store/HASH-NAME-VERSION[-OUTPUT]        hello-2.12.1, openssl-3.0.14-bin

HASH has 32 characters of Nix' own base 32. The version begins at the first hyphen that no letter follows, as Nix parses
names (`builtins.parseDrvName`). A path without a version is a script, a source or a piece of configuration.
"""

import re

from scanning.facts import Package
from scanning.packages.fields import MAX_NAME_LENGTH

STORE = "nix/store"

_PATH = re.compile(r"[0-9abcdfghijklmnpqrsvwxyz]{32}-(?P<rest>[0-9A-Za-z+._?=-]+)")
_NAME = re.compile(r"(?P<name>.+?)-(?P<version>[^A-Za-z].*)")
_OUTPUT = re.compile(r"-(?:bin|dev|lib|out|doc|devdoc|man|info|static|debug|data|py|dist|tools|modules|drv)$")
_NO_PACKAGE = (".drv", ".lock", ".patch", ".tar.gz", ".tar.xz", ".tar.bz2", ".zip")


def package(folder: str) -> Package | None:
    """The package whose folder in the store is called `folder`; None for everything else that lies there."""
    place = _PATH.fullmatch(folder)
    if place is None or folder.endswith(_NO_PACKAGE):
        return None
    found = _NAME.fullmatch(_OUTPUT.sub("", place["rest"]))
    if found is None or len(found["name"]) > MAX_NAME_LENGTH:
        return None
    name, version = found["name"], found["version"]
    return Package("nix", name, version, name, version, f"{STORE}/{folder}")
