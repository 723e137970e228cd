"""What is fetched or decoded when the container starts (H37): by the image's command, or by a script that it names."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType

from config.vocabulary import Gravity
from scanning.facts import Fetch, Fetched, FileFinds, LayerFacts, Weakness
from scanning.files.fetching import fetches
from scanning.hardening.environment import LONGEST_ARGUMENT
from scanning.hardening.filesystem import PROGRAM_FOLDERS
from scanning.layers.filesystem import FileSystem
from scanning.oci.manifest import ImageConfig

_BETWEEN = re.compile(r"[\s;&|\"'()`$<>]+")
_MOST_WORDS = 200
_SAID: Mapping[Fetched, str] = MappingProxyType(
    {
        Fetched.PROGRAM: "fetches a program and runs it",
        Fetched.DECODED: "decodes a program that nobody can read, and runs it",
        Fetched.PACKAGES: "installs packages",
    }
)
_LONGEST_PATH = 4095


def weaknesses(
    config: ImageConfig, tree: FileSystem, layers: Sequence[LayerFacts], told_by: Callable[[str], FileFinds | None]
) -> Iterator[Weakness]:
    """What is fetched. `tree` is the image's, of `layers`; `told_by` gives what the file told that a path leads to."""
    started = (("the command", (*config.entrypoint, *config.command)), ("the health check", config.healthcheck))
    scripts: dict[str, None] = {}
    for what, arguments in started:
        usable = [argument for argument in arguments if len(argument) <= LONGEST_ARGUMENT]
        for fetched in dict.fromkeys(one.what for text in (*usable, " ".join(usable)) for one in fetches(text)):
            yield Weakness("H37", "the image configuration", f"{what} {_SAID[fetched]}", gravity=_gravity(fetched))
        for word in _words(usable):
            scripts |= dict.fromkeys(_places(word, config.working_directory))
    told: set[tuple[str, Fetch]] = set()
    for path in scripts:
        finds = told_by(path)
        if finds is None or not finds.fetches or (reached := tree.resolve(path)) is None:
            continue
        for fetch in finds.fetches:
            if (reached[0], fetch) not in told:
                told.add((reached[0], fetch))
                detail = f"line {fetch.line} {_SAID[fetch.what]}, and the container starts with it"
                layer = layers[reached[1].source.layer].digest
                yield Weakness("H37", reached[0], detail, layer, _gravity(fetch.what))


def _gravity(what: Fetched) -> Gravity | None:
    return Gravity.MEDIUM if what is Fetched.PACKAGES else None


def _words(arguments: Sequence[str]) -> list[str]:
    """What may name a script, the first of them only: nobody writes more."""
    words = (word for argument in arguments for word in _BETWEEN.split(argument, _MOST_WORDS))
    return list(dict.fromkeys(word for word in words if 0 < len(word) <= _LONGEST_PATH))[:_MOST_WORDS]


def _places(word: str, working_directory: str) -> Iterator[str]:
    """Where a script of this name may lie, as the shell and runtimes look for it."""
    if word.startswith("/"):
        yield word
        return
    yield f"{working_directory[:_LONGEST_PATH]}/{word}"
    if "/" not in word:
        yield from (f"{folder}/{word}" for folder in sorted(PROGRAM_FOLDERS))
