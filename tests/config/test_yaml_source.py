"""YAML with places."""

from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config.errors import ConfigurationError
from config.yaml_source import MAX_CHARACTERS, MAX_VALUES, read_yaml, read_yaml_file


def refusal(text: str) -> str:
    with pytest.raises(ConfigurationError) as caught:
        read_yaml(text, "f.yaml")
    return str(caught.value)


def test_everything_has_a_place() -> None:
    document = read_yaml("a: 1\nb:\n  - x\n  - c: [true, no]\n", "f.yaml")
    assert document.data == {"a": 1, "b": ["x", {"c": [True, "no"]}]}
    assert document.place(("a",)) == (1, 1)
    assert document.place(("b", 0)) == (3, 5)
    assert document.place(("b", 1, "c", 1)) == (4, 15)
    assert document.place(("b", 1, "nothing", "here")) == (4, 5)
    assert document.place(("nothing",)) == (0, 0)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("true", True), ("False", False), ("yes", "yes"), ("off", "off"), ("12", 12), ("-3", -3), ("0777", 777),
        ("1.5", 1.5), ("1e3", 1000.0), ("12:30:00", "12:30:00"), ("2026-01-01", "2026-01-01"), ("72h", "72h"),
        ("'12'", "12"), ('"true"', "true"), ("1_000", "1_000"), ("0x10", "0x10"), (".", "."), ("<<", "<<"),
        ("9" * 5000, "9" * 5000), ("''", ""), ("|\n  x\n  y\n", "x\ny\n"), ("{}", {}), ("[]", []),
    ],
)  # fmt: skip
def test_plain_scalars_hold_no_surprise(written: str, meant: object) -> None:
    assert read_yaml(f"a: {written}", "f.yaml").data == {"a": meant}


def test_an_empty_document_is_an_empty_mapping() -> None:
    assert read_yaml("", "f.yaml").data == {}
    assert read_yaml("# nothing\n", "f.yaml").data == {}


@pytest.mark.parametrize(
    ("text", "place", "said"),
    [
        ("a: 1\na: 2", "f.yaml:2:1", "'a' appears twice, first on line 1"),
        ("a: {b: 1, b: 2}", "f.yaml:1:11", "'b' appears twice"),
        ("a: &x 1", "f.yaml:1:4", "anchors and aliases are not read"),
        ("a: *x", "f.yaml:1:4", "anchors and aliases are not read"),
        ("a: !!python/object:os.system x", "f.yaml:1:4", "tags are not read"),
        ("a: !!int '3'", "f.yaml:1:4", "tags are not read"),
        ("a:\n  b:\n", "f.yaml:2:5", "there is no value here"),
        ("a: ~", "f.yaml:1:4", "there is no value here"),
        ("- a", "f.yaml:1:1", "must be a mapping"),
        ("a", "f.yaml:1:1", "must be a mapping"),
        ("? [x]\n: 1", "f.yaml:1:3", "a key must be a word"),
        ("a: 1\n---\nb: 2", "f.yaml:2:1", "another document"),
        ("a: [1", "f.yaml:1:6", "expected ',' or ']'"),
        ("a: 1\nb: \x00", "f.yaml:2:4", "U+0000 is not allowed"),
        ("a: " + "[" * 100_000, "f.yaml:1:35", "nested deeper than 32 levels"),
        ("a: [" + "1," * MAX_VALUES + "]", "f.yaml:1:99999", f"more than {MAX_VALUES} values"),
        ("a: '" + "x" * MAX_CHARACTERS + "'", "f.yaml", f"longer than {MAX_CHARACTERS} characters"),
    ],
)
def test_what_could_be_misread_is_refused_at_its_place(text: str, place: str, said: str) -> None:
    message = refusal(text)
    assert message.startswith(place + ": ")
    assert said in message


def test_all_problems_are_told_at_once() -> None:
    assert len(refusal("a: 1\na: 2\nb:\nc: ~\n").splitlines()) == 3


def test_a_billion_laughs_are_not_laughed() -> None:
    laughs = 'a: &a ["lol"]\n'
    for known, new in pairwise("abcdefghi"):
        laughs += f"{new}: &{new} [{', '.join([f'*{known}'] * 9)}]\n"
    assert "anchors and aliases are not read" in refusal(laughs)


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    with suppress(ConfigurationError):
        read_yaml(text, "f.yaml")


def test_files_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"nowhere\.yaml: cannot be read: No such file"):
        read_yaml_file(tmp_path / "nowhere.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe9")
    with pytest.raises(ConfigurationError, match="not UTF-8 at byte 3"):
        read_yaml_file(tmp_path / "latin.yaml")
    (tmp_path / "marked.yaml").write_bytes(b"\xef\xbb\xbfa: 1")
    assert read_yaml_file(tmp_path / "marked.yaml").data == {"a": 1}
