"""Literal words sought in file content, all of them in one pass however many there are.

Only whether a word occurs is told. What it means is for expressions and readers of their own to decide, which then
run on few files.
"""

from bisect import bisect_right
from collections.abc import Iterable
from threading import Lock
from typing import cast

import hyperscan

MOST_PLACES = 4096
"""Places remembered of one piece. Text has a few in a million bytes; what has more is made of words."""


class Words:
    """A fixed set of words of at least one byte each, compiled once. Safe to use from several threads."""

    def __init__(self, words: Iterable[bytes]) -> None:
        self._words = tuple(dict.fromkeys(words))
        self.sought = frozenset(self._words)
        self._database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        self._database.compile(
            expressions=self._words,
            ids=range(len(self._words)),
            flags=hyperscan.HS_FLAG_SINGLEMATCH,  # one report a word, whatever a hostile file repeats
            literal=True,
        )
        self._scratch = Lock()  # the database has one scratch space, and a scan lets other threads run

    def found_in(self, data: bytes | bytearray | memoryview) -> frozenset[bytes]:
        """Which of the words occur in `data`. Raises `MemoryError` where there is none left to tell."""
        numbers: list[int] = []

        def note(number: int, _start: int, _end: int, _flags: int, _context: object) -> None:
            numbers.append(number)

        try:
            with self._scratch:
                self._database.scan(cast("bytes", data), match_event_handler=note)  # its stub knows no other buffers
        except hyperscan.error as error:  # `note` never asks it to stop: it could not be called
            raise MemoryError from error
        return frozenset(self._words[number] for number in numbers) if numbers else _NONE


_NONE: frozenset[bytes] = frozenset()


class WordPlaces:
    """The same words and where they end, each as often as it occurs. Safe to use from several threads."""

    def __init__(self, words: Words) -> None:
        self.words = words
        self._by_number = tuple(words.sought)
        self._database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        self._database.compile(expressions=self._by_number, ids=range(len(self._by_number)), literal=True)
        self._scratch = Lock()

    def ends_in(self, data: bytes) -> list[tuple[int, bytes]] | None:
        """The position after each word in `data`, and the word, in order; None where there are more than `MOST_PLACES`.

        Raises `MemoryError` where there is none left to tell.
        """
        found: list[tuple[int, bytes]] = []
        words = self._by_number

        def note(number: int, _start: int, end: int, _flags: int, _context: object) -> bool:
            found.append((end, words[number]))
            return len(found) > MOST_PLACES

        try:
            with self._scratch:
                self._database.scan(data, match_event_handler=note)
        except hyperscan.error as error:
            if len(found) <= MOST_PLACES:
                raise MemoryError from error
        if len(found) > MOST_PLACES:
            return None
        found.sort()
        return found


class Survey:
    """The words in one piece of data, sought in one pass when they are first asked for, whatever part they are in.

    So a piece that holds many small files is searched once, and each of them costs no search of its own.
    """

    __slots__ = ("_data", "_ends", "_found", "_is_crowded", "_places")

    def __init__(self, places: WordPlaces, data: bytes) -> None:
        self._places = places
        self._data = data
        self._ends: list[int] | None = None
        self._found: list[tuple[int, bytes]] = []
        self._is_crowded = False

    def within(self, start: int, end: int) -> frozenset[bytes]:
        """Which of the words occur, whole, in the bytes from `start` to before `end`. Raises as `Words.found_in`."""
        ends = self._ends
        if ends is None:
            ends = self._look()
        first = bisect_right(ends, start)
        if self._is_crowded:
            return self._places.words.found_in(memoryview(self._data)[start:end])
        if first == len(ends) or ends[first] > end:
            return _NONE
        found = self._found[first : bisect_right(ends, end, first)]
        return frozenset(word for place, word in found if place - len(word) >= start)

    def _look(self) -> list[int]:
        found = self._places.ends_in(self._data)
        self._is_crowded = found is None
        self._found = found or []
        self._ends = [end for end, _ in self._found]
        return self._ends


class Places:
    """An expression in hyperscan's syntax, compiled once, and where in data it matches. Safe for several threads."""

    def __init__(self, expression: bytes) -> None:
        self._database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        self._database.compile(expressions=(expression,), ids=(0,), flags=hyperscan.HS_FLAG_DOTALL)
        self._scratch = Lock()

    def ends_in(self, data: bytes | bytearray | memoryview) -> list[int]:
        """The position after every match in `data`. Raises `MemoryError` where there is none left to tell."""
        ends: list[int] = []

        def note(_number: int, _start: int, end: int, _flags: int, _context: object) -> None:
            ends.append(end)

        try:
            with self._scratch:
                self._database.scan(cast("bytes", data), match_event_handler=note)
        except hyperscan.error as error:
            raise MemoryError from error
        return ends
