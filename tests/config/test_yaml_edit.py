"""One thing is changed in a YAML text, and every other character stays."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from config.yaml_edit import add_item, add_pair, remove
from config.yaml_source import read_yaml

KEY = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("s: {}\nr: 1\n", "s:\n  a:\n    k: v\nr: 1\n"),
        (
            "s: {}   # nobody yet\n#  a:\n#    k: v\nr: 1\n",
            "s:   # nobody yet\n  a:\n    k: v\n#  a:\n#    k: v\nr: 1\n",
        ),
        ("s: {}", "s:\n  a:\n    k: v"),
        ("s:\n  b: {k: v}  # b\n  # after b\n\nr: 1\n", "s:\n  b: {k: v}  # b\n  a:\n    k: v\n  # after b\n\nr: 1\n"),
        (
            "s:\n    b:\n      k: |\n        x\n\n\nr: 1\n",
            "s:\n    b:\n      k: |\n        x\n    a:\n      k: v\n\n\nr: 1\n",
        ),
        ("s:\r\n  b: {k: v}\r\nr: 1\r\n", "s:\r\n  b: {k: v}\r\n  a:\r\n    k: v\r\nr: 1\r\n"),
        ("{s: {}, r: 1}", '{s: {a: {"k": "v"}}, r: 1}'),
        ('{"s": {"b": {}}}', '{"s": {"b": {}, a: {"k": "v"}}}'),
        ("s: {b: {k: v} }\n", 's: {b: {k: v}, a: {"k": "v"} }\n'),
    ],
)
def test_a_pair_is_added_where_the_others_are(before: str, after: str) -> None:
    assert add_pair(before, ("s",), "a", {"k": "v"}) == after


def test_a_text_of_several_lines_is_written_as_such_and_what_could_be_misread_in_quotes() -> None:
    added = add_pair("s: {}\n", ("s",), "yes", {"key": KEY, "not_after": "2027-12-31T00:00:00+00:00"})
    lines = "".join(f"      {line}\n" for line in KEY.splitlines())
    assert added == f"s:\n  'yes':\n    key: |\n{lines}    not_after: '2027-12-31T00:00:00+00:00'\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("of: [a]  # us\n", "of: [a, c]  # us\n"),
        ("of: []\n", "of: [c]\n"),
        ("of: [ ] # nobody\n", "of: [c ] # nobody\n"),
        ("of:\n  - a\n  - b # b\nx: 1\n", "of:\n  - a\n  - b # b\n  - c\nx: 1\n"),
        ("of:\n- a", "of:\n- a\n- c"),
        ("of: [\n  a,\n  b,\n]\n", "of: [\n  a,\n  b, c,\n]\n"),
    ],
)
def test_an_item_is_added_where_the_others_are(before: str, after: str) -> None:
    assert add_item(before, ("of",), "c") == after


@pytest.mark.parametrize(
    ("before", "location", "after"),
    [
        ("s:\n  a:\n    k: |\n      x\n\n  # about b\n  b: {}\n", ("s", "a"), "s:\n\n  # about b\n  b: {}\n"),
        ("s:  # who\n  a: 1  # a\nr: 1\n", ("s", "a"), "s: {}  # who\nr: 1\n"),
        ("s:\n  b: 1\n  a:\n    k: 1", ("s", "a"), "s:\n  b: 1\n"),
        ("s: {a: 1, b: 2}\n", ("s", "a"), "s: {b: 2}\n"),
        ("s: {a: 1, b: 2}\n", ("s", "b"), "s: {a: 1}\n"),
        ("s: {a: 1}\n", ("s", "a"), "s: {}\n"),
        ("of: [a, b]\n", ("of", 1), "of: [a]\n"),
        ("of:\n  - a\n  - b\n", ("of", 0), "of:\n  - b\n"),
        ("of:\n  - a # a\nx: 1\n", ("of", 0), "of: []\nx: 1\n"),
        ("s:\r\n  a: 1\r\nr: 1\r\n", ("s", "a"), "s: {}\r\nr: 1\r\n"),
    ],
)
def test_a_pair_or_an_item_is_taken_out(before: str, location: tuple[str | int, ...], after: str) -> None:
    assert remove(before, location) == after


@pytest.mark.parametrize("location", [("t",), ("s", "b"), ("s", 0), ("of", 1), ("s", "a", "k")])
def test_what_is_not_there_is_not_taken_out(location: tuple[str | int, ...]) -> None:
    with pytest.raises(LookupError):
        remove("s: {a: 1}\nof: [x]\n", location)


def test_a_pair_needs_a_mapping_and_an_item_a_list() -> None:
    for text in ("s: 1\n", "s: [1]\n", "t: {}\n", ""):
        with pytest.raises(LookupError):
            add_pair(text, ("s",), "a", "v")
    for text in ("s: 1\n", "s: {}\n", "t: []\n"):
        with pytest.raises(LookupError):
            add_item(text, ("s",), "a")


names = st.sampled_from(["a", "release", "no", "1", "x y", "a: b", "#c", "ü", "-", "[", "'"])
layouts = st.sampled_from(["block", "flow", "mixed"])
comments = st.sampled_from(["", "  # says something: [x]"])


@settings(max_examples=150, deadline=None)
@given(st.lists(names, unique=True, max_size=4), names, layouts, comments, st.sampled_from(["", "\n", "\n\n# end\n"]))
def test_whatever_the_layout_what_is_read_is_what_was_meant(
    there: list[str], new: str, layout: str, comment: str, between: str
) -> None:
    text = _written(there, layout, comment, between)
    before: dict[str, Any] = dict(read_yaml(text, "x").data)
    assert before == {"s": {name: {"key": KEY} for name in there}, "of": there, "r": "1x"}
    if new in there:
        after = read_yaml(remove(remove(text, ("s", new)), ("of", there.index(new))), "x").data
        left = [name for name in there if name != new]
        assert after == {"s": {name: {"key": KEY} for name in left}, "of": left, "r": "1x"}
    else:
        after = read_yaml(add_item(add_pair(text, ("s",), new, {"key": KEY}), ("of",), new), "x").data
        assert after == {"s": {name: {"key": KEY} for name in [*there, new]}, "of": [*there, new], "r": "1x"}


def _written(names: list[str], layout: str, comment: str, between: str) -> str:
    signers, of = _json({name: {"key": KEY} for name in names}), _json(names)
    if layout == "flow":
        return f'{{"s": {signers}, of: {of}, r: 1x}}{between}'
    if layout == "mixed" or not names:
        return f"s: {signers}{comment}\n{between}\nof: {of}{comment}\nr: 1x"
    literal = "".join(f"      {line}\n" for line in KEY.splitlines())
    blocks = "".join(f"  {_json(name)}:{comment}\n    key: |\n{literal}{between}" for name in names)
    items = "".join(f"  - {_json(name)}{comment}\n" for name in names)
    return f"s:{comment}\n{blocks}of:\n{items}{between}r: 1x"


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False)
