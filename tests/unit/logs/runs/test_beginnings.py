"""What was under way where a log begins whose older entries are gone."""

from tests.unit.logs.runs.made import START, call, of, payload, text
from websocket_handler.logs.runs.beginnings import runs_without_beginning


def test_what_goes_on_without_having_been_opened_was_open_before() -> None:
    events = [*text("m", "x")[1:], *text("n", "y"), *call("c", "z")[1:], of("note")]
    (run,) = runs_without_beginning(payload({**event, "runId": "r"}) for event in events)
    assert run.run_id == "r"
    assert list(run.open) == [("text", "m", None), ("call", "c", None)]


def test_runs_that_start_there_and_events_of_no_run_by_name_are_none() -> None:
    assert runs_without_beginning(map(payload, [START, *text("m", "x")])) == []
    assert runs_without_beginning(map(payload, text("m", "x"))) == []
