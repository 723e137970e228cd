"""Patterns over repository names, tags and package URLs: anchored, and matched in bounded time whatever they hold.

    team/app        that repository alone
    team/*          `*`: any run of characters inside one part      team/app, not team/app/debug
    team/app-*      ... also beside other characters                team/app-1
    team/**         `**`: any number of parts, none included        team, team/app, team/app/debug

A tag pattern has `*` alone, for any run of characters: `v*`, `*-rc*`.

A purl pattern takes the same wildcards in namespace and name, and `*` in version and qualifiers. What it
leaves out (a version, a qualifier) may be anything. Names are normalised as the purl specification says for
the type. In place of a version may stand a range of them (`config.version_ranges`).

    pkg:deb/debian/openssl@3.*       pkg:npm/@angular/*       pkg:pypi/**       pkg:deb/**?arch=amd64
    pkg:deb/debian/openssl@>=3.0.15|<4

Compiled patterns use atomic groups: a literal is sought once, left to right, and never given back, so no
pattern can make matching explode. The leftmost place is always good enough: what follows it can only profit
from more room.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import groupby, islice, pairwise
from types import MappingProxyType
from typing import ClassVar, Self, TypeVar
from urllib.parse import unquote

from packageurl import normalize_name, normalize_namespace

from config.errors import InvalidPatternError
from config.version_ranges import VersionRange
from config.versions import InvalidVersionError
from config.written import WrittenValue

MAX_PATTERN_LENGTH = 512
MAX_TIES = 100
"""Of the patterns of one document, so many are told."""

_ANY = "*"
_ANY_PARTS = "**"
_REPOSITORY_PART = re.compile(r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*")
_TAG = re.compile(r"[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}")
_PURL_TYPE = re.compile(r"[a-z][a-z0-9.-]*")
_Symbol = TypeVar("_Symbol")
_MAX_STEPS = 5_000_000
"""A second, about."""


def is_repository_name(text: str) -> bool:
    """Whether `text` is a repository name, without wildcards."""
    return 0 < len(text) <= MAX_PATTERN_LENGTH and all(map(_REPOSITORY_PART.fullmatch, text.split("/")))


@dataclass(frozen=True, slots=True)
class _Pattern(WrittenValue):
    """What all kinds share."""

    called: ClassVar[str] = "pattern"
    longest: ClassVar[int] = MAX_PATTERN_LENGTH


@dataclass(frozen=True, slots=True)
class RepositoryPattern(_Pattern):
    """Which repositories a rule, waiver or grant is about. Raises `InvalidPatternError`.

    `specificity` orders patterns that match the same name, greatest first: more literal characters, then more
    parts, then fewer `**`, then fewer `*`. A pattern that covers less than another is never less specific.
    """

    specificity: tuple[int, int, int, int] = field(init=False, repr=False, compare=False)
    _parts: tuple[str, ...] = field(init=False, repr=False, compare=False)
    _compiled: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_length(self.text, "repository pattern")
        parts = tuple(self.text.split("/"))
        _check_any_parts(self.text, parts)
        for part in parts:
            if part != _ANY_PARTS and _REPOSITORY_PART.fullmatch(part.replace(_ANY, "x")) is None:
                raise InvalidPatternError(
                    f"the repository pattern {self.text!r} can never match: {part!r} is no part of a repository"
                    " name (lower-case letters and digits, . _ or - between them; * and ** are wildcards)"
                )
        literals = "".join(part for part in parts if part != _ANY_PARTS).replace(_ANY, "")
        several = parts.count(_ANY_PARTS)
        stars = self.text.count(_ANY) - 2 * several
        object.__setattr__(self, "specificity", (len(literals), len(parts) - several, -several, -stars))
        object.__setattr__(self, "_parts", parts)
        object.__setattr__(self, "_compiled", re.compile(_path_expression(parts)))

    def matches(self, name: str) -> bool:
        """Whether the whole of `name`, a repository name, is covered."""
        return bool(name) and self._compiled.fullmatch(f"{name}/") is not None

    def overlaps(self, other: "RepositoryPattern") -> bool:
        """Whether there is a name that both cover."""
        return _overlap(self._parts, other._parts, _ANY_PARTS, _parts_overlap)


def most_specific(patterns: Iterable[RepositoryPattern], repository: str) -> RepositoryPattern | None:
    """The most specific of the patterns that match `repository`; None if none does."""
    matching = (pattern for pattern in patterns if pattern.matches(repository))
    return max(matching, key=lambda pattern: pattern.specificity, default=None)


def ambiguous_pairs(
    patterns: Iterable[RepositoryPattern],
) -> list[tuple[RepositoryPattern, RepositoryPattern]]:
    """The pairs that leave open which is meant: equally specific, and a name in common. Repeats are pairs.

    They are the first `MAX_TIES` of them. Raises `InvalidPatternError` where so many are so alike that it takes too
    long to tell.
    """

    def rank(pattern: RepositoryPattern) -> tuple[int, int, int, int]:
        return pattern.specificity

    steps = _Steps()
    groups = groupby(sorted(patterns, key=rank, reverse=True), key=rank)
    pairs = (pair for _, equals in groups for pair in _alike(tuple(equals), steps))
    return list(islice(((one, other) for one, other in pairs if steps.overlap(one, other)), MAX_TIES))


class _Steps:
    """What may still be done to find ties."""

    def __init__(self) -> None:
        self._left = _MAX_STEPS

    def overlap(self, one: RepositoryPattern, other: RepositoryPattern) -> bool:
        """Whether they overlap, which takes as many steps as the table has fields."""
        self.take(len(one.text) * len(other.text), one, other)
        return one.overlaps(other)

    def take(self, count: int, one: RepositoryPattern, other: RepositoryPattern) -> None:
        """Take `count` steps, to compare these two. Raises `InvalidPatternError` if there are no more."""
        self._left -= count
        if self._left < 0:
            raise InvalidPatternError(
                f"there are too many patterns as alike as {one} and {other} to tell which of them tie; write fewer, or"
                " let them begin in different ways"
            )


def _alike(
    patterns: Sequence[RepositoryPattern], steps: _Steps
) -> Iterator[tuple[RepositoryPattern, RepositoryPattern]]:
    """The pairs that are alike before their first and behind their last wildcard, in the order given: others have no
    name in common. With slashes around it, `a/**` begins as `a` does, which it covers.
    """
    written = [f"/{one.text}/" for one in patterns]
    ends = [(text.partition(_ANY)[0], text.rpartition(_ANY)[2]) for text in written]
    by_start = sorted(range(len(patterns)), key=lambda index: (ends[index][0], index))
    for place, index in enumerate(by_start):
        start, end = ends[index]
        for following in islice(by_start, place + 1, None):
            steps.take(1, patterns[index], patterns[following])
            other_start, other_end = ends[following]
            if not other_start.startswith(start):
                break
            if other_end.endswith(end) or end.endswith(other_end):
                yield patterns[min(index, following)], patterns[max(index, following)]


@dataclass(frozen=True, slots=True)
class TagPattern(_Pattern):
    """Which tags a rule is about. Raises `InvalidPatternError`."""

    _compiled: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_length(self.text, "tag pattern")
        if _TAG.fullmatch(self.text.replace(_ANY, "x")) is None:
            raise InvalidPatternError(
                f"the tag pattern {self.text!r} can never match: a tag has letters, digits, _ . and -, does not start"
                " with . or -, and has at most 128 characters (* is a wildcard)"
            )
        object.__setattr__(self, "_compiled", re.compile(_expression(self.text, ".")))

    def matches(self, tag: str) -> bool:
        """Whether the whole of `tag` is covered."""
        return self._compiled.fullmatch(tag) is not None


@dataclass(frozen=True, slots=True)
class FilePattern(_Pattern):
    """Which files of an image a check is about, by their paths from the root, without the leading slash. Raises
    `InvalidPatternError`.
    """

    _compiled: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_length(self.text, "file pattern")
        parts = tuple(self.text.split("/"))
        _check_any_parts(self.text, parts)
        if not all(parts) or not {".", ".."}.isdisjoint(parts):
            raise InvalidPatternError(
                f"the file pattern {self.text!r} can never match: paths start at the root, without a slash before or"
                " after them, as in srv/app/** (* and ** are wildcards)"
            )
        object.__setattr__(self, "_compiled", re.compile(_path_expression(parts), re.DOTALL))

    def matches(self, path: str) -> bool:
        """Whether the whole of `path` is covered."""
        return bool(path) and self._compiled.fullmatch(f"{path}/") is not None


@dataclass(frozen=True, slots=True)
class PurlPattern(_Pattern):
    """Which packages a check is about. Raises `InvalidPatternError`."""

    _type: str = field(init=False, repr=False, compare=False)
    _path: re.Pattern[str] = field(init=False, repr=False, compare=False)
    _version: re.Pattern[str] | VersionRange | None = field(init=False, repr=False, compare=False)
    _qualifiers: Mapping[str, re.Pattern[str]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        _check_length(self.text, "purl pattern")
        if "%2a" in self.text.lower():
            raise InvalidPatternError(f"the purl pattern {self.text!r} holds %2A: write *, it covers the character too")
        purl = _Purl.split(self.text)
        if purl is None or _PURL_TYPE.fullmatch(purl.type) is None or "#" in self.text:
            raise InvalidPatternError(
                f"{self.text!r} is not a purl pattern: write pkg:TYPE/NAMESPACE/NAME@VERSION, for example"
                " pkg:deb/debian/openssl@3.* or pkg:npm/**; the type is in lower case and has no wildcard"
            )
        _check_any_parts(self.text, purl.path)
        is_range = VersionRange.is_one(purl.written_version)
        plain = (*purl.qualifiers.values(), *(() if is_range else (purl.version,)))
        if any(_ANY_PARTS in value for value in plain):
            raise InvalidPatternError(f"the purl pattern {self.text!r} has ** outside its namespace and name: write *")
        *namespace, name = (_normalised(part, purl.type, position) for position, part in _positions(purl.path))
        values = {key: re.compile(_expression(value, "."), re.DOTALL) for key, value in purl.qualifiers.items()}
        version: re.Pattern[str] | VersionRange | None = None
        if is_range:
            version = VersionRange.parse(purl.written_version, purl.type)
        elif purl.version:
            version = re.compile(_expression(purl.version, "."), re.DOTALL)
        object.__setattr__(self, "_type", purl.type)
        object.__setattr__(self, "_path", re.compile(_path_expression((*namespace, name))))
        object.__setattr__(self, "_version", version)
        object.__setattr__(self, "_qualifiers", MappingProxyType(values))

    def matches(self, purl: str) -> bool:
        """Whether `purl`, in its canonical form, is covered. What is no purl is not, nor is a version that cannot be
        compared with the pattern's range.
        """
        return self._covers(purl, in_doubt=False)

    def may_match(self, purl: str) -> bool:
        """The same, but a version that cannot be compared is covered: for what must not slip through."""
        return self._covers(purl, in_doubt=True)

    def _covers(self, purl: str, *, in_doubt: bool) -> bool:
        if not purl.startswith(f"pkg:{self._type}/"):
            return False
        package = _split(purl)
        return (
            package is not None
            and self._path.fullmatch("/".join(package.path) + "/") is not None
            and all(
                value.fullmatch(package.qualifiers.get(key, "")) is not None for key, value in self._qualifiers.items()
            )
            and self._covers_version(package, in_doubt=in_doubt)
        )

    def _covers_version(self, package: "_Purl", *, in_doubt: bool) -> bool:
        match self._version:
            case None:
                return True
            case VersionRange() as versions:
                try:
                    return versions.holds(package.whole_version)
                except InvalidVersionError:
                    return in_doubt
            case expression:
                return expression.fullmatch(package.version) is not None


@dataclass(frozen=True, slots=True)
class _Purl:
    """The components of a purl, decoded. In `path` a decoded `/` stays escaped: it separates nothing.
    `written_version` is the version as it was before.
    """

    type: str
    path: tuple[str, ...]
    version: str
    written_version: str
    qualifiers: Mapping[str, str]

    @property
    def whole_version(self) -> str:
        """The version to compare by: the epoch of an rpm package is a qualifier of its purl."""
        epoch = self.qualifiers.get("epoch") if self.type == "rpm" else None
        return f"{epoch}:{self.version}" if epoch else self.version

    @classmethod
    def split(cls, text: str) -> Self | None:
        """Take `text` apart from the right, as the purl specification says; None if a part is missing."""
        scheme, colon, rest = text.partition(":")
        rest, _, query = rest.partition("#")[0].partition("?")
        type_, slash, rest = rest.partition("/")
        path, at, version = rest.rpartition("@")
        if not at or not path or path.endswith("/"):  # the @ of an npm scope written as it is
            path, version = rest, ""
        parts = tuple(unquote(part).replace("%", "%25").replace("/", "%2F") for part in path.split("/"))
        if scheme != "pkg" or not colon or not slash or not all(parts):
            return None
        pairs = (pair.partition("=") for pair in query.split("&") if pair)
        return cls(type_, parts, unquote(version), version, {key.lower(): unquote(value) for key, _, value in pairs})


def _split(purl: str) -> _Purl | None:
    """`_Purl.split` for those who ask again and again: every pattern of a policy asks of every package."""
    return _split_before(purl) if len(purl) <= MAX_PATTERN_LENGTH else _Purl.split(purl)


@lru_cache(maxsize=1 << 12)
def _split_before(purl: str) -> _Purl | None:
    return _Purl.split(purl)


def _positions(path: Sequence[str]) -> Iterable[tuple[str, str]]:
    return ((("name" if index == len(path) else "namespace"), part) for index, part in enumerate(path, start=1))


def _normalised(part: str, type_: str, position: str) -> str:
    """`part` as the purl specification spells it for the type, its wildcards kept."""
    literals = part.split(_ANY)
    if position == "name":
        return _ANY.join(normalize_name(text, None, type_, encode=None) or "" for text in literals)
    return _ANY.join(normalize_namespace(text, type_, encode=None) or "" for text in literals)


def _check_length(text: str, what: str) -> None:
    if not 0 < len(text) <= MAX_PATTERN_LENGTH:
        raise InvalidPatternError(f"a {what} has 1 to {MAX_PATTERN_LENGTH} characters, not {len(text)}")


def _check_any_parts(text: str, parts: Sequence[str]) -> None:
    if any(_ANY_PARTS in part and part != _ANY_PARTS for part in parts):
        raise InvalidPatternError(f"in the pattern {text!r} ** stands beside other characters: between slashes alone")
    if any(one == other == _ANY_PARTS for one, other in pairwise(parts)):
        raise InvalidPatternError(f"in the pattern {text!r} ** follows **: one is enough")


def _expression(text: str, character: str) -> str:
    """The regular expression of one component, where `character` says what a wildcard runs over."""
    if text == _ANY:
        return f"{character}+"
    first, *rest = (re.escape(literal) for literal in text.split(_ANY))
    if not rest:
        return first
    sought = "".join(f"(?>{character}*?{literal})" for literal in rest[:-1])
    return f"{first}{sought}{character}*{rest[-1]}"


def _path_expression(parts: Sequence[str]) -> str:
    """The regular expression of a path whose parts each end in a slash."""
    runs = [""]
    for part in parts:
        if part == _ANY_PARTS:
            runs.append("")
        else:
            runs[-1] += _expression(part, "[^/]") + "/"
    first, *rest = runs
    if not rest:
        return first
    sought = "".join(f"(?>(?:[^/]+/)*?{run})" for run in rest[:-1])
    return f"{first}{sought}(?:[^/]+/)*{rest[-1]}"


def _parts_overlap(one: str, other: str) -> bool:
    return _overlap(one, other, _ANY, str.__eq__)


def _overlap(
    one: Sequence[_Symbol], other: Sequence[_Symbol], run: _Symbol, meet: Callable[[_Symbol, _Symbol], bool]
) -> bool:
    """Whether two patterns have a sequence in common; `run` is any sequence, `meet` compares the others.

    A table over the tails of both, filled from the ends: length of one x length of the other steps.
    """
    below = [True]
    for symbol in reversed(other):
        below.append(below[-1] and symbol == run)
    for left in reversed(one):
        row = [below[0] and left == run]
        for column, right in enumerate(reversed(other), start=1):
            if run in (left, right):
                row.append(below[column] or row[column - 1])
            else:
                row.append(below[column - 1] and meet(left, right))
        below = row
    return below[-1]


EVERY_REPOSITORY = RepositoryPattern(_ANY_PARTS)
"""What a token or a rule is about that is for all of them."""
