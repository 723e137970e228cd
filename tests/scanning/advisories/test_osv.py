"""Reading OSV records: strict where matching rests on them, deaf to the rest."""

import json
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanning.advisories.osv import MAX_RECORD_BYTES, Affected, Bound, Event, Rating, parse
from scanning.documents import decode, encode
from scanning.errors import InvalidContentError
from tests.scanning.advisories.records import advisory, affected, fixed, record


def test_a_record_becomes_values() -> None:
    found = advisory(
        "DSA-1-1",
        affected("Debian:12", "openssl", fixed("3.0.22-1"), ecosystem_specific={"urgency": "low"}),
        upstream=["CVE-2026-0001"],
        aliases=["GHSA-xxxx"],
        related=["CVE-2026-0002"],
        summary="openssl -\n security update",
        severity=[{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N"}],
    )

    assert found.id == "DSA-1-1"
    assert found.modified == datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
    assert found.upstream == ("CVE-2026-0001",)
    assert found.aliases == ("GHSA-xxxx",)
    assert found.related == ("CVE-2026-0002",)
    assert found.summary == "openssl - security update"
    assert found.ratings == (Rating("CVSS_V3", "CVSS:3.1/AV:N"),)
    assert found.affected == (
        Affected(
            ecosystem="Debian",
            release="12",
            package="openssl",
            ranges=((Event(Bound.INTRODUCED, "0"), Event(Bound.FIXED, "3.0.22-1")),),
            ratings=(Rating("urgency", "low"),),
        ),
    )


def test_the_release_is_everything_after_the_first_colon() -> None:
    (entry,) = advisory("UBUNTU-CVE-1", affected("Ubuntu:22.04:LTS", "x", fixed("1"))).affected

    assert (entry.ecosystem, entry.release) == ("Ubuntu", "22.04:LTS")


def test_python_names_are_normalised() -> None:
    (entry,) = advisory("PYSEC-1", affected("PyPI", "Zope.Interface", fixed("1"))).affected

    assert entry.package == "zope-interface"


def test_ranges_of_commits_are_left_out() -> None:
    commits = {"type": "GIT", "repo": "https://example.com", "events": [{"introduced": "0"}]}
    entry = affected("PyPI", "x", fixed("2"))
    entry["ranges"].append(commits)

    assert len(advisory("PYSEC-1", entry).affected[0].ranges) == 1


def test_what_names_no_package_is_left_out() -> None:
    assert advisory("CVE-2026-1", {"ranges": []}).affected == ()


def test_withdrawal_is_told() -> None:
    assert advisory("PYSEC-1", withdrawn="2026-02-03T00:00:00Z").withdrawn == datetime(2026, 2, 3, tzinfo=UTC)


def test_unknown_fields_and_null_lists_are_no_mistake() -> None:
    found = advisory("X-1", aliases=None, upstream=None, severity=None, schema_version="9.9", credits=[{"name": "x"}])

    assert found.aliases == ()


def test_stray_commas_in_aliases_are_taken_off() -> None:
    assert advisory("X-1", aliases=["CVE-2026-1,", "no id at all"]).aliases == ("CVE-2026-1",)


def test_severities_that_cannot_be_read_are_no_ratings() -> None:
    assert advisory("X-1", severity=[{"type": 3}, "high", {"type": "CVSS_V3"}]).ratings == ()


def test_old_records_may_hold_two_bounds_in_one_event() -> None:
    (entry,) = advisory("X-1", affected("PyPI", "x", [{"introduced": "0", "fixed": "2"}])).affected

    assert entry.ranges == ((Event(Bound.INTRODUCED, "0"), Event(Bound.FIXED, "2")),)


@pytest.mark.parametrize(
    ("document", "place"),
    [
        (b"", "the document"),
        (b"[]", "the document"),
        (b'{"id": "X-1"}', "modified"),
        (b'{"modified": "2026-01-01T00:00:00Z"}', "id"),
        (record("no spaces allowed"), "id"),
        (record("X-1", {"package": {"ecosystem": "PyPI"}}), "affected.0.package.name"),
        (record("X-1", affected("PyPI", "a\x1b[2Jb")), "affected.0.package.name"),
        (record("X-1", affected("PyPI", "x", versions=["1\n2"])), "affected.0.versions.0"),
        (record("X-1", affected("PyPI", "x", [{"introduced": "0"}, {"cherry": "1"}])), "event"),
        (record("X-1", affected("PyPI", "x", [{"fixed": "1"}])), "introduced"),
        (b'{"id":' + b"[" * 100_000, "the document"),
        (record("X-1").replace(b"X-1", b"X-\xff"), "the document"),
    ],
)
def test_malformed_records_are_refused_with_the_place(document: bytes, place: str) -> None:
    with pytest.raises(InvalidContentError, match=place):
        parse(document)


def test_a_record_beyond_the_bound_is_refused() -> None:
    with pytest.raises(InvalidContentError, match="at most"):
        parse(b" " * (MAX_RECORD_BYTES + 1))


def test_a_parsed_record_survives_storage() -> None:
    found = advisory("X-1", affected("PyPI", "x", fixed("2"), versions=["1", "1.1"]), aliases=["CVE-2026-1"])

    assert decode(type(found), encode(found)) == found


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=10,
)
_FIELDS = st.sampled_from(["id", "modified", "affected", "aliases", "severity", "withdrawn", "summary"])


@given(st.dictionaries(_FIELDS, _JSON))
def test_anything_is_read_or_refused(document: dict[str, object]) -> None:
    whole = {"id": "X-1", "modified": "2026-01-01T00:00:00Z", **document}
    try:
        found = parse(json.dumps(whole).encode())
    except InvalidContentError:
        return
    assert found.id == whole["id"]
    assert found.summary.isprintable()


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(document: bytes) -> None:
    with pytest.raises(InvalidContentError):
        parse(document)
