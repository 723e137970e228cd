"""Literal words sought in file content, all of them in one pass however many there are.

Only whether a word occurs is told. What it means is for expressions and readers of their own to decide, which then
run on few files.
"""

from collections.abc import Iterable
from threading import Lock
from typing import cast

import hyperscan


class Words:
    """A fixed set of words of at least one byte each, compiled once. Safe to use from several threads."""

    def __init__(self, words: Iterable[bytes]) -> None:
        self._words = tuple(dict.fromkeys(words))
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
