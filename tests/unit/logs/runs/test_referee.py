"""What the referee says of a log and of a stream."""

from tests.unit.logs.runs.made import FINISH, START, of, text
from websocket_handler.logs.runs.problems import ONLY_V1, Rule
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


def test_an_id_of_a_run_that_is_no_text_hides_no_other_mistake_in_a_stream() -> None:
    end = of("THINKING_END", runId=7)
    for is_single, rules in ((True, [Rule.MALFORMED, Rule.NOT_OPEN]), (False, [Rule.MALFORMED])):
        referee = Referee(is_single=is_single)
        referee.see(START)
        assert [each.rule for each in referee.see(end)] == rules


def test_an_event_that_only_1_0_refuses_is_judged_for_0_0_59_all_the_same() -> None:
    referee = Referee(is_single=True)
    chunk = of("TEXT_MESSAGE_CHUNK", delta="x")
    found = [referee.see(each) for each in (START, {**chunk, "messageId": "m"}, of("STATE_SNAPSHOT"), chunk)]
    assert [[(each.rule, each.stops) for each in violations] for violations in found] == [
        [],
        [],
        [(Rule.MALFORMED, ONLY_V1)],
        [(Rule.BAD_CHUNK, BOTH)],
    ]
    (missing, null) = referee.see(of("RAW", timestamp=None))
    assert (missing.stops, null.rule, null.stops) == (ONLY_V1, Rule.NULL_FIELD, BOTH)


def test_a_malformed_event_is_reported_with_its_offset() -> None:
    referee = Referee()
    (found,) = referee.see(of("TEXT_MESSAGE_END", offset=3))
    assert (found.offset, found.rule, found.run_id) == (3, Rule.MALFORMED, None)
