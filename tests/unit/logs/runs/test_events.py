"""Publications of a log as events of runs."""

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.logs.runs.made import of, payload
from websocket_handler.logs.runs.events import Event, Malformed, Other, event_of, read_event
from websocket_handler.logs.runs.problems import Problem, Rule


def test_a_publication_whose_type_is_an_event_type_is_an_event() -> None:
    fields = of("TEXT_MESSAGE_END", messageId="m")
    read = read_event(payload(fields, 7))
    assert read == Event("TEXT_MESSAGE_END", {**fields, "project_id": "p", "offset": 7}, 7)
    assert event_of(fields) == Event("TEXT_MESSAGE_END", fields, 0)


def test_other_publications_are_none() -> None:
    for fields in (of("note", text="x"), {"text": "x"}, {"type": 3}, {"type": None}, {"type": ["RAW"]}):
        assert read_event(payload(fields, 3)) == Other(3, fields.get("type"))
        assert event_of(fields) == Other(0, fields.get("type"))


def test_an_event_of_the_wrong_shape_says_what_is_wrong() -> None:
    read = read_event(payload(of("TEXT_MESSAGE_CONTENT", messageId="m"), 4))
    assert read == Malformed(
        "TEXT_MESSAGE_CONTENT", 4, Problem(Rule.MALFORMED, "TEXT_MESSAGE_CONTENT: delta is missing")
    )


NULL = (Problem(Rule.NULL_FIELD, "CUSTOM: timestamp is null"),)


def test_optional_fields_that_are_null_are_left_out_and_named() -> None:
    read = read_event(b'{"type":"CUSTOM","name":"x","value":null,"timestamp":null}')
    assert read == Event("CUSTOM", {"type": "CUSTOM", "name": "x", "value": None}, 0, NULL)


@given(st.binary(max_size=60))
def test_nothing_is_raised_whatever_the_bytes(data: bytes) -> None:
    read_event(data)
    read_event(b'{"type":"RAW","event":' + data)


def test_deep_nesting_and_odd_offsets_raise_nothing() -> None:
    assert read_event(b'{"type":"RAW","event":' + b"[" * 100_000) == Other()
    assert read_event(b'{"type":"RAW","event":1,"offset":"7"}') == Event(
        "RAW", {"type": "RAW", "event": 1, "offset": "7"}
    )
