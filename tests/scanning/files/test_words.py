"""Words sought all at once: what is found is what looking for each of them would find."""

import os
from concurrent.futures import ThreadPoolExecutor

import hyperscan
import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanning.files import sought
from scanning.files.words import MOST_PLACES, Survey, WordPlaces, Words

SOUGHT = (b"AKIA", b"ASIA", b"-----BEGIN ", b"usage: nc [-", b"\tnc", b"aa", b"aab", b"b")
PLACES = WordPlaces(Words(SOUGHT))


TEXTS = st.lists(st.sampled_from((*SOUGHT, b"A", b"KIA", b"---", b"\x00", b"\xff", b"a", b"\n")), max_size=40).map(
    b"".join
)


@given(TEXTS)
def test_the_words_found_are_those_that_occur(data: bytes) -> None:
    words = Words(SOUGHT)
    expected = {word for word in SOUGHT if word in data}
    assert words.found_in(data) == expected
    assert words.found_in(memoryview(b"?" + data)[1:]) == expected
    assert words.found_in(bytearray(data)) == expected


def test_a_word_that_is_repeated_a_million_times_is_one_word() -> None:
    assert Words(SOUGHT).found_in(b"AKIA" * 1_000_000) == {b"AKIA"}


@given(st.lists(TEXTS, max_size=12), st.booleans())
def test_a_piece_is_searched_once_for_all_parts_of_it(parts: list[bytes], is_crowded: bool) -> None:
    parts = [*parts, b"b" * (MOST_PLACES + 1)] if is_crowded else parts
    survey, start = Survey(PLACES, b"".join(parts)), 0
    for part in parts:
        assert survey.within(start, start + len(part)) == {word for word in SOUGHT if word in part}
        start += len(part)
    assert survey.within(0, start) == {word for word in SOUGHT if word in b"".join(parts)}


def test_a_piece_made_of_words_is_not_remembered_place_by_place() -> None:
    assert PLACES.ends_in(b"b" * MOST_PLACES) == [(end, b"b") for end in range(1, MOST_PLACES + 1)]
    assert PLACES.ends_in(b"b" * (MOST_PLACES + 1)) is None


def test_threads_can_share_the_words() -> None:
    words = Words(SOUGHT)
    texts = [os.urandom(1 << 20).replace(b"b", b"") + word for word in (b"AKIA", b"ASIA", b"-----BEGIN ", b"") * 8]
    expected = [{word for word in SOUGHT if word in text} for text in texts]
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(words.found_in, texts)) == expected


def test_words_that_were_prepared_are_not_compiled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    sought.prepare()
    monkeypatch.delattr(hyperscan, "Database")
    text = b"id AKIA and more"
    assert b"AKIA" in sought.survey(text).within(0, len(text))
