"""A document is strict JSON whose values have the type that is asked for, or one sentence says what it is instead."""

import re

import pytest

from fourtuple.net import document
from fourtuple.net.document import Value


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "it is not JSON: Expecting property name"),
        ("[" * 100_000, "it is nested deeper than 32 lists and objects"),
        ("[" * 33 + "]" * 33, "it is nested deeper than 32 lists and objects"),
        ('{"a": ' * 100_000, "it is nested deeper than 32 lists and objects"),
        ("1" * 1_000_000, "it is not JSON: a whole number of 1000000 digits, 20 at most were wanted"),
        ("NaN", "it is not JSON: NaN is no number"),
        ("-Infinity", "it is not JSON: -Infinity is no number"),
        ("1e999", "it is not JSON: 1e999 is no number"),
        ('{"a": 1, "a": 2}', "it is not JSON: the key 'a' stands there twice"),
        ('"\\ud800"', "it holds half of a surrogate pair"),
    ],
)
def test_what_a_parser_accepts_and_a_program_stumbles_over_is_refused(text, sentence):
    with pytest.raises(ValueError, match="^" + re.escape(sentence)) as caught:
        document.read(text, "it")
    assert len(str(caught.value).splitlines()) == 1


def test_as_deep_as_allowed_is_read():
    assert document.read("[" * 32 + "]" * 32, "it").list()
    assert document.read('"\\ud83d\\ude00"', "it").text() == "\N{GRINNING FACE}"


@pytest.mark.parametrize(
    ("raw", "ask", "sentence"),
    [
        (7, Value.text, "it: text was wanted, found 7"),
        ("x" * 99, Value.number, f"it: a whole number was wanted, found '{'x' * 40}'..."),
        (True, Value.number, "it: a whole number was wanted, found true"),
        (True, Value.real, "it: a number was wanted, found true"),
        (None, Value.list, "it: a list was wanted, found null"),
        ([], lambda it: it["a"], "it: an object was wanted, found a list"),
        ({}, lambda it: it["a"], "it has no 'a'"),
        ({"a": {}}, lambda it: it["a"].text(), "it: a: text was wanted, found an object"),
        ([1, "x"], lambda it: [part.number() for part in it.list()], "it, 2: a whole number was wanted, found 'x'"),
        ("two\nlines", Value.name, r"it: a name was wanted, found 'two\nlines'"),
        ("\x1b[31m", Value.name, r"it: a name was wanted, found '\x1b[31m'"),
    ],
)
def test_a_value_of_another_type_is_named_with_its_place(raw, ask, sentence):
    with pytest.raises(ValueError, match="^" + re.escape(sentence) + "$"):
        ask(Value(raw, "it"))
