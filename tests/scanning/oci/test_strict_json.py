"""The JSON reader accepts what every reader takes the same way, and nothing else."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scanning.errors import InvalidJsonError
from scanning.oci.strict_json import MAX_DEPTH, MAX_VALUES, parse

LIMIT = 1024 * 1024


def refusal(body: bytes) -> str:
    with pytest.raises(InvalidJsonError) as caught:
        parse(body, "the document", LIMIT)
    return str(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        b'{"layers": [], "Layers": []}',
        '{"layers": [], "layer\u017f": []}'.encode(),
        rb'{"layers": [], "layer\u017f": []}',
        '{"token": 1, "to\u212aen": 2}'.encode(),
        b'[{"config": {"digest": "a", "DIGEST": "b"}}]',
    ],
)
def test_t39_keys_that_differ_only_in_case_are_refused(body: bytes) -> None:
    assert "differ only in case" in refusal(body)


@pytest.mark.parametrize("name", ["annotations", "Labels", "ExposedPorts", "Volumes"])
def test_keys_of_maps_may_differ_in_case(name: str) -> None:
    document = {name: {"Vendor": "one", "vendor": "two"}}
    assert parse(json.dumps(document).encode(), "the document", LIMIT) == document


def test_the_keys_of_an_object_inside_a_map_may_not_differ_in_case() -> None:
    assert "differ only in case" in refusal(b'{"annotations": {"a": {"b": 1, "B": 2}}}')


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 1_100, 100_000])
@pytest.mark.parametrize(("opening", "closing"), [(b"[", b"]"), (b'{"a":', b"}")])
def test_t40_deep_nesting_is_refused(depth: int, opening: bytes, closing: bytes) -> None:
    body = opening * depth + b"1" + closing * depth
    assert f"nests deeper than {MAX_DEPTH} levels" in refusal(body)


def test_nesting_up_to_the_bound_is_read() -> None:
    parse(b"[" * MAX_DEPTH + b"1" + b"]" * MAX_DEPTH, "the document", LIMIT)


@pytest.mark.parametrize("digits", ["1" * 5_000, "-" + "9" * 19, str(2**63), "1" * 70])
def test_t40_integers_beyond_64_bits_are_refused(digits: str) -> None:
    assert "does not fit in 64 bits" in refusal(digits.encode())


def test_integers_of_64_bits_are_read() -> None:
    assert parse(f"[{2**63 - 1}, {-(2**63)}, -0]".encode(), "the document", LIMIT) == [2**63 - 1, -(2**63), 0]


@pytest.mark.parametrize("number", [b"1e400", b"-1e999", b"0." + b"1" * 100])
def test_t40_numbers_beyond_64_bits_are_refused(number: bytes) -> None:
    assert "does not fit in 64 bits" in refusal(number)


@pytest.mark.parametrize("body", [b'"\xff"', b'"\xc0\xaf"', b'"\xed\xa0\x80"', b'"\xf4\x90\x80\x80"'])
def test_t40_bytes_that_are_not_utf_8_are_refused(body: bytes) -> None:
    assert refusal(body) == "the document is not UTF-8 at byte 1"


@pytest.mark.parametrize("body", [rb'"\ud800"', rb'{"\udfff": 1}', rb'["a\udc00\ud800"]'])
def test_t40_half_a_surrogate_pair_is_refused(body: bytes) -> None:
    assert "half of a surrogate pair" in refusal(body)


def test_a_whole_surrogate_pair_is_one_character() -> None:
    assert parse(rb'"\ud83d\ude00"', "the document", LIMIT) == "\U0001f600"


@pytest.mark.parametrize("body", [b'{"a": 1, "a": 1}', rb'{"a": 1, "\u0061": 2}', b'{"x": [{"a": 1, "b": 2, "a": 3}]}'])
def test_t41_equal_keys_are_refused(body: bytes) -> None:
    assert refusal(body) == "the document holds the key 'a' twice in one object; readers disagree which counts"


@pytest.mark.parametrize("constant", [b"NaN", b"Infinity", b"-Infinity"])
def test_constants_that_are_not_json_are_refused(constant: bytes) -> None:
    assert "which is not JSON" in refusal(constant)


@pytest.mark.parametrize(
    "body", [b"", b"{}{}", b"{} x", b"{'a': 1}", b"[1,]", b'"\x00"', b"\xef\xbb\xbf{}", b"01", b"// a\n1"]
)
def test_what_is_not_one_json_document_is_refused(body: bytes) -> None:
    assert refusal(body).startswith("the document is not JSON: ")


def test_documents_over_the_size_limit_are_not_parsed() -> None:
    assert refusal(b"[" * (LIMIT + 1)) == f"the document has {LIMIT + 1} bytes; at most {LIMIT} are read"


def test_small_bytes_cannot_become_many_values() -> None:
    assert refusal(b"[" + b"[]," * MAX_VALUES + b"1]") == f"the document holds more than {MAX_VALUES} values"


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        parse(body, "the document", LIMIT)
    except InvalidJsonError:
        return
    json.loads(body)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


def folds_together(document: object) -> bool:
    """Whether some object in `document` has two keys that differ only in case."""
    match document:
        case list():
            return any(map(folds_together, document))
        case dict():
            keys = {key.casefold() for key in document}
            return len(keys) < len(document) or any(map(folds_together, document.values()))
        case _:
            return False


@given(JSON.filter(lambda document: not folds_together(document)))
def test_what_is_written_is_read(document: object) -> None:
    assert parse(json.dumps(document).encode(), "the document", LIMIT) == document
