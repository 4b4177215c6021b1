"""The form of AG-UI: how a run that is over ends for clients of both generations, and the word that it waits."""

import json
from typing import Any

import pytest

from websocket_handler.api.agui_stream import agui_form
from websocket_handler.api.run_view import RunStream
from websocket_handler.logs.runs.fold import Fold
from websocket_handler.logs.runs.vocabulary import BOTH, Generation

START = {"type": "RUN_STARTED", "threadId": "p", "runId": "r"}
FINISH = {"type": "RUN_FINISHED", "threadId": "p", "runId": "r"}


def joined(generation: Generation, *events: dict[str, Any]) -> tuple[RunStream, list[dict[str, Any]]]:
    fold = Fold("p")
    for event in events:
        fold.fields(event)
    stream = agui_form(generation)(fold, "r", lambda: None)
    return stream, [json.loads(each) for each in stream.join(fold, has_begun=False)]


@pytest.mark.parametrize("generation", BOTH)
def test_a_run_that_is_over_ends_as_it_ended_and_an_unknown_one_is_lost(generation: Generation) -> None:
    error = {"type": "RUN_ERROR", "message": "no", "code": "quota"}
    lost = {"type": "RUN_ERROR", "message": "the log no longer holds this run", "code": "lost"}
    cases: list[tuple[list[dict[str, Any]], dict[str, Any]]] = [
        ([START, FINISH], FINISH),
        ([START, error], error),
        ([], lost),
    ]
    for events, end in cases:
        stream, found = joined(generation, *events)
        assert (found[-1], stream.ended, stream.mark) == (end, True, "")


def test_a_cancelled_run_is_an_error_for_old_clients() -> None:
    events: list[dict[str, Any]] = [START, {**FINISH, "outcome": {"type": "cancelled"}}]
    assert joined(Generation.V1, *events)[1][-1]["outcome"] == {"type": "cancelled"}
    assert joined(Generation.V0, *events)[1][-1]["code"] == "cancelled"


def test_a_run_under_way_goes_on_and_says_that_it_waits() -> None:
    stream, found = joined(Generation.V1, START)
    assert (found[-1]["type"], stream.ended) == ("MESSAGES_SNAPSHOT", False)
    assert json.loads(stream.queued())["name"] == "wsh.queued"
    stream.publication(json.dumps(FINISH).encode())
    assert stream.ended
