"""The one advisory format, OSV (Open Source Vulnerability schema 1.x), read into values that cannot be wrong.

Strict in what matching rests on (id, package, ranges, events, versions), deaf to the rest: OSV is extensible.
Ranges of git commits say nothing of an installed version and are left out.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

from packaging.utils import canonicalize_name
from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
)

from scanning.advisories.moments import in_utc
from scanning.errors import InvalidContentError

MAX_RECORD_BYTES = 16 * 1024 * 1024
"""The largest record read, in bytes. The largest real ones, which list every version, stay under 2 MiB."""

_MAX_SUMMARY = 300
_NO_SECURITY = re.compile(r"(?:AL|RH|RL)(?:BA|EA)-")
_ERRATA = ("ALSA-", "RHSA-", "RLSA-")
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:@+-]{0,199}")


class Bound(StrEnum):
    """What happens at a version of a range (OSV, affected[].ranges[].events)."""

    INTRODUCED = "introduced"
    FIXED = "fixed"
    LAST_AFFECTED = "last_affected"
    LIMIT = "limit"


@dataclass(frozen=True, slots=True)
class Event:
    """One end of an interval of affected versions. `introduced` "0" is before every version."""

    bound: Bound
    version: str


@dataclass(frozen=True, slots=True)
class Rating:
    """How bad one source says it is. `system`: CVSS_V3, CVSS_V4, a distribution, `urgency`, `severity`."""

    system: str
    score: str


@dataclass(frozen=True, slots=True)
class Affected:
    """One package an advisory speaks of.

    `ecosystem` is OSV's word (`Debian`), `release` what follows its colon (`12`), "" where nothing does.
    `package` is the name as advisories key it: the source package for distributions, normalised (PEP 503)
    for PyPI.
    """

    ecosystem: str
    release: str
    package: str
    ranges: tuple[tuple[Event, ...], ...] = ()
    versions: tuple[str, ...] = ()
    ratings: tuple[Rating, ...] = ()


@dataclass(frozen=True, slots=True)
class Advisory:
    """One OSV record. `aliases` name the same vulnerability, `upstream` what this record passes on."""

    id: str
    modified: datetime
    aliases: tuple[str, ...] = ()
    upstream: tuple[str, ...] = ()
    related: tuple[str, ...] = ()
    summary: str = ""
    withdrawn: datetime | None = None
    ratings: tuple[Rating, ...] = ()
    affected: tuple[Affected, ...] = ()

    @property
    def is_security(self) -> bool:
        """Whether it is about a vulnerability: distributions publish bug fixes and enhancements as errata too."""
        return not _NO_SECURITY.match(self.id)


def _none_is_empty(value: object) -> object:
    return () if value is None else value


def _ids(names: tuple[str, ...]) -> tuple[str, ...]:
    # Real records carry stray commas; a name that is none only costs a merge of two findings.
    cleaned = (name.strip(" ,;") for name in names)
    return tuple(name for name in cleaned if _ID.fullmatch(name))


def _plain(text: str) -> str:
    if not text.isprintable():
        raise ValueError("holds characters that cannot be printed")
    return text


_Text = Annotated[str, Field(min_length=1, max_length=1024), BeforeValidator(lambda text: _plain(str(text)))]
_Id = Annotated[str, Field(pattern=f"^{_ID.pattern}$")]
_Ids = Annotated[tuple[str, ...], BeforeValidator(_none_is_empty), AfterValidator(_ids)]


class _Document(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Event(_Document):
    introduced: _Text | None = None
    fixed: _Text | None = None
    last_affected: _Text | None = None
    limit: _Text | None = None


class _Range(_Document):
    type: str
    events: tuple[_Event, ...]


class _Package(_Document):
    ecosystem: _Text
    name: _Text


class _Affected(_Document):
    package: _Package | None = None
    ranges: Annotated[tuple[_Range, ...], BeforeValidator(_none_is_empty)] = ()
    versions: Annotated[tuple[_Text, ...], BeforeValidator(_none_is_empty)] = ()
    severity: Any = None
    ecosystem_specific: Any = None
    database_specific: Any = None


class _Record(_Document):
    id: _Id
    modified: AwareDatetime
    withdrawn: AwareDatetime | None = None
    aliases: _Ids = ()
    upstream: _Ids = ()
    related: _Ids = ()
    summary: str | None = None
    severity: Any = None
    database_specific: Any = None
    affected: Annotated[tuple[_Affected, ...], BeforeValidator(_none_is_empty)] = ()


def parse(document: bytes) -> Advisory:
    """Read one OSV record, withdrawn or not. Raises `InvalidContentError` saying what is wrong with it."""
    if len(document) > MAX_RECORD_BYTES:
        raise InvalidContentError(f"the OSV record has {len(document)} bytes; at most {MAX_RECORD_BYTES} are read")
    try:
        record = _Record.model_validate_json(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "the document"
        raise InvalidContentError(f"not an OSV record: {place}: {first['msg']}") from error
    return Advisory(
        id=record.id,
        modified=in_utc(record.modified),
        aliases=record.aliases,
        upstream=(*record.upstream, *_cured(record)),
        related=record.related,
        summary=_one_line(record.summary or ""),
        withdrawn=record.withdrawn,
        ratings=(
            *_scores(record.severity),
            *_word("severity", record.database_specific),
            *_announced(record.id, record.summary or ""),
        ),
        affected=tuple(_affected(entry, entry.package) for entry in record.affected if entry.package),
    )


def package_name(ecosystem: str, name: str) -> str:
    """The name under which an ecosystem's advisories are kept: PyPI's are normalised (PEP 503)."""
    return canonicalize_name(name) if ecosystem == "PyPI" else name


def _affected(entry: _Affected, package: _Package) -> Affected:
    ecosystem, _, release = package.ecosystem.partition(":")
    return Affected(
        ecosystem=ecosystem,
        release=release,
        package=package_name(ecosystem, package.name),
        ranges=tuple(_events(range_.events) for range_ in entry.ranges if range_.type in ("ECOSYSTEM", "SEMVER")),
        versions=entry.versions,
        ratings=(
            *_scores(entry.severity),
            *_word("urgency", entry.ecosystem_specific),
            *_word("severity", entry.ecosystem_specific),
            *_word("severity", entry.database_specific),
        ),
    )


def _events(events: Sequence[_Event]) -> tuple[Event, ...]:
    found: list[Event] = []
    for event in events:
        bounds = [Event(bound, version) for bound in Bound if (version := getattr(event, bound.value))]
        if not bounds:
            raise InvalidContentError(
                "not an OSV record: an event names none of introduced, fixed, last_affected and limit"
            )
        found += bounds
    if not any(event.bound is Bound.INTRODUCED for event in found):
        raise InvalidContentError("not an OSV record: a range has no introduced event")
    return tuple(found)


def _scores(severity: object) -> tuple[Rating, ...]:
    """OSV's severity lists. A rating that cannot be read is no rating: the advisory still counts."""
    if not isinstance(severity, list):
        return ()
    return tuple(
        Rating(entry["type"], entry["score"])
        for entry in severity
        if isinstance(entry, dict) and isinstance(entry.get("type"), str) and isinstance(entry.get("score"), str)
    )


def _word(name: str, specific: object) -> tuple[Rating, ...]:
    word = specific.get(name) if isinstance(specific, dict) else None
    return (Rating(name, word),) if isinstance(word, str) else ()


def _cured(record: _Record) -> tuple[str, ...]:
    """The CVEs an erratum is about: some distributions name them as related only."""
    if not record.id.startswith(_ERRATA):
        return ()
    return tuple(name for name in record.related if name.startswith("CVE-") and name not in record.upstream)


def _announced(id_: str, summary: str) -> tuple[Rating, ...]:
    """Errata that carry no rating have it in front of their summary: `Important: kernel security update`."""
    word, colon, _ = summary.partition(":")
    return (Rating("summary", word),) if colon and id_.startswith(_ERRATA) else ()


def _one_line(text: str) -> str:
    printable = "".join(character if character.isprintable() else " " for character in text)
    line = " ".join(printable.split())
    return line if len(line) <= _MAX_SUMMARY else f"{line[: _MAX_SUMMARY - 1]}…"
