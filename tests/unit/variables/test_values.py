"""The text of one variable: what counts, what does not, and what a wrong one may have meant."""

from typing import Annotated, Literal

import pytest
from msgspec import Meta

from websocket_handler.variables.quotes import clean
from websocket_handler.variables.values import NUMBER_MAX, allowed, convert, guess

SWITCH = Annotated[Literal["on", "off"], Meta()]
NUMERIC_SWITCH = Annotated[Literal["0", "1"], Meta()]
LEVEL = Annotated[Literal["DEBUG", "INFO", "WARNING", "ERROR"], Meta()]
MODE = Annotated[Literal["none", "jwt"], Meta()]
METRICS = Annotated[Literal["emf", "off"], Meta()]
COUNT = Annotated[int, Meta(ge=0)]
SECONDS = Annotated[float, Meta(ge=0, le=110, extra={"unit": "s"})]
BYTES = Annotated[int, Meta(ge=1024, le=1_048_576, extra={"unit": "bytes"})]
TEXT = Annotated[str, Meta()]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (" 8080\r\n", "8080"),
        ('"8080"', "8080"),
        ("'8080'", "8080"),
        ('" 8080 "', "8080"),
        ('""', ""),
        ('"', '"'),
        ("\"8080'", "\"8080'"),
        ("'\"a\"'", '"a"'),
        ("'a', 'b',", "a,b,"),
        ('"a,b"', "a,b"),
        ("a,'b'", "a,'b'"),
        ('"a" b "c"', '"a" b "c"'),
    ],
)
def test_space_and_quotes_around_a_value_are_no_part_of_it(text: str, value: str) -> None:
    assert clean(text) == value


@pytest.mark.parametrize("text", ["on", "ON", "true", "True", "1", "yes", "Y", "enabled"])
def test_a_switch_is_on_in_every_usual_word(text: str) -> None:
    assert (convert(text, SWITCH), convert(text, NUMERIC_SWITCH)) == ("on", "1")


@pytest.mark.parametrize("text", ["off", "Off", "false", "0", "no", "N", "disabled"])
def test_a_switch_is_off_in_every_usual_word(text: str) -> None:
    assert (convert(text, SWITCH), convert(text, NUMERIC_SWITCH), convert(text, METRICS)) == ("off", "0", "off")


@pytest.mark.parametrize(
    ("text", "hint", "value"),
    [("warning", LEVEL, "WARNING"), ("Warn", LEVEL, "WARNING"), ("JWT", MODE, "jwt"), ("EMF", METRICS, "emf")],
)
def test_case_does_not_matter_for_words(text: str, hint: object, value: str) -> None:
    assert convert(text, hint) == value


@pytest.mark.parametrize(
    ("text", "hint", "near"),
    [
        ("loud", LEVEL, ""),
        ("WARNIGN", LEVEL, "WARNING"),
        ("off", MODE, ""),
        ("true", MODE, ""),
        ("on", METRICS, ""),
        ("maybe", SWITCH, ""),
    ],
)
def test_another_word_is_told_the_words_that_there_are(text: str, hint: object, near: str) -> None:
    with pytest.raises(ValueError, match="must be one of ") as caught:
        convert(text, hint)
    assert str(caught.value) == f"must be {allowed(hint)}"
    assert guess(text, hint) == near


def test_what_is_allowed_is_told_in_words() -> None:
    assert allowed(LEVEL) == "one of DEBUG, INFO, WARNING, ERROR"
    assert allowed(COUNT) == "a whole number, at least 0"
    assert allowed(SECONDS) == "a number of seconds from 0 to 110"
    assert allowed(BYTES) == "a whole number of bytes from 1024 to 1048576"


@pytest.mark.parametrize(
    ("text", "hint", "near"),
    [
        ("10_000", COUNT, "10000"),
        ("10 000", COUNT, "10000"),
        ("10,000", COUNT, "10000"),
        ("+5", COUNT, "5"),
        ("007", COUNT, "7"),
        ("8080.0", COUNT, "8080"),
        ("5.", COUNT, ""),
        ("1e3", COUNT, "1000"),
        ("1E3", COUNT, "1000"),
        ("10e-1", COUNT, ""),
        ("30g", Annotated[int, Meta(ge=0, extra={"unit": "bytes"})], "32212254720"),
        ("1m", SECONDS, "60"),
        ("500ms", SECONDS, "0.5"),
        ("2,5", SECONDS, "2.5"),
        ("1h", SECONDS, ""),
        ("64k", BYTES, "65536"),
        ("1 MiB", BYTES, "1048576"),
        ("1GB", BYTES, ""),
        ("eighty", COUNT, ""),
        ("0x10", COUNT, ""),
        ("1.5", COUNT, ""),
        ("nan", SECONDS, ""),
        ("inf", SECONDS, ""),
        ("1e999", SECONDS, ""),
        ("-1", COUNT, ""),
        ("111", SECONDS, ""),
        ("٣", COUNT, ""),
        ("true", COUNT, ""),
    ],
)
def test_a_number_is_not_guessed_but_what_it_may_mean_is_told(text: str, hint: object, near: str) -> None:
    with pytest.raises(ValueError, match="must be a"):
        convert(text, hint)
    assert guess(text, hint) == near


@pytest.mark.parametrize(
    ("text", "hint", "value"),
    [
        ("0", COUNT, 0),
        (str(NUMBER_MAX), COUNT, NUMBER_MAX),
        ("0", SECONDS, 0.0),
        ("1e1", SECONDS, 10.0),
        ("5.0", SECONDS, 5.0),
        ("2.5", SECONDS, 2.5),
    ],
)
def test_numbers_are_read(text: str, hint: object, value: float) -> None:
    assert convert(text, hint) == value


def test_a_number_beyond_all_numbers_is_refused() -> None:
    for hint in (COUNT, Annotated[float, Meta(ge=0)]):
        with pytest.raises(ValueError, match=f"at most {NUMBER_MAX}"):
            convert(str(NUMBER_MAX + 1), hint)


@pytest.mark.parametrize("text", ["a\nb", "a\tb", "\udcff", "\x1b[0m", "\u200b"])
def test_a_text_is_one_line_that_can_be_printed(text: str) -> None:
    with pytest.raises(ValueError, match="printable"):
        convert(text, TEXT)


def test_a_secret_may_be_any_text() -> None:
    assert convert("a\tb\u200b", Annotated[str, Meta(extra={"is_secret": True})]) == "a\tb\u200b"


def test_a_key_may_have_several_lines() -> None:
    key = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----"
    assert convert(key, TEXT) == key
