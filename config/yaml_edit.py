"""Changes one thing in the text of a YAML document, and leaves every other character as it was written.

A person's file keeps its comments, its order and its layout. Where a thing stands is taken from the composer's marks,
so the text is read as strictly as `read_yaml` reads it. What the result means is for the caller to check: a change that
cannot be made in a layout that nobody thought of must not go unnoticed.
"""

import json
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import yaml
from yaml.nodes import CollectionNode, MappingNode, Node, ScalarNode, SequenceNode

from config.errors import Location
from config.yaml_source import compose

Plain: TypeAlias = "str | Sequence[Plain] | Mapping[str, Plain]"
"""What is put into a document: texts, in lists and mappings."""

_BLANK = " \t\r\n"
_STEP = 2


def add_pair(text: str, mapping: Location, key: str, value: Plain) -> str:
    """`text` with `key: value` as the last pair of the mapping at `mapping`. Raises `LookupError` if there is none."""
    match _find(text, mapping):
        case _Place(MappingNode(value=[]) as node, Node() as holder):
            return _opened(text, holder, node, _block({key: value}, holder.start_mark.column + _STEP))
        case _Place(MappingNode(value=[]) as node, None):
            return _insert(text, node.start_mark.index + 1, f"{_flow(key)}: {_flow(value)}")
        case _Place(MappingNode(flow_style=True, value=[*_, (_, last)])):
            return _insert(text, _end(last), f", {_flow(key)}: {_flow(value)}")
        case _Place(MappingNode(value=[(first, _), *_]) as node):
            return _new_lines(text, node, _block({key: value}, first.start_mark.column))
    raise LookupError(mapping)


def add_item(text: str, sequence: Location, value: str) -> str:
    """`text` with `value` as the last item of the sequence at `sequence`. Raises `LookupError` if there is none."""
    match _find(text, sequence):
        case _Place(SequenceNode(value=[]) as node):
            return _insert(text, node.start_mark.index + 1, _flow(value))
        case _Place(SequenceNode(flow_style=True, value=[*_, last])):
            return _insert(text, _end(last), f", {_flow(value)}")
        case _Place(SequenceNode(value=[*_, last]) as node):
            begin = last.start_mark.index - last.start_mark.column
            return _new_lines(text, node, text[begin : last.start_mark.index] + _flow(value))
    raise LookupError(sequence)


def remove(text: str, location: Location) -> str:
    """`text` without the pair or item at `location`. Raises `LookupError` if there is none."""
    above = _find(text, location[:-1])
    children = _children(above.node)
    at = next((number for number, child in enumerate(children) if child.name == location[-1]), None)
    if at is None:
        raise LookupError(location)
    gone = children[at]
    if _is_flow(above.node):
        if at + 1 < len(children):
            return text[: gone.begin] + text[children[at + 1].begin :]
        return text[: children[at - 1].end if at else gone.begin] + text[gone.end :]
    begin = text.rfind("\n", 0, gone.begin) + 1
    end = _line_end(text, gone.end)
    rest = text[:begin] + text[end:].removeprefix("\r").removeprefix("\n")
    if len(children) > 1 or above.holder is None:
        return rest
    colon = text.index(":", above.holder.end_mark.index) + 1  # nothing is left below it
    return _insert(rest, colon, " {}" if isinstance(above.node, MappingNode) else " []")


@dataclass(frozen=True, slots=True)
class _Place:
    """A node, and the key that it is the value of, where that stands in lines of their own."""

    node: Node
    holder: Node | None


@dataclass(frozen=True, slots=True)
class _Child:
    """A pair or an item, and where in the text it stands."""

    name: str | int
    begin: int
    end: int
    value: Node
    key: Node | None = None


def _find(text: str, location: Location) -> _Place:
    root = compose(text)
    if root is None:
        raise LookupError(location)
    place = _Place(root, None)
    for part in location:
        child = next((child for child in _children(place.node) if child.name == part), None)
        if child is None:
            raise LookupError(location)
        place = _Place(child.value, None if _is_flow(place.node) else child.key)
    return place


def _children(node: Node) -> list[_Child]:
    if isinstance(node, MappingNode):
        return [_Child(key.value, key.start_mark.index, _end(value), value, key) for key, value in node.value]
    if isinstance(node, SequenceNode):
        return [_Child(at, one.start_mark.index, _end(one), one) for at, one in enumerate(node.value)]
    return []


def _end(node: Node) -> int:
    """Where a node ends: the composer's mark of a block is where the next thing begins, after comments."""
    children = [] if _is_flow(node) else _children(node)
    return children[-1].end if children else int(node.end_mark.index)


def _is_flow(node: Node) -> bool:
    """Whether it stands in brackets, so that lines and columns mean nothing in it."""
    return isinstance(node, CollectionNode) and bool(node.flow_style)


def _line_end(text: str, index: int) -> int:
    """Where the line ends on which something ends: the mark of a literal is after the line breaks that follow it."""
    while index and text[index - 1] in _BLANK:
        index -= 1
    end = text.find("\n", index)
    end = len(text) if end < 0 else end
    return end - 1 if text[end - 1 : end] == "\r" else end


def _new_lines(text: str, after: Node, lines: str) -> str:
    return _insert(text, _line_end(text, _end(after)), f"\n{lines}")


def _opened(text: str, holder: Node, empty: Node, lines: str) -> str:
    """`key: {}  # comment` becomes `key:  # comment` with lines below."""
    colon = text.index(":", holder.end_mark.index) + 1
    rest = text[:colon] + text[empty.end_mark.index :]
    return _insert(rest, _line_end(rest, colon), f"\n{lines}")


def _insert(text: str, index: int, more: str) -> str:
    return text[:index] + (more.replace("\n", "\r\n") if "\r\n" in text else more) + text[index:]


def _block(value: Plain, column: int) -> str:
    dumped: str = yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=1 << 20)
    return textwrap.indent(dumped, " " * column).removesuffix("\n")


def _flow(value: Plain) -> str:
    """In one line. A word stands without quotes where every YAML reads it as one."""
    if not isinstance(value, str):
        return json.dumps(value)
    dumped: str = yaml.dump([value], Dumper=_Dumper, default_flow_style=True, allow_unicode=True, width=1 << 20)
    return json.dumps(value) if "\n" in value else dumped.strip()[1:-1]


class _Dumper(yaml.SafeDumper):
    """Writes texts of several lines as such."""

    def represent_text(self, value: str) -> ScalarNode:
        return self.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Dumper.add_representer(str, _Dumper.represent_text)
