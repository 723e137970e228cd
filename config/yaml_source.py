"""YAML the operator wrote, as plain data that remembers on which line everything stands.

Read strictly: one document, a mapping at the top, keys that are strings and appear once, no anchors and no tags.
Plain scalars mean what the YAML 1.2 core schema says, so `no`, `12:30` and `2026-01-01` stay strings.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import yaml
from yaml.composer import ComposerError
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from config.errors import ConfigurationError, Location, Problem

MAX_CHARACTERS = 1 << 20
MAX_DEPTH = 32
MAX_VALUES = 50_000
"""Of one document, keys among them: nobody writes more, and each of them takes its time."""

_NULL, _TRUE, _FALSE = ("", "~", "null", "Null", "NULL"), ("true", "True", "TRUE"), ("false", "False", "FALSE")
_INTEGER = re.compile(r"[-+]?[0-9]{1,18}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]{1,18}|[0-9]{1,18}(?:\.[0-9]{0,18})?)(?:[eE][-+]?[0-9]{1,3})?")


@dataclass(frozen=True, slots=True)
class YamlDocument:
    """`data` holds dicts, lists and scalars; `places` the line and column (from 1) of every key and item."""

    source: str
    data: Mapping[str, object]
    places: Mapping[Location, tuple[int, int]]

    def place(self, location: Location) -> tuple[int, int]:
        """Where `location` is, or the nearest thing around it that is there; (0, 0) for the document."""
        for length in range(len(location), 0, -1):
            if place := self.places.get(location[:length]):
                return place
        return 0, 0


def read_yaml(text: str, source: str) -> YamlDocument:
    """Read `text`; `source` names it in problems. Raises `ConfigurationError` with all that is wrong."""
    if len(text) > MAX_CHARACTERS:
        raise _refusal(source, 0, 0, f"the document is longer than {MAX_CHARACTERS} characters; split or shorten it")
    try:
        root = _Composer(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        said = ", ".join(part for part in (error.context, error.problem) if part)
        raise _refusal(source, line, column, f"this is not the YAML expected here: {said}") from error
    except yaml.reader.ReaderError as error:
        said = f"the character U+{error.character:04X} is not allowed in YAML; remove it"
        line = text.count("\n", 0, error.position) + 1
        raise _refusal(source, line, error.position - text.rfind("\n", 0, error.position), said) from error
    reader = _Reader(source)
    data: dict[str, object] = {}
    if isinstance(root, MappingNode):
        data = reader.mapping(root, ())
    elif root is not None:
        reader.refuse(root, "the document must be a mapping: lines of the form key: value")
    if reader.problems:
        raise ConfigurationError(tuple(reader.problems))
    return YamlDocument(source, MappingProxyType(data), MappingProxyType(reader.places))


def compose(text: str) -> Node | None:
    """The nodes of a document that `read_yaml` reads, with marks that tell where each stands; None for an empty one."""
    return _Composer(text).get_single_node()


def read_yaml_file(path: Path) -> YamlDocument:
    """Read the file at `path`. Raises `ConfigurationError`."""
    return read_yaml(read_text_file(path), str(path))


def read_bytes_of_file(path: Path) -> bytes:
    """What is in the file at `path`, or so much of it that it is too long to be read. Raises `ConfigurationError`."""
    try:
        with path.open("rb") as file:
            return file.read(4 * MAX_CHARACTERS + 1)
    except OSError as error:
        raise _refusal(str(path), 0, 0, f"cannot be read: {error.strerror or error}") from error


def read_text_file(path: Path) -> str:
    """The text of the file at `path`, or so much of it that it is too long to be read. Raises `ConfigurationError`."""
    content = read_bytes_of_file(path)
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise _refusal(str(path), 0, 0, f"is not UTF-8 at byte {error.start}; save it as UTF-8") from error


def _refusal(source: str, line: int, column: int, message: str) -> ConfigurationError:
    return ConfigurationError((Problem(source, line, column, message),))


class _Composer(yaml.SafeLoader):
    """PyYAML's composer, bounded in depth and number of values, without anchors, whose expansion has no bound."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._values = 0

    def compose_node(self, parent: Node | None, index: int) -> Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]  # the stubs leave it out
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise ComposerError(None, None, "anchors and aliases are not read; write the value out", event.start_mark)
        if getattr(event, "tag", None) is not None:
            raise ComposerError(None, None, "tags are not read; write the plain value", event.start_mark)
        if self._depth == MAX_DEPTH:
            raise ComposerError(None, None, f"nested deeper than {MAX_DEPTH} levels", event.start_mark)
        self._values += 1
        if self._values > MAX_VALUES:
            said = f"the document holds more than {MAX_VALUES} values; split or shorten it"
            raise ComposerError(None, None, said, event.start_mark)
        self._depth += 1
        node: Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node


class _Reader:
    """Turns nodes into data, and notes places and problems on the way."""

    def __init__(self, source: str) -> None:
        self._source = source
        self.places: dict[Location, tuple[int, int]] = {}
        self.problems: list[Problem] = []

    def refuse(self, node: Node, message: str) -> None:
        mark = node.start_mark
        self.problems.append(Problem(self._source, mark.line + 1, mark.column + 1, message))

    def value(self, node: Node, location: Location) -> object:
        if isinstance(node, MappingNode):
            return self.mapping(node, location)
        if isinstance(node, SequenceNode):
            return [self._item(item, (*location, index)) for index, item in enumerate(node.value)]
        value = _scalar(node.value, plain=isinstance(node, ScalarNode) and node.style is None)
        if value is None:
            # Nothing after a key reads as "the defaults" to a person and as "not at all" to a parser.
            self.refuse(node, "there is no value here; write {} for the defaults, or leave the key out")
        return value

    def mapping(self, node: MappingNode, location: Location) -> dict[str, object]:
        return dict(self._pairs(node, location))

    def _item(self, node: Node, location: Location) -> object:
        self._note(node, location)
        return self.value(node, location)

    def _pairs(self, node: MappingNode, location: Location) -> Iterator[tuple[str, object]]:
        for key, value in node.value:
            if not isinstance(key, ScalarNode) or not key.value:
                self.refuse(key, "a key must be a word; put it in quotes if it is meant so")
                continue
            place = (*location, key.value)
            if place in self.places:
                self.refuse(key, f"the key {key.value!r} appears twice, first on line {self.places[place][0]}")
                continue
            self._note(key, place)
            yield key.value, self.value(value, place)

    def _note(self, node: Node, location: Location) -> None:
        self.places[location] = (node.start_mark.line + 1, node.start_mark.column + 1)


def _scalar(text: str, *, plain: bool) -> str | int | float | bool | None:
    if not plain:
        return text
    if text in _NULL:
        return None
    if text in _TRUE or text in _FALSE:
        return text in _TRUE
    if _INTEGER.fullmatch(text):
        return int(text)
    return float(text) if _FLOAT.fullmatch(text) else text
