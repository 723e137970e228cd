"""Literal words sought in file content, all of them in one pass however many there are.

Only whether a word occurs is told. What it means is for expressions and readers of their own to decide, which then
run on few files.

Each set is compiled when it is first used: most processes use none.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Sequence
from threading import Lock
from typing import cast

import hyperscan

MOST_PLACES = 4096
"""Places remembered of one piece. Text has a few in a million bytes; what has more is made of words."""


class _Search:
    """Expressions for hyperscan, compiled at their first use. One at a time uses them: there is one scratch space."""

    def __init__(self, expressions: Sequence[bytes], flags: int = 0, *, literal: bool) -> None:
        self._expressions = expressions
        self._flags = flags
        self._literal = literal
        self._database: hyperscan.Database | None = None
        self._turn = Lock()  # a scan lets other threads run

    def scan(
        self, data: bytes | bytearray | memoryview, note: Callable[[int, int, int, int, object], bool | None]
    ) -> None:
        """Tell `note` the number, the start and the end of every match. Raises `MemoryError` where there is none left,
        and where `note` gave True to end the search.
        """
        try:
            with self._turn:
                database = self._database
                if database is None:
                    database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
                    database.compile(
                        expressions=self._expressions,
                        ids=range(len(self._expressions)),
                        flags=self._flags,
                        literal=self._literal,
                    )
                    self._database = database
                database.scan(cast("bytes", data), match_event_handler=note)  # its stub knows no other buffers
        except hyperscan.error as error:
            raise MemoryError from error


class Words:
    """A fixed set of words of at least one byte each, compiled at most once. Safe to use from several threads."""

    def __init__(self, words: Iterable[bytes]) -> None:
        self._words = tuple(dict.fromkeys(words))
        self.sought = frozenset(self._words)
        # One report a word, whatever a hostile file repeats.
        self._search = _Search(self._words, hyperscan.HS_FLAG_SINGLEMATCH, literal=True)

    def found_in(self, data: bytes | bytearray | memoryview) -> frozenset[bytes]:
        """Which of the words occur in `data`. Raises `MemoryError` where there is none left to tell."""
        numbers: list[int] = []

        def note(number: int, _start: int, _end: int, _flags: int, _context: object) -> None:
            numbers.append(number)

        self._search.scan(data, note)
        return frozenset(self._words[number] for number in numbers) if numbers else _NONE


_NONE: frozenset[bytes] = frozenset()


class WordPlaces:
    """The same words and where they end, each as often as it occurs. Safe to use from several threads."""

    def __init__(self, words: Words) -> None:
        self.words = words
        self._by_number = tuple(words.sought)
        self._search = _Search(self._by_number, literal=True)

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
            self._search.scan(data, note)
        except MemoryError:
            if len(found) > MOST_PLACES:
                return None
            raise
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
    """An expression in hyperscan's syntax, and where in data it matches. Safe for several threads."""

    def __init__(self, expression: bytes) -> None:
        self._search = _Search((expression,), hyperscan.HS_FLAG_DOTALL, literal=False)

    def ends_in(self, data: bytes | bytearray | memoryview) -> list[int]:
        """The position after every match in `data`. Raises `MemoryError` where there is none left to tell."""
        ends: list[int] = []

        def note(_number: int, _start: int, end: int, _flags: int, _context: object) -> None:
            ends.append(end)

        self._search.scan(data, note)
        return ends
