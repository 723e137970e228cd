"""Files that a script fetches and runs later: `curl -o x https://...`, then `chmod +x x`, `./x` or `sh x`."""

import re
from collections.abc import Iterator, Sequence

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
    """What a script has fetched so far, command by command."""

    def __init__(self) -> None:
        self._files: set[str] = set()

    def is_run_by(self, command: str) -> bool:
        """Whether a line of the script runs what this line or one before it has fetched, or lets it be run."""
        if not self._files and "curl" not in command and "wget" not in command:
            return False
        for simple in _BETWEEN.split(command):
            words = [word.strip("\"'") for word in simple.split(maxsplit=_MOST_WORDS)]
            while words and (words[0] in _BEFORE or "=" in words[0] or _is_told_to_a_shell(words)):
                del words[: 2 if _is_told_to_a_shell(words) else 1]
            if not words:
                continue
            if self._files and self._runs(words):
                return True
            for path in _saved(words):
                if len(self._files) < _MOST_FILES and not path.startswith(("-", "/dev/")):
                    self._files.add(path.removeprefix("./"))
        return False

    def _runs(self, words: Sequence[str]) -> bool:
        name, arguments = words[0].rpartition("/")[2], words[1:]
        if name == "chmod":
            return any(map(_RUNNABLE.fullmatch, arguments)) and any(map(self._knows, arguments))
        if name in SHELLS or name in {".", "source"} or INTERPRETERS.fullmatch(name):
            given = next((argument for argument in arguments if not argument.startswith("-")), "")
            return self._knows(given)
        return "/" in words[0] and self._knows(words[0])

    def _knows(self, path: str) -> bool:
        """Whether `path` may be a file that was fetched: it is called so, or lies where no folder was named."""
        return path.removeprefix("./") in self._files or path.rpartition("/")[2] in self._files


def _is_told_to_a_shell(words: Sequence[str]) -> bool:
    """Whether a command follows: `sh -ec`."""
    return len(words) > 1 and words[0].rpartition("/")[2] in SHELLS and words[1][:1] == "-" and words[1][-1] == "c"


def _saved(words: Sequence[str]) -> Iterator[str]:
    """The files that a command saves, if it fetches any."""
    tool = words[0].rpartition("/")[2]
    if tool not in {"curl", "wget"}:
        return
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
