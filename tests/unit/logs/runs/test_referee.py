"""What the referee says of a log and of a stream."""

from tests.unit.logs.runs.made import FINISH, START, of, text
from websocket_handler.logs.runs.problems import Rule
from websocket_handler.logs.runs.referee import Referee, Violation
from websocket_handler.logs.runs.vocabulary import BOTH


def test_a_violation_has_its_place_and_the_clients_that_stop_there() -> None:
    referee = Referee()
    for offset, fields in enumerate((START, of("note"), *text("m", "x")), 57):
        assert referee.see({**fields, "offset": offset}) == []
    content = of("TEXT_MESSAGE_CONTENT", messageId="m", delta="late", offset=70)
    words = "TEXT_MESSAGE_CONTENT of text 'm', which is not open"
    found = referee.see(content)
    assert found == [Violation(70, "TEXT_MESSAGE_CONTENT", "r", Rule.NOT_OPEN, words, BOTH)]
    assert found[0].as_object() == {
        "offset": 70,
        "type": "TEXT_MESSAGE_CONTENT",
        "run_id": "r",
        "rule": "not_open",
        "text": words,
        "stops": ["1.0", "0.0.59"],
    }
    assert referee.events == 5


def test_in_a_stream_events_are_numbered_and_all_of_them_must_be_events() -> None:
    referee = Referee(is_single=True)
    assert referee.see({**START, "offset": 900}) == []
    (strange,) = referee.see(of("note"))
    assert (strange.offset, strange.type, strange.rule) == (2, "note", Rule.UNKNOWN_TYPE)
    (nested,) = referee.see({**START, "runId": "s"})
    assert (nested.offset, nested.rule) == (3, Rule.RUN_OPEN)


def test_in_a_log_runs_stand_beside_each_other() -> None:
    referee = Referee()
    for fields in (START, {**START, "runId": "s"}, FINISH, {**FINISH, "runId": "s"}):
        assert referee.see(fields) == []


def test_a_malformed_event_is_reported_with_its_offset() -> None:
    referee = Referee()
    (found,) = referee.see(of("TEXT_MESSAGE_END", offset=3))
    assert (found.offset, found.rule, found.run_id) == (3, Rule.MALFORMED, None)
