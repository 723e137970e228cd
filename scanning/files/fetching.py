"""Commands that fetch a program and run it, at once (`curl https://... | sh`) or by way of a file (`downloads`), or
make one of what nobody can read (`decoding`). And those that install packages.

Whatever they bring when a container starts was not in the image, or not to be seen, so nobody has inspected it.
"""

import re
from collections.abc import Iterator

from scanning.facts import Fetch, Fetched
from scanning.files import decoding
from scanning.files.downloads import INTERPRETERS, SHELLS, Downloads

_BEFORE = frozenset({"sudo", "env", "exec", "nohup", "command", "time"})
_DOWNLOADERS = re.compile(r"(?<![\w./-])(?:/\S{0,100}/)?(?:curl|wget)(?=\s)")
_ENDS = re.compile(r"&&|[;&\n]")
_SUBSTITUTED = re.compile(
    r"(?:(?<![\w./-])(?:/\S{0,100}/)?(?:ba|da|a|z|k)?sh(?:\s+-\S{1,20}){0,4}|\beval|\bsource|(?:^|[\s;&])\.)\s{1,20}"
    r"[\"']?(?:\$\(|<\(|`)\s{0,20}(?:curl|wget)\s"
)
_INSTALLED = re.compile(
    r"(?<![\w./-])(?:apt-get|apt|apk|yum|dnf|microdnf|zypper|pip3?|npm|yarn|gem)(?:\s+-\S{1,200}){0,8}\s+(?:install|add|ci)(?=\s|$)"
)
_WORDS = (b"curl", b"wget", b"install", b"apk", b"yarn", b"npm")
_LONGEST = 4096
"""Characters of one command that are looked at."""
_MOST_WORDS = 8
_MOST_LINES = 100_000


def may_fetch(script: bytes) -> bool:
    """Whether it is worth to read a script with `fetches`."""
    return any(word in script for word in _WORDS) or decoding.may_decode_bytes(script)


def fetches(text: str) -> tuple[Fetch, ...]:
    """What `text`, a command or a script, fetches to run it: the first of each kind, with its line from 1."""
    found: dict[Fetched, Fetch] = {}
    downloads = Downloads()
    is_worth_it = _names_a_downloader(text) or decoding.may_decode(text)
    for number, command in _commands(text):
        for what in (*_run_at_once(command), *downloads.run_by(command)) if is_worth_it else ():
            found.setdefault(what, Fetch(what, number))
        if Fetched.PACKAGES not in found and _may_install(command) and _INSTALLED.search(command):
            found[Fetched.PACKAGES] = Fetch(Fetched.PACKAGES, number)
    return tuple(found.values())


def _names_a_downloader(text: str) -> bool:
    """Whether `_DOWNLOADERS` or `_SUBSTITUTED` may find something."""
    return "curl" in text or "wget" in text


def _may_install(command: str) -> bool:
    """Whether `_INSTALLED` may find something."""
    return "install" in command or "add" in command or "ci" in command


def _commands(text: str) -> Iterator[tuple[int, str]]:
    """The lines that are no comment, those put together that a backslash continues, and where each begins."""
    whole, begin = "", 0
    for number, line in enumerate(text.split("\n", _MOST_LINES)[:_MOST_LINES], start=1):
        begin = begin or number
        if not whole and line.lstrip().startswith("#"):
            begin = 0
            continue
        is_continued = line.endswith("\\")
        if len(whole) < _LONGEST:
            whole += line[: _LONGEST - len(whole)].removesuffix("\\") + " "
        if not is_continued:
            yield begin, whole
            whole, begin = "", 0
    if whole:
        yield begin, whole


def _run_at_once(command: str) -> Iterator[Fetched]:
    """What a line runs that it fetches or decodes itself."""
    may_fetch, may_decode = _names_a_downloader(command), decoding.may_decode(command)
    if may_fetch and _SUBSTITUTED.search(command):
        yield Fetched.PROGRAM
    if may_decode and decoding.is_substituted(command):
        yield Fetched.DECODED
    if may_fetch or may_decode:
        yield from _piped(command)


def _piped(command: str) -> Iterator[Fetched]:
    """What pipes lead to something that runs it. What was fetched is that, also where it is decoded on its way."""
    source: Fetched | None = None
    for part in command.replace("||", ";").split("|"):
        if source and _runs_its_input(part):
            yield source
        last = _ENDS.split(part)[-1]
        if last != part:
            source = None
        if _DOWNLOADERS.search(f" {last}"):
            source = Fetched.PROGRAM
        elif source is None and decoding.DECODERS.search(f" {last}"):
            source = Fetched.DECODED


def _runs_its_input(command: str) -> bool:
    words = _ENDS.split(command.lstrip("& "), maxsplit=1)[0].split(maxsplit=_MOST_WORDS)
    while words and (words[0] in _BEFORE or "=" in words[0] or words[0].startswith("-")):
        del words[0]
    name, arguments = (words[0].rpartition("/")[2].strip("\"')`"), words[1:]) if words else ("", [])
    if name in SHELLS:
        return "-c" not in arguments
    return INTERPRETERS.fullmatch(name) is not None and (not arguments or arguments[0] == "-")
