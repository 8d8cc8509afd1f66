"""Strict JSON and its canonical form."""

from __future__ import annotations

import sys

import pytest

from careledger.fhir.canonical import canonical, canonical_of, content_digest
from careledger.fhir.json_text import MOST_DEPTH, Flaw, Number, read, read_again


def why(data: bytes) -> tuple[str, str]:
    with pytest.raises(Flaw) as caught:
        read(data)
    return caught.value.path, caught.value.why


def test_numbers_keep_the_digits_they_were_written_with() -> None:
    value = read(b'{"a":1.0,"b":1.00,"c":1E5,"d":-0.0,"e":100000000000000000001}')
    assert [value[name].text for name in "abcde"] == ["1.0", "1.00", "1E5", "-0.0", "100000000000000000001"]
    assert value["a"] != value["b"]
    assert value["a"].decimal == value["b"].decimal


def test_the_canonical_form_has_sorted_names_no_space_and_the_source_s_digits() -> None:
    text = b' {"z" : [1.50, true, null, "a"] ,\n "a": {"c": "\\u00e9\\/\\u0009", "b": -2e-3} } '
    assert canonical_of(text) == '{"a":{"b":-2e-3,"c":"é/\\t"},"z":[1.50,true,null,"a"]}'.encode()


def test_the_canonical_form_of_a_canonical_form_is_itself() -> None:
    once = canonical_of('{"text":"\\ud83d\\ude00 \\"q\\" \\\\ নুর","n":[{"m":0.10}]}'.encode())
    assert canonical_of(once) == once


def test_equal_statements_have_equal_digests_and_another_precision_is_another_statement() -> None:
    one = canonical({"value": Number("1.0"), "unit": "mg"})
    same = canonical({"unit": "mg", "value": Number("1.0")})
    other = canonical({"unit": "mg", "value": Number("1.00")})
    assert content_digest(one) == content_digest(same)
    assert content_digest(one) != content_digest(other)


@pytest.mark.parametrize(
    ("data", "path", "problem"),
    [
        (b'{"a":{"b":1,"c":2,"b":1}}', "a", "the same name twice in one object"),
        (b'{"a":[1,{"b":NaN}]}', "a[1].b", "not a number"),
        (b'{"a":Infinity}', "a", "not a number"),
        (b'{"a":-Infinity}', "a", "not a number"),
        (b'{"a":"x\\ud800y"}', "a", "a character that is not allowed in text"),
        (b'{"a":["\\u0000"]}', "a[0]", "a character that is not allowed in text"),
        (b'{"a":""}', "a", "empty text"),
        (b'{"a":{}}', "a", "empty object"),
        (b'{"a":[]}', "a", "empty array"),
        (b'{"a":{"b":null}}', "a.b", "null"),
        (b'{"a b":1}', "", "a name that no FHIR element has"),
        (b'{"a":' + b"9" * 41 + b"}", "a", "a number of more than 40 characters"),
        (b'{"a":1e309}', "a", "a number beyond 10^308"),
        (b'{"a":1e-999999999}', "a", "a number beyond 10^308"),
        (b'{"a":"\xff"}', "", "not UTF-8 at byte 6"),
        (b'\xef\xbb\xbf{"a":1}', "", "a byte order mark before the text"),
        (b'{"a":1} {"b":1}', "", "text after the end of the value at line 1 column 9"),
        (b'{"a":\n 01}', "", "Expecting ',' delimiter at line 2 column 3"),
        (b'{"a":"x\ny"}', "", "Invalid control character at at line 1 column 8"),
        (b"", "", "Expecting value at line 1 column 1"),
    ],
)
def test_what_two_readers_could_read_differently_is_refused_with_its_place(
    data: bytes, path: str, problem: str
) -> None:
    assert why(data) == (path, problem)


def test_neighbours_of_what_is_refused_are_read() -> None:
    assert read(b'{"a":1e308}')["a"].text == "1e308"
    assert read(b'{"a":' + b"9" * 40 + b"}")["a"].text == "9" * 40
    assert read(b'{"a":"x\\ud83d\\ude00"}') == {"a": "x\U0001f600"}
    assert read(b'{"a":["x",null],"_a":[null,{"id":"b"}]}')["a"] == ["x", None]


@pytest.mark.parametrize("shape", ['{"a":', "["])
def test_nesting_is_bounded_where_it_is_deep_and_where_it_is_absurd(shape: str) -> None:
    close = "}" if shape.startswith("{") else "]"

    def nested(depth: int) -> bytes:
        return (shape * depth + "1" + close * depth).encode()

    assert read(nested(MOST_DEPTH))
    assert why(nested(MOST_DEPTH + 1))[1] == f"nested deeper than {MOST_DEPTH}"
    assert why(nested(100_000))[1] == f"nested deeper than {MOST_DEPTH}"
    assert why((shape * 1_000_000).encode())[1] == f"nested deeper than {MOST_DEPTH}"


def test_nesting_is_bounded_even_where_python_s_own_limit_is_not() -> None:
    """EELS raises the recursion limit of the whole process; json would overrun the stack before it."""
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, 100_000))
    try:
        assert why(b"[" * 1_000_000)[1] == f"nested deeper than {MOST_DEPTH}"
        assert why(b'["' + b"[" * 1_000_000)[1] != f"nested deeper than {MOST_DEPTH}"
        assert read(b'["' + b"[" * 1_000 + b'"]')
    finally:
        sys.setrecursionlimit(before)


def test_what_was_read_once_reads_the_same_without_being_checked() -> None:
    text = '{"a":[1.50,-0,true,{"b":"é \\"q\\" \\\\ নুর"}],"c":100000000000000000001}'
    again = read_again(text)
    assert again == read(text.encode())
    assert canonical(again) == text.encode()
    with pytest.raises(Flaw):
        read_again(text[:-1])
