"""An event that names another subagent than the thing belongs to."""

from typing import Any

import pytest

from tests.unit.logs.runs.made import START, call, folded, of, text
from websocket_handler.logs.runs.problems import Rule
from websocket_handler.logs.runs.vocabulary import BOTH


def tagged(fields: dict[str, Any], tag: str = "a") -> dict[str, Any]:
    return {**fields, "subagentRunId": tag}


M_START, M_CONTENT, M_END = text("m", "x")
C_START, C_ARGS, C_END = call("c", "x")
THOUGHT = of("REASONING_MESSAGE_START", messageId="t", role="reasoning")
HM = of("REASONING_MESSAGE_CONTENT", messageId="t", delta="hm")
ACTIVITY = of("ACTIVITY_SNAPSHOT", messageId="v", activityType="plan", content={})
DELTA = of("ACTIVITY_DELTA", messageId="v", activityType="plan", patch=[])
SECRET = of("REASONING_ENCRYPTED_VALUE", subtype="message", entityId="m", encryptedValue="e")
CALL_SECRET = {**SECRET, "subtype": "tool-call", "entityId": "c"}
IN_M = {**C_START, "parentMessageId": "m"}


@pytest.mark.parametrize(
    "events",
    [
        (M_START, tagged(M_CONTENT)),
        (tagged(M_START), tagged(M_CONTENT, "b")),
        (tagged(M_START), M_END, tagged(M_START, "b")),
        (M_START, M_END, tagged(M_START)),
        (tagged(M_START), tagged(IN_M, "b")),
        (M_START, tagged(IN_M)),
        (tagged(C_START), tagged(C_ARGS, "b")),
        (tagged(M_START), IN_M, tagged(C_ARGS, "b")),
        (tagged(C_START), C_END, tagged(CALL_SECRET, "b")),
        (tagged(THOUGHT), tagged(HM, "b")),
        (tagged(ACTIVITY), tagged(DELTA, "b")),
        (tagged(M_START), M_END, tagged(SECRET, "b")),
    ],
)
def test_another_subagent_is_found(events: tuple[dict[str, Any], ...]) -> None:
    _, answers = folded(START, *events)
    assert [each.problems for each in answers[:-1] if each] == [()] * len(events)
    last = answers[-1]
    assert last is not None
    assert [(each.rule, each.stops) for each in last.problems] == [(Rule.WRONG_OWNER, BOTH)]
    assert last.counts


@pytest.mark.parametrize(
    "events",
    [
        (tagged(M_START), M_CONTENT, tagged(M_CONTENT), M_END, M_START),
        (tagged(M_START), IN_M, tagged(C_ARGS), tagged(C_END), tagged(CALL_SECRET)),
        (tagged(C_START), tagged(C_ARGS), tagged(C_END)),
        (tagged(ACTIVITY), tagged(ACTIVITY, "b"), tagged(DELTA, "b")),
        (tagged(SECRET), tagged(of("STATE_SNAPSHOT", snapshot=1)), tagged(of("STEP_STARTED", stepName="s"))),
        (tagged(of("TOOL_CALL_RESULT", messageId="r", toolCallId="c", content="")),),
    ],
)
def test_the_same_one_or_none_is_fine(events: tuple[dict[str, Any], ...]) -> None:
    _, answers = folded(START, *events)
    assert [each.problems for each in answers if each] == [()] * (len(events) + 1)
