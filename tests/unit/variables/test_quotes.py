"""White space and quotes around a value, which are no part of it."""

import pytest

from websocket_handler.variables.quotes import clean


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", ""),
        (" a ", "a"),
        ('"a"', "a"),
        ("'a'", "a"),
        (" ' a ' ", "a"),
        ('""', ""),
        ('"', '"'),
        ("'", "'"),
        ("\"a'", "\"a'"),
        ('"a" and "b"', '"a" and "b"'),
        ("'it\"s'", 'it"s'),
        ("'a','b'", "a,b"),
        ("'a', \"b\" ,", "a,b,"),
        ("'a',b", "'a',b"),
        ("'a,b'", "a,b"),
        ("a,b", "a,b"),
        ("'''", "'''"),
    ],
)
def test_one_pair_of_quotes_around_a_value_or_around_each_entry_is_taken_off(text: str, value: str) -> None:
    assert clean(text) == value


@pytest.mark.parametrize("text", ["a", "a,b", "it's", 'say "x"', "http://a/b?c='d'"])
def test_what_was_cleaned_stays_as_it_is(text: str) -> None:
    assert clean(text) == clean(clean(text)) == text
