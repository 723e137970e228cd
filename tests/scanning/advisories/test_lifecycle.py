"""How long releases are supported, by the two sources that tell it."""

import json
from datetime import UTC, date, datetime

import pytest

from config.vocabulary import Support
from scanning.advisories.lifecycle import End, Release, candidates, distribution, read_distro_info, read_endoflife
from scanning.errors import InvalidContentError
from scanning.facts import OsRelease

DEBIAN = b"""version,codename,series,created,release,eol,eol-lts,eol-elts
3.1,Sarge,sarge,2002-07-19,2005-06-06,2008-03-31
12,Bookworm,bookworm,2021-08-14,2023-06-10,2026-07-11,2028-06-30,2033-06-30
14,Forky,forky,2025-08-09
,Sid,sid,1993-08-16
"""
UBUNTU = b"""version,codename,series,created,release,eol,eol-server,eol-esm,eol-legacy
22.04 LTS,Jammy Jellyfish,jammy,2021-10-14,2022-04-21,2027-06-01,2027-06-01,2032-04-21,2034-04-25
24.10,Oracular Oriole,oracular,2024-04-25,2024-10-10,2025-07-10
"""


def ends(release: Release) -> list[date | None]:
    """The last day of each stage."""
    return [release.end(support).day for support in Support]


def test_debian_ends_in_three_stages() -> None:
    sarge, bookworm, forky, sid = read_distro_info(DEBIAN, "debian").releases["debian"]
    assert (bookworm.names, ends(bookworm)) == (
        ("12", "bookworm"),
        [date(2026, 7, 11), date(2028, 6, 30), date(2033, 6, 30)],
    )
    assert ends(sarge) == [date(2008, 3, 31)] * 3
    assert (forky.names, sid.names) == (("14", "forky"), ("sid",))
    assert not any(release.end(support).is_over(date.max) for release in (forky, sid) for support in Support)


def test_ubuntu_is_extended_for_subscribers_only() -> None:
    jammy, oracular = read_distro_info(UBUNTU, "ubuntu").releases["ubuntu"]
    assert (jammy.names, ends(jammy)) == (
        ("22.04", "jammy"),
        [date(2027, 6, 1), date(2027, 6, 1), date(2034, 4, 25)],
    )
    assert ends(oracular) == [date(2025, 7, 10)] * 3


def test_the_last_day_is_still_supported() -> None:
    end = End(date(2026, 7, 11))
    assert [end.is_over(date(2026, 7, day)) for day in (10, 11, 12)] == [False, False, True]
    assert [End().is_over(date.max), End(is_past=True).is_over(date.min)] == [False, True]


def v1(name: str, *releases: dict[str, object]) -> dict[str, object]:
    return {"name": name, "label": name.title(), "category": "os", "releases": releases}


def test_endoflife_tells_of_all_products_at_once_and_only_distributions_are_kept() -> None:
    document = {
        "schema_version": "1.2.0",
        "generated_at": "2026-11-26T00:00:00+00:00",
        "total": 4,
        "result": [
            v1("nginx", {"name": "1.26", "isEol": True, "eolFrom": "2025-04-23"}),
            v1("debian", {"name": "12", "codename": "Bookworm", "isEol": True, "eolFrom": "2026-07-11",
                          "isEoes": False, "eoesFrom": "2028-06-30"}),
            v1("ubuntu", {"name": "22.04", "isEol": False, "eolFrom": "2027-04-01",
                          "isEoes": False, "eoesFrom": "2032-04-09"}),
            v1("alpine-linux", {"name": "3.20", "isEol": False, "eolFrom": "2026-04-01"},
                               {"name": "3.0", "isEol": True, "eolFrom": None},
                               {"name": "edge", "isEol": False, "eolFrom": None}),
        ],
    }  # fmt: skip

    read = read_endoflife(json.dumps(document).encode(), "full")

    assert read.known_at == datetime(2026, 11, 26, tzinfo=UTC)
    assert set(read.releases) == {"debian", "ubuntu", "alpine"}
    (bookworm,), (jammy,), (a320, a30, edge) = (read.releases[name] for name in ("debian", "ubuntu", "alpine"))
    assert (bookworm.names, ends(bookworm)) == (
        ("12", "bookworm"),
        [date(2026, 7, 11), date(2028, 6, 30), date(2028, 6, 30)],
    )
    assert ends(jammy) == [date(2027, 4, 1), date(2027, 4, 1), date(2032, 4, 9)]
    assert ends(a320) == [date(2026, 4, 1)] * 3
    assert a30.end(Support.EXTENDED).is_over(date.min)
    assert not edge.end(Support.STANDARD).is_over(date.max)


def test_endoflife_tells_of_one_product() -> None:
    document = {"last_modified": "2026-11-26T00:00:00Z", "result": v1("rocky-linux", {"name": "9", "isEol": False})}
    assert set(read_endoflife(json.dumps(document).encode(), "rocky-linux").releases) == {"rocky"}


def test_the_older_interface_of_endoflife_names_the_product_in_the_address_only() -> None:
    cycles = [
        {"cycle": "9", "eol": "2032-05-31", "extendedSupport": True},
        {"cycle": "7", "eol": "2024-06-30", "extendedSupport": "2028-06-30"},
        {"cycle": "5", "eol": True, "extendedSupport": False},
        {"cycle": "10", "eol": False},
    ]
    nine, seven, five, ten = read_endoflife(json.dumps(cycles).encode(), "rhel").releases["rhel"]
    assert ends(nine) == [date(2032, 5, 31), date(2032, 5, 31), None]
    assert ends(seven) == [date(2024, 6, 30), date(2024, 6, 30), date(2028, 6, 30)]
    assert [five.extended.is_over(date.min), ten.extended.is_over(date.max)] == [True, False]
    with pytest.raises(InvalidContentError, match="no distribution that is known here"):
        read_endoflife(json.dumps(cycles).encode(), "cycles")


@pytest.mark.parametrize(
    "document", [b"", b"{", b"[1]", b'{"result": [{"name": "debian"}]}', b'[{"cycle": "1", "eol": "x"}]']
)
def test_t77_what_is_no_document_of_endoflife_is_refused(document: bytes) -> None:
    with pytest.raises(InvalidContentError, match="not a document of endoflife"):
        read_endoflife(document, "debian")


@pytest.mark.parametrize(
    "document", [b"", b"a,b\n", b"version,series\n", DEBIAN.replace(b"2026-07-11", b"soon"), b"\xff\xfe"]
)
def test_t77_what_is_no_list_of_releases_is_refused(document: bytes) -> None:
    with pytest.raises(InvalidContentError, match="not a list of releases"):
        read_distro_info(document, "debian")


def test_a_list_of_releases_says_whose_by_the_name_of_its_file() -> None:
    with pytest.raises(InvalidContentError, match="neither debian nor ubuntu"):
        read_distro_info(DEBIAN, "releases")


@pytest.mark.parametrize(
    ("system", "name", "tried"),
    [
        (OsRelease("alpine", "3.20.1"), "alpine", ["3.20.1", "3.20", "3"]),
        (OsRelease("debian", "12", "bookworm"), "debian", ["12", "bookworm"]),
        (OsRelease("debian", "", "Sid"), "debian", ["sid"]),
        (OsRelease("centos", "7", pretty_name="CentOS Linux 7"), "centos", ["7"]),
        (OsRelease("centos", "9", pretty_name="CentOS Stream 9"), "centos-stream", ["9"]),
    ],
)
def test_a_release_is_looked_up_from_its_most_exact_name(system: OsRelease, name: str, tried: list[str]) -> None:
    assert (distribution(system), list(candidates(system))) == (name, tried)
