"""Events as the clients of each generation take them."""

from typing import Any

import pytest

from tests.unit.logs.runs.made import FINISH, START, event, of
from websocket_handler.logs.runs.events import Event
from websocket_handler.logs.runs.translation import translated
from websocket_handler.logs.runs.vocabulary import BOTH, Generation

PARTS = [{"type": "text", "text": "a"}, {"type": "image", "source": {}}, {"type": "text", "text": "b"}]


@pytest.mark.parametrize("generation", BOTH)
def test_fields_that_ag_ui_does_not_know_are_left_out(generation: Generation) -> None:
    fields = of("TEXT_MESSAGE_CONTENT", messageId="m", delta="x")
    spliced = {**fields, "project_id": "p", "offset": 3, "published_at": 1, "runId": "r", "first_offset": 2}
    assert translated(Event("TEXT_MESSAGE_CONTENT", spliced), generation) == fields
    assert translated(Event("RUN_STARTED", START), generation) == START


@pytest.mark.parametrize(
    ("outcome", "older"),
    [
        ({"type": "success"}, {**FINISH, "outcome": {"type": "success"}}),
        ({"type": "cancelled"}, of("RUN_ERROR", message="the run was cancelled", code="cancelled")),
        ({"type": "success", "pendingToolCallIds": []}, {**FINISH, "outcome": {"type": "success"}}),
    ],
)
def test_old_clients_do_not_know_that_a_run_can_be_cancelled(outcome: dict[str, str], older: dict[str, Any]) -> None:
    finished = event("RUN_FINISHED", threadId="p", runId="r", outcome=outcome)
    assert translated(finished, Generation.V0) == older
    assert translated(finished, Generation.V1) == finished.fields


def test_old_clients_get_the_text_of_a_result_with_parts() -> None:
    result = event("TOOL_CALL_RESULT", messageId="m", toolCallId="c", content=PARTS)
    tool = {"id": "m", "role": "tool", "toolCallId": "c", "content": PARTS}
    assert translated(result, Generation.V0)["content"] == "ab"
    snapshot = translated(event("MESSAGES_SNAPSHOT", messages=[tool]), Generation.V0)
    assert snapshot == of(
        "MESSAGES_SNAPSHOT", messages=[{"id": "m", "role": "tool", "toolCallId": "c", "content": "ab"}]
    )
    assert translated(result, Generation.V1) == result.fields


def test_old_clients_get_neither_the_input_of_a_run_nor_how_a_subagent_ended() -> None:
    run_input = {"threadId": "p", "runId": "r", "messages": []}
    started = event("RUN_STARTED", threadId="p", runId="r", input=run_input, protocolVersion="1.0")
    assert translated(started, Generation.V0) == START
    assert translated(started, Generation.V1) == started.fields
    ended = event("SUBAGENT_FINISHED", subagentRunId="a", outcome={"type": "suspended"})
    assert translated(ended, Generation.V0) == of("SUBAGENT_FINISHED", subagentRunId="a")
