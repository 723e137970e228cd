"""Repository and purl patterns."""

import fnmatch
import json
import re
from itertools import combinations, pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from packageurl import PackageURL
from pydantic import TypeAdapter, ValidationError

from config.errors import InvalidPatternError
from config.patterns import (
    MAX_TIES,
    PurlPattern,
    RepositoryPattern,
    TagPattern,
    ambiguous_pairs,
    most_specific,
)

# Few letters, so that patterns and names meet often.
_parts = st.text("ab-", min_size=1, max_size=4).filter(lambda text: re.fullmatch(r"[ab]+(-+[ab]+)*", text))
_names = st.lists(_parts, min_size=1, max_size=4).map("/".join)
_pattern_parts = st.text("ab*", min_size=1, max_size=4).filter(lambda text: "**" not in text) | st.just("**")
_patterns = (
    st.lists(_pattern_parts, min_size=1, max_size=4)
    .filter(lambda parts: all((one, two) != ("**", "**") for one, two in pairwise(parts)))
    .map(lambda parts: RepositoryPattern("/".join(parts)))
)


def slow_match(pattern: tuple[str, ...], name: tuple[str, ...]) -> bool:
    """What a pattern means, said as plainly as possible and in exponential time."""
    if not pattern:
        return not name
    if pattern[0] == "**":
        return any(slow_match(pattern[1:], name[skipped:]) for skipped in range(len(name) + 1))
    part = pattern[0].replace("*", "[^/]*")
    return bool(name) and re.fullmatch(part, name[0]) is not None and slow_match(pattern[1:], name[1:])


@pytest.mark.parametrize(
    ("pattern", "name", "expected"),
    [
        ("team/app", "team/app", True),
        ("team/app", "team/app2", False),
        ("team/app", "ateam/app", False),
        ("team/*", "team/app", True),
        ("team/*", "team", False),
        ("team/*", "team/app/debug", False),
        ("team/app-*", "team/app-1", True),
        ("team/app-*", "team/app", False),
        ("*", "app", True),
        ("*", "team/app", False),
        ("**", "app", True),
        ("**", "a/b/c/d", True),
        ("**", "", False),
        ("team/**", "team", True),
        ("team/**", "team/a/b", True),
        ("team/**", "teams/a", False),
        ("**/app", "app", True),
        ("**/app", "a/b/app", True),
        ("**/app", "a/b/app/c", False),
        ("a/**/z", "a/z", True),
        ("a/**/z", "a/b/c/z", True),
        ("a/**/m/**/z", "a/b/z", False),
    ],
)
def test_a_pattern_covers_whole_names_only(pattern: str, name: str, expected: bool) -> None:
    assert RepositoryPattern(pattern).matches(name) is expected


@pytest.mark.parametrize(
    "text",
    ["", "/", "a//b", "/a", "a/", "A", "a**", "**a", "a/**/**/b", "***", "a..b", "-a", "*_", "a b", "a:b", "a" * 513],
)
def test_a_pattern_that_can_never_match_is_refused(text: str) -> None:
    with pytest.raises(InvalidPatternError):
        RepositoryPattern(text)


@given(_patterns, _names)
def test_matching_means_what_the_plain_definition_says(pattern: RepositoryPattern, name: str) -> None:
    assert pattern.matches(name) == slow_match(tuple(pattern.text.split("/")), tuple(name.split("/")))


@given(_patterns, _patterns, _names)
def test_patterns_that_share_a_name_overlap(one: RepositoryPattern, other: RepositoryPattern, name: str) -> None:
    if one.matches(name) and other.matches(name):
        assert one.overlaps(other)
    assert one.overlaps(other) == other.overlaps(one)
    assert one.overlaps(one)


@given(_patterns)
def test_a_pattern_overlaps_a_name_exactly_if_it_matches_it(pattern: RepositoryPattern) -> None:
    for name in ("a", "a/b", "ab/a", "b/a/b", "a-b/ab"):
        assert pattern.overlaps(RepositoryPattern(name)) == pattern.matches(name)


@pytest.mark.parametrize(
    ("broad", "narrow"),
    [
        ("**", "*"),
        ("*", "a*"),
        ("a*", "ab*"),
        ("team/**", "team/*"),
        ("team/**", "team/*/**"),
        ("team/*", "team/app"),
        ("**/a/**", "a/**"),
        ("a*b*", "a*b"),
        ("*/*", "*/a"),
    ],
)
def test_what_covers_less_is_more_specific(broad: str, narrow: str) -> None:
    assert RepositoryPattern(narrow).specificity > RepositoryPattern(broad).specificity


def test_the_most_specific_pattern_wins() -> None:
    patterns = [RepositoryPattern(text) for text in ("**", "team/**", "team/app-*", "other/**", "team/app-1")]
    assert str(most_specific(patterns, "team/app-1")) == "team/app-1"
    assert str(most_specific(patterns, "team/app-2")) == "team/app-*"
    assert str(most_specific(patterns, "team/web/api")) == "team/**"
    assert str(most_specific(patterns, "elsewhere")) == "**"
    assert most_specific(patterns[1:], "elsewhere") is None


def test_ties_are_found_and_what_cannot_meet_is_no_tie() -> None:
    one, other, apart = RepositoryPattern("a/*b"), RepositoryPattern("a/b*"), RepositoryPattern("c/*b")
    assert ambiguous_pairs([one, other, apart]) == [(one, other)]
    assert ambiguous_pairs([one, one]) == [(one, one)]
    assert ambiguous_pairs([RepositoryPattern("**"), RepositoryPattern("*"), one]) == []


@given(st.lists(_patterns, min_size=2, max_size=8))
def test_ties_are_those_of_all_pairs_that_overlap(patterns: list[RepositoryPattern]) -> None:
    expected = [
        {id(one), id(other)}
        for one, other in combinations(patterns, 2)
        if one.specificity == other.specificity and one.overlaps(other)
    ]
    found = [{id(one), id(other)} for one, other in ambiguous_pairs(patterns)]
    assert sorted(map(sorted, found)) == sorted(map(sorted, expected))


@pytest.mark.parametrize(
    "texts",
    [
        [f"{'*a' * number}{'a*' * (100 - number)}" for number in range(100)],
        [f"*{number:05}" for number in range(4_000)],
        ["**"] * 2_000,
    ],
)
def test_t113_patterns_that_are_too_alike_to_compare_are_refused_or_told_by_the_first(texts: list[str]) -> None:
    patterns = list(map(RepositoryPattern, texts))
    try:
        assert len(ambiguous_pairs(patterns)) == MAX_TIES
    except InvalidPatternError as error:
        assert "too many patterns as alike as" in str(error)  # noqa: PT017  # either answer is one


def test_many_patterns_that_begin_differently_are_compared() -> None:
    assert ambiguous_pairs([RepositoryPattern(f"team-{number:05}/*") for number in range(5_000)]) == []


@pytest.mark.parametrize(
    ("pattern", "purl", "expected"),
    [
        ("pkg:deb/debian/openssl", "pkg:deb/debian/openssl@3.0.11-1?arch=amd64", True),
        ("pkg:deb/debian/openssl", "pkg:deb/debian/openssl", True),
        ("pkg:deb/debian/openssl", "pkg:deb/debian/libopenssl@3", False),
        ("pkg:deb/debian/openssl", "pkg:deb/ubuntu/openssl@3", False),
        ("pkg:deb/debian/openssl@3.*", "pkg:deb/debian/openssl@3.0.11-1", True),
        ("pkg:deb/debian/openssl@3.*", "pkg:deb/debian/openssl@1.3.0", False),
        ("pkg:deb/debian/openssl@3.*", "pkg:deb/debian/openssl", False),
        ("pkg:deb/debian/git@1:2.*", "pkg:deb/debian/git@1:2.39.5-0", True),
        ("pkg:deb/debian/git@1%3A2.*", "pkg:deb/debian/git@1%3A2.39.5-0", True),
        ("pkg:deb/debian/libstdc++*", "pkg:deb/debian/libstdc%2B%2B6@12", True),
        ("pkg:deb/**", "pkg:deb/debian/zlib1g@1", True),
        ("pkg:deb/**?arch=arm*", "pkg:deb/debian/zlib1g@1?arch=arm64&distro=debian-12", True),
        ("pkg:deb/**?arch=arm*", "pkg:deb/debian/zlib1g@1?distro=debian-12", False),
        ("pkg:npm/*", "pkg:npm/left-pad@1", True),
        ("pkg:npm/*", "pkg:npm/%40angular/core@1", False),
        ("pkg:npm/@angular/*", "pkg:npm/%40angular/core@1", True),
        ("pkg:npm/@angular/core@1.*", "pkg:npm/%40angular/core@1.2", True),
        ("pkg:npm/**", "pkg:npm/%40angular/core@1", True),
        ("pkg:pypi/Typing_Extensions", "pkg:pypi/typing-extensions@4", True),
        ("pkg:pypi/jinja*", "pkg:pypi/jinja2@3.1", True),
        ("pkg:pypi/*", "pkg:pypifake/x@1", False),
        ("pkg:pypi/**", "", False),
        ("pkg:pypi/**", "pkg:pypi/", False),
    ],
)
def test_a_purl_pattern_covers_whole_components(pattern: str, purl: str, expected: bool) -> None:
    assert PurlPattern(pattern).matches(purl) is expected


def test_what_is_escaped_in_a_name_separates_nothing() -> None:
    assert not PurlPattern("pkg:deb/debian/openssl").matches("pkg:deb/debian%2Fopenssl@1")
    assert not PurlPattern("pkg:deb/debian/a/b").matches("pkg:deb/debian/a%2Fb@1")
    assert PurlPattern("pkg:deb/debian/a%2Fb").matches("pkg:deb/debian/a%2Fb@1")


def test_a_version_with_slashes_hides_no_name_and_pretends_none() -> None:
    assert not PurlPattern("pkg:deb/debian/good").matches("pkg:deb/debian/bad@1/debian/good")
    assert PurlPattern("pkg:deb/debian/bad").matches("pkg:deb/debian/bad@1/debian/good")


@pytest.mark.parametrize(
    "text",
    ["", "openssl", "pkg:deb", "pkg:deb/", "pkg:*/x", "pkg:DEB/x", "pkg:deb//x", "pkg:deb/a**b", "pkg:deb/**/**",
     "pkg:deb/x@**", "pkg:deb/x?arch=**", "pkg:deb/x#sub", "pkg:deb/%2A", "npm:deb/x"],
)  # fmt: skip
def test_what_is_no_purl_pattern_is_refused(text: str) -> None:
    with pytest.raises(InvalidPatternError):
        PurlPattern(text)


_words = st.text(
    st.characters(codec="utf-8", exclude_characters="*", exclude_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]),
    min_size=1,
    max_size=8,
)


@given(_words.filter(lambda text: "/" not in text), _words)
def test_a_purl_is_covered_by_its_own_text_and_by_wildcards(name: str, version: str) -> None:
    purl = PackageURL("generic", "space", name, version).to_string()
    assert PurlPattern(purl.replace("%2A", "*")).matches(purl)
    assert PurlPattern("pkg:generic/**").matches(purl)
    assert PurlPattern("pkg:generic/space/*").matches(purl)
    assert not PurlPattern("pkg:generic/other/*").matches(purl)


@given(st.text(max_size=80), st.text(max_size=80))
def test_any_text_is_a_pattern_or_refused_and_any_text_can_be_asked_about(text: str, subject: str) -> None:
    for kind in (RepositoryPattern, PurlPattern):
        try:
            pattern = kind(text)
        except InvalidPatternError:
            continue
        assert str(pattern) == text
        assert pattern.matches(subject) in (True, False)


@pytest.mark.timeout(60)  # backtracking would outlast the universe
def test_t64_no_pattern_makes_matching_explode() -> None:
    assert not RepositoryPattern("*a" * 200).matches("a" * 250 + "b")
    assert not RepositoryPattern("**/*a*a/" * 40 + "x").matches("aaaa/" * 50 + "b")
    assert not PurlPattern("pkg:npm/" + "*a" * 200).matches("pkg:npm/" + "a" * 5000 + "b")
    assert not PurlPattern("pkg:npm/" + "**/*a/" * 60 + "x").matches("pkg:npm/" + "aa/" * 2000 + "b")
    assert RepositoryPattern("a*" * 200).overlaps(RepositoryPattern("*a" * 200))


def test_patterns_are_values() -> None:
    assert RepositoryPattern("a/*") == RepositoryPattern("a/*")
    assert len({PurlPattern("pkg:deb/**"), PurlPattern("pkg:deb/**"), PurlPattern("pkg:npm/**")}) == 2
    with pytest.raises(AttributeError):
        RepositoryPattern("a").text = "b"  # type: ignore[misc]  # that it cannot be set is what is tested


def test_patterns_are_field_types() -> None:
    adapter = TypeAdapter(tuple[RepositoryPattern, ...])
    patterns = adapter.validate_python(["a/*", RepositoryPattern("b")])
    assert patterns == (RepositoryPattern("a/*"), RepositoryPattern("b"))
    assert json.loads(adapter.dump_json(patterns)) == ["a/*", "b"]
    assert adapter.validate_json(adapter.dump_json(patterns)) == patterns
    assert adapter.json_schema()["items"]["type"] == "string"
    with pytest.raises(ValidationError, match="can never match"):
        adapter.validate_python(["A"])
    with pytest.raises(ValidationError, match="not int"):
        adapter.validate_python([1])


@pytest.mark.parametrize(
    ("pattern", "tag", "expected"),
    [
        ("v1", "v1", True),
        ("v1", "v10", False),
        ("v1", "xv1", False),
        ("v*", "v", True),
        ("v*", "v1.2.3", True),
        ("v*", "V1", False),
        ("*", "latest", True),
        ("*-final", "2026.1-final", True),
        ("*-final", "2026.1-final-2", False),
        ("*.*.*", "1.2.3", True),
        ("*.*.*", "1.2", False),
        ("1.2", "1x2", False),
        ("**", "latest", True),
    ],
)
def test_a_tag_pattern_covers_the_whole_tag(pattern: str, tag: str, expected: bool) -> None:
    assert TagPattern(pattern).matches(tag) is expected


@pytest.mark.parametrize("text", ["", "team/app", ".v*", "-v", "v 1", "v1\n", "sha256:*", "x" * 129])
def test_a_tag_pattern_that_can_never_match_is_refused(text: str) -> None:
    with pytest.raises(InvalidPatternError):
        TagPattern(text)


@given(st.text("ab.*", min_size=1, max_size=6), st.text("ab.", min_size=1, max_size=8))
def test_a_tag_pattern_means_what_a_shell_means_by_it(text: str, tag: str) -> None:
    assume(not text.startswith("."))
    assert TagPattern(text).matches(tag) is fnmatch.fnmatchcase(tag, text)


def test_t64_no_tag_pattern_makes_matching_explode() -> None:
    assert not TagPattern("a*" * 60 + "b").matches("a" * 128)
