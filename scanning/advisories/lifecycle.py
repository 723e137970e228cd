"""How long the releases of a distribution are supported: after that nobody mends or tells of new vulnerabilities.

Two sources say it: the CSV files of Debian's package `distro-info-data`, and the JSON of endoflife.date (its API v1, of
one product or of all, and the older list of cycles of one product).

Support comes in stages (`config.vocabulary.Support`), each of which ends on a day that still belongs to it:

| stage | Debian | Ubuntu | elsewhere |
|---|---|---|---|
| standard | security team | security maintenance | security support |
| long-term | LTS, for everybody | as standard | as standard |
| extended | ELTS, for customers | ESM, for subscribers | extended support |
"""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from types import MappingProxyType
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from config.vocabulary import Support
from scanning.advisories.moments import in_utc
from scanning.errors import InvalidContentError
from scanning.facts import OsRelease

_OLDEST = datetime.min.replace(tzinfo=UTC)
_PRODUCTS: Mapping[str, str] = MappingProxyType(
    {
        "almalinux": "almalinux",
        "alpine": "alpine",
        "alpine-linux": "alpine",
        "amazon-linux": "amzn",
        "centos": "centos",
        "centos-stream": "centos-stream",
        "debian": "debian",
        "fedora": "fedora",
        "linuxmint": "linuxmint",
        "opensuse": "opensuse-leap",
        "oracle-linux": "ol",
        "photon": "photon",
        "rhel": "rhel",
        "rocky-linux": "rocky",
        "sles": "sles",
        "ubuntu": "ubuntu",
    }
)
"""endoflife.date's names of distributions, and the ID that os-release(5) gives them."""
_EXTENDED_FOR_EVERYBODY = frozenset({"debian"})
"""Where endoflife.date's extended support is what anybody gets."""


@dataclass(frozen=True, slots=True)
class End:
    """When a stage of support ends. `day` is its last, None where none is set; `is_past` where no more is known."""

    day: date | None = None
    is_past: bool = False

    def is_over(self, today: date) -> bool:
        """Whether the stage has ended by `today`."""
        return self.is_past or (self.day is not None and self.day < today)


@dataclass(frozen=True, slots=True)
class Release:
    """A release of a distribution. `names` are its version and its codename, in lower case."""

    names: tuple[str, ...]
    standard: End = End()
    long_term: End = End()
    extended: End = End()

    def end(self, support: Support) -> End:
        """When support of that stage, and of those before it, ends."""
        match support:
            case Support.STANDARD:
                return self.standard
            case Support.LONG_TERM:
                return self.long_term
            case Support.EXTENDED:
                return self.extended


@dataclass(frozen=True, slots=True)
class Lifecycles:
    """Releases by the ID of their distribution, as of `known_at` (year 1 where the source does not tell)."""

    releases: Mapping[str, tuple[Release, ...]]
    known_at: datetime = _OLDEST


def distribution(system: OsRelease) -> str:
    """The name under which the releases of a distribution are kept: its ID, but CentOS Stream is not CentOS."""
    return "centos-stream" if system.id == "centos" and "stream" in system.pretty_name.lower() else system.id


def candidates(system: OsRelease) -> Iterator[str]:
    """The names a release may have, the most exact first: 3.20.1, 3.20, 3, then the codename."""
    parts = system.version_id.split(".") if system.version_id else []
    for length in range(len(parts), 0, -1):
        yield ".".join(parts[:length]).lower()
    if system.codename:
        yield system.codename.lower()


def read_distro_info(document: bytes, name: str) -> Lifecycles:
    """Read `debian.csv` or `ubuntu.csv`; `name` says which (`debian`). Raises `InvalidContentError`."""
    if name not in ("debian", "ubuntu"):
        raise InvalidContentError(f"{name[:80]!r} is neither debian nor ubuntu, whose lists of releases are known")
    try:
        rows = csv.DictReader(io.StringIO(document.decode()), strict=True)
        if not {"version", "series", "eol"} <= set(rows.fieldnames or ()):
            raise InvalidContentError("not a list of releases: it has no columns version, series and eol")
        releases = tuple(_distro_info_release(row) for row in rows)
    except (csv.Error, ValueError) as error:
        raise InvalidContentError(f"not a list of releases: {error}") from error
    return Lifecycles({name: releases})


def _distro_info_release(row: Mapping[str, str | None]) -> Release:
    standard = _day(row, "eol")
    long_term = _day(row, "eol-lts") or standard
    extended = _day(row, "eol-elts") or _day(row, "eol-legacy") or _day(row, "eol-esm") or long_term
    names = ((row["version"] or "").partition(" ")[0], row["series"] or "")
    return Release(
        tuple(name.lower() for name in names if name),
        *(End(day) for day in (standard, long_term, extended)),
    )


def _day(row: Mapping[str, str | None], column: str) -> date | None:
    text = row.get(column)
    return date.fromisoformat(text) if text else None


class _Document(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Release(_Document):
    """A release in API v1."""

    name: str
    codename: str | None = None
    is_eol: Annotated[bool, Field(alias="isEol")] = False
    eol_from: Annotated[date | None, Field(alias="eolFrom")] = None
    is_eoes: Annotated[bool | None, Field(alias="isEoes")] = None
    eoes_from: Annotated[date | None, Field(alias="eoesFrom")] = None


class _Product(_Document):
    name: str
    releases: tuple[_Release, ...]


class _Answer(_Document):
    """An answer of API v1: one product, or all."""

    result: _Product | tuple[_Product, ...]
    generated_at: AwareDatetime | None = None
    last_modified: AwareDatetime | None = None


class _Cycle(_Document):
    """A release in the older API. Where there is no date it says whether it has ended, or whether it is extended."""

    cycle: str
    codename: str | None = None
    eol: date | bool = False
    extended: Annotated[date | bool | None, Field(alias="extendedSupport")] = None


_CYCLES = TypeAdapter(tuple[_Cycle, ...])


def read_endoflife(document: bytes, name: str) -> Lifecycles:
    """Read JSON of endoflife.date; `name` is the product where the document does not say it.

    Only distributions that are known here are kept. Raises `InvalidContentError`, also if there is none.
    """
    try:
        if document.lstrip().startswith(b"["):
            product = _PRODUCTS.get(name, "")
            found = {product: tuple(_older(product, one) for one in _CYCLES.validate_json(document))}
            known_at = None
        else:
            answer = _Answer.model_validate_json(document)
            products = answer.result if isinstance(answer.result, tuple) else (answer.result,)
            found = dict(_products(products))
            known_at = answer.generated_at or answer.last_modified
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "the document"
        raise InvalidContentError(f"not a document of endoflife.date: {place}: {first['msg']}") from error
    releases = {product: cycles for product, cycles in found.items() if product and cycles}
    if not releases:
        raise InvalidContentError(
            "it tells of no distribution that is known here; the file of one product bears its name, which is one of "
            + ", ".join(_PRODUCTS)
        )
    return Lifecycles(releases, in_utc(known_at) if known_at else _OLDEST)


def _products(products: Iterable[_Product]) -> Iterator[tuple[str, tuple[Release, ...]]]:
    for product in products:
        name = _PRODUCTS.get(product.name, "")
        yield (
            name,
            tuple(
                _release(
                    name,
                    (one.name, one.codename),
                    End(one.eol_from, one.is_eol and one.eol_from is None),
                    End(one.eoes_from, one.eoes_from is None and one.is_eoes is True)
                    if one.is_eoes is not None or one.eoes_from
                    else None,
                )
                for one in product.releases
            ),
        )


def _older(product: str, cycle: _Cycle) -> Release:
    standard = End(is_past=cycle.eol) if isinstance(cycle.eol, bool) else End(cycle.eol)
    extended: End | None = None
    if isinstance(cycle.extended, date):
        extended = End(cycle.extended)
    elif cycle.extended:
        extended = End()
    return _release(product, (cycle.cycle, cycle.codename), standard, extended)


def _release(product: str, names: tuple[str, str | None], standard: End, extended: End | None) -> Release:
    long_term = extended if extended and product in _EXTENDED_FOR_EVERYBODY else standard
    return Release(
        tuple(dict.fromkeys(name.lower() for name in names if name)), standard, long_term, extended or long_term
    )
