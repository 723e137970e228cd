"""Files that a script fetches or decodes, and runs later: `curl -o x https://...`, then `chmod +x x`, `./x`, `sh x`."""

import re
from collections.abc import Iterator, Sequence

from scanning.facts import Fetched
from scanning.files import decoding

SHELLS = frozenset({"sh", "bash", "dash", "ash", "zsh", "ksh"})
INTERPRETERS = re.compile(r"(?:python|perl|ruby|node|php)[0-9.]*")

_BEFORE = frozenset({"sudo", "env", "exec", "nohup", "command", "time", "if", "then", "else", "do", "!", "{"})
_BETWEEN = re.compile(r"[;&|\n()`]+")
_ADDRESS = re.compile(r"(?:https?|ftp)://[^/\s]{1,300}/(?:[^?#\s]{0,2000}/)?([^/?#\s]{1,200})")
_RUNNABLE = re.compile(r"[ugoa]{0,4}[+=][rwxst]{0,5}x[rwxst]{0,5}|[0-7]{0,3}[1357][0-7]{0,3}")
_MOST_WORDS = 200
_MOST_FILES = 64
"""Of the files that one script fetches, so many are known; nobody writes more."""


class Downloads:
    """What a script has fetched or decoded so far, command by command."""

    def __init__(self) -> None:
        self._files: dict[str, Fetched] = {}

    def run_by(self, command: str) -> Iterator[Fetched]:
        """What a line of the script runs, or lets be run, that this line or one before it has fetched or decoded."""
        if not self._files and "curl" not in command and "wget" not in command and not decoding.may_decode(command):
            return
        for simple in _BETWEEN.split(command):
            words = [word.strip("\"'") for word in simple.split(maxsplit=_MOST_WORDS)]
            while words and (words[0] in _BEFORE or "=" in words[0] or _is_told_to_a_shell(words)):
                del words[: 2 if _is_told_to_a_shell(words) else 1]
            if not words:
                continue
            if self._files:
                yield from self._run(words)
            for what, path in _saved(words):
                if len(self._files) < _MOST_FILES and not path.startswith(("-", "/dev/")):
                    self._files.setdefault(path.removeprefix("./"), what)

    def _run(self, words: Sequence[str]) -> Iterator[Fetched]:
        name, arguments = words[0].rpartition("/")[2], words[1:]
        if name == "chmod":
            paths: Sequence[str] = arguments if any(map(_RUNNABLE.fullmatch, arguments)) else ()
        elif name in SHELLS or name in {".", "source"} or INTERPRETERS.fullmatch(name):
            paths = [argument for argument in arguments if not argument.startswith("-")][:1]
        else:
            paths = words[:1] if "/" in words[0] else ()
        yield from filter(None, map(self._kept, paths))

    def _kept(self, path: str) -> Fetched | None:
        """What the file at `path` may be: it is called so, or lies where no folder was named."""
        return self._files.get(path.removeprefix("./")) or self._files.get(path.rpartition("/")[2])


def _is_told_to_a_shell(words: Sequence[str]) -> bool:
    """Whether a command follows: `sh -ec`."""
    return len(words) > 1 and words[0].rpartition("/")[2] in SHELLS and words[1][:1] == "-" and words[1][-1] == "c"


def _saved(words: Sequence[str]) -> Iterator[tuple[Fetched, str]]:
    """The files that a command saves, if it fetches or decodes any."""
    tool = words[0].rpartition("/")[2]
    if tool in {"curl", "wget"}:
        yield from ((Fetched.PROGRAM, path) for path in _fetched(tool, words))
    elif tool in decoding.TOOLS and decoding.DECODERS.match(" ".join((tool, *words[1:]))):
        yield from ((Fetched.DECODED, path) for path in _written(words))


def _written(words: Sequence[str]) -> Iterator[str]:
    """The files that a command writes its output to."""
    for word, following in zip(words, (*words[1:], ""), strict=True):
        if word.startswith(">"):
            yield word.lstrip(">") or following
        elif word == "-out":
            yield following


def _fetched(tool: str, words: Sequence[str]) -> Iterator[str]:
    """The files that a download tool saves."""
    letter = "o" if tool == "curl" else "O"
    is_named = False
    by_address = tool == "wget"
    for word, following in zip(words, (*words[1:], ""), strict=True):
        path = ""
        if word.startswith(">"):
            path = word.lstrip(">") or following
        elif word.startswith(("--output=", "--output-document=")):
            path = word.partition("=")[2]
        elif word in {"--output", "--output-document"}:
            path = following
        elif word.startswith("-") and not word.startswith("--") and letter in word:
            path = word.partition(letter)[2] or following
        elif word.startswith("--remote-name") or (word.startswith("-") and not word.startswith("--") and "O" in word):
            by_address = True
        if path:
            is_named = True
            yield path
    if by_address and not is_named:
        yield from (found[1] for word in words if (found := _ADDRESS.match(word)))
