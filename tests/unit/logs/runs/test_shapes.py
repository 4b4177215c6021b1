"""Which fields an event may have, and with which values."""

from typing import Any

import pytest

from tests.unit.logs.runs.made import of
from websocket_handler.logs.runs.shapes import SAFE_INTEGER, known_fields, nulls_in, problem_in
from websocket_handler.logs.runs.vocabulary import TYPES

MESSAGE = {"id": "m", "role": "user", "content": "x"}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}


@pytest.mark.parametrize(
    "fields",
    [
        of("TEXT_MESSAGE_START", messageId="m"),
        of("TEXT_MESSAGE_START", messageId="m", role="user", timestamp=SAFE_INTEGER, metadata={"a": None}),
        of("TEXT_MESSAGE_CONTENT", messageId="m", delta="", strange=1),
        of("TEXT_MESSAGE_CHUNK"),
        of("TOOL_CALL_RESULT", messageId="m", toolCallId="c", content=[{"type": "text", "text": "x"}]),
        of("STATE_SNAPSHOT", snapshot=None),
        of("STATE_DELTA", delta=[{"op": "move", "from": "/a", "path": "/b", "extra": 1}]),
        of("MESSAGES_SNAPSHOT", messages=[MESSAGE, {"id": "a", "role": "assistant", "toolCalls": [CALL]}]),
        of("MESSAGES_SNAPSHOT", messages=[{"id": "a", "role": "assistant", "content": None}]),
        of("RUN_FINISHED", threadId="p", runId="r", outcome={"type": "of the future"}),
        of("RUN_FINISHED", threadId="p", runId="r", outcome=None, usage=[{"inputTokens": 0}]),
        of("RUN_STARTED", threadId="p", runId="r", input={"threadId": "p", "runId": "r", "messages": [MESSAGE]}),
        of("CUSTOM", name="x", value=None),
        of("TEXT_MESSAGE_END", messageId="m", timestamp=1.5),
        of("STATE_DELTA", delta=[{"op": "of the future"}, {"op": ["add"]}, {}]),
        of("MESSAGES_SNAPSHOT", messages=[{"id": "m", "role": "robot", "content": "x"}, {}]),
        of("RAW", event=None),
    ],
)
def test_what_ag_ui_allows(fields: dict[str, Any]) -> None:
    assert problem_in(fields["type"], fields) is None


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        (of("TEXT_MESSAGE_START"), "messageId is missing"),
        (of("TEXT_MESSAGE_START", messageId=None), "messageId"),
        (of("TEXT_MESSAGE_START", messageId=1), "messageId"),
        (of("TEXT_MESSAGE_START", messageId="m", role="tool"), "role"),
        (of("TEXT_MESSAGE_CONTENT", messageId="m", delta=["x"]), "delta"),
        (of("TEXT_MESSAGE_END", messageId="m", timestamp="2026-11-28"), "timestamp"),
        (of("TEXT_MESSAGE_END", messageId="m", timestamp=SAFE_INTEGER + 1), "timestamp"),
        (of("TEXT_MESSAGE_END", messageId="m", timestamp=True), "timestamp"),
        (of("TEXT_MESSAGE_END", messageId="m", metadata=[]), "metadata"),
        (of("TOOL_CALL_RESULT", messageId="m", toolCallId="c", content=["x"]), "content"),
        (of("STATE_DELTA", delta=[{"op": "add", "path": "/a"}]), "delta"),
        (of("STATE_DELTA", delta=[{"op": "copy", "path": "/a"}]), "delta"),
        (of("STATE_DELTA", delta=[{"op": "add", "path": 1, "value": 1}]), "delta"),
        (of("STATE_DELTA", delta=["add"]), "delta"),
        (of("MESSAGES_SNAPSHOT", messages=[{"id": "m", "role": 1, "content": "x"}]), "messages"),
        (of("MESSAGES_SNAPSHOT", messages=[{"id": "m", "role": "user"}]), "messages"),
        (of("MESSAGES_SNAPSHOT", messages=[MESSAGE, {"id": "a", "role": "assistant", "toolCalls": [{}]}]), "messages"),
        (of("RUN_FINISHED", threadId="p", runId="r", outcome={"type": "interrupt", "interrupts": []}), "outcome"),
        (of("RUN_FINISHED", threadId="p", runId="r", outcome=["success"]), "outcome"),
        (of("RUN_FINISHED", threadId="p", runId="r", usage=[{"inputTokens": -1}]), "usage"),
        (of("CUSTOM", name="x"), "value is missing"),
    ],
)
def test_what_it_does_not_allow_is_named(fields: dict[str, Any], named: str) -> None:
    assert named in str(problem_in(fields["type"], fields))


def test_nulls_are_named_where_null_is_no_value() -> None:
    fields = of("STATE_SNAPSHOT", snapshot=None, timestamp=None, rawEvent=None, strange=None)
    assert nulls_in("STATE_SNAPSHOT", fields) == ("timestamp", "rawEvent")
    assert nulls_in("STATE_SNAPSHOT", of("STATE_SNAPSHOT", snapshot=1)) == ()


def test_only_events_that_begin_and_finish_a_run_have_a_run_id_of_ag_ui() -> None:
    assert {name for name in TYPES if "runId" in known_fields(name)} == {"RUN_STARTED", "RUN_FINISHED"}
    assert {"type", "messageId", "delta", "timestamp"} <= known_fields("TEXT_MESSAGE_CONTENT")
    assert known_fields("TEXT_MESSAGE_CONTENT").isdisjoint({"offset", "project_id", "published_at"})
