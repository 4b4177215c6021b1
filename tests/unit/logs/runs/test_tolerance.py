"""What clients of 1.0 overlook in an event, and those of 0.0.59 perhaps not."""

from typing import Any

import pytest

from tests.unit.logs.runs.made import START, event, fold_of, of
from websocket_handler.logs.runs.events import Event, event_of
from websocket_handler.logs.runs.problems import Rule
from websocket_handler.logs.runs.vocabulary import BOTH, Generation

V1, V0 = (Generation.V1,), (Generation.V0,)
USER = {"id": "m", "role": "user", "content": "x"}
ADD = {"op": "add", "path": "/a", "value": 1}


@pytest.mark.parametrize(
    ("fields", "left", "rule", "stops"),
    [
        (of("RAW", event=1, timestamp=None), of("RAW", event=1), Rule.NULL_FIELD, BOTH),
        (of("RAW", event=None, rawEvent=None), of("RAW", event=None), Rule.NULL_FIELD, ()),
        (of("RAW", event=1, timestamp=1.5), of("RAW", event=1), Rule.UNKNOWN_VALUE, V1),
        (
            of("RUN_FINISHED", threadId="p", runId="r", outcome={"type": "of the future"}),
            of("RUN_FINISHED", threadId="p", runId="r"),
            Rule.UNKNOWN_VALUE,
            V0,
        ),
        (of("RUN_FINISHED", threadId="p", runId="r", outcome={"type": "cancelled"}), None, Rule.NOT_IN_0_0_59, V0),
        (
            of("RUN_FINISHED", threadId="p", runId="r", outcome={"type": "success", "pendingToolCallIds": []}),
            None,
            Rule.NOT_IN_0_0_59,
            V0,
        ),
        (of("TOOL_CALL_RESULT", messageId="m", toolCallId="c", content=[]), None, Rule.NOT_IN_0_0_59, V0),
        (
            of("MESSAGES_SNAPSHOT", messages=[USER, {"id": "n", "role": "robot"}, {}]),
            of("MESSAGES_SNAPSHOT", messages=[USER]),
            Rule.UNKNOWN_VALUE,
            V0,
        ),
        (
            of("MESSAGES_SNAPSHOT", messages=[USER | {"name": None}]),
            of("MESSAGES_SNAPSHOT", messages=[USER]),
            Rule.NULL_FIELD,
            BOTH,
        ),
        (
            of("STATE_DELTA", delta=[{"op": ["x"]}, ADD, {"op": "y"}]),
            of("STATE_DELTA", delta=[ADD]),
            Rule.UNKNOWN_VALUE,
            (),
        ),
        (
            of("STATE_DELTA", delta=[ADD, {"op": "move", "from": "", "path": "/a"}]),
            of("STATE_DELTA", delta=[]),
            Rule.PATCH_FAILED,
            (),
        ),
        (
            of("REASONING_MESSAGE_START", messageId="m"),
            of("REASONING_MESSAGE_START", messageId="m", role="reasoning"),
            Rule.NO_ROLE,
            BOTH,
        ),
    ],
)
def test_what_is_overlooked_is_taken_out_and_noted(
    fields: dict[str, Any], left: dict[str, Any] | None, rule: Rule, stops: tuple[Generation, ...]
) -> None:
    read = event_of(fields)
    assert isinstance(read, Event)
    assert read.fields == (fields if left is None else left)
    assert [(each.rule, each.stops) for each in read.notes] == [(rule, stops)]


def test_nothing_is_noted_of_nearly_all_events() -> None:
    assert event("TEXT_MESSAGE_CONTENT", messageId="m", delta="x").notes == ()
    assert event("TOOL_CALL_RESULT", messageId="m", toolCallId="c", content="x").notes == ()
    assert event("RUN_FINISHED", threadId="p", runId="r").notes == ()


def test_an_event_in_which_something_was_overlooked_has_its_effect() -> None:
    fold = fold_of(START, of("STATE_DELTA", delta=[{"op": "x"}, ADD]), of("MESSAGES_SNAPSHOT", messages=[USER, {}]))
    assert (fold.state, fold.messages.data()) == ({"a": 1}, [USER])
