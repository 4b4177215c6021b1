"""A run as chunks of the AI SDK: each part, what has no part, and what a client gets that joins or comes back."""

import json
from typing import Any

import pytest

from tests.support.agui_stories import payloads
from tests.unit.logs.runs.made import FINISH, START, call, of, text
from websocket_handler.logs.runs.fold import Fold
from websocket_handler.logs.runs.ui_message import DONE, INPUT_BYTES_MAX, KNOWN_MAX, LOST, UiMessageStream, message_of

Chunk = dict[str, Any]
BEGIN: list[Chunk] = [{"type": "start", "messageId": "r"}, {"type": "start-step"}]
END: list[Chunk] = [{"type": "finish-step"}, {"type": "finish", "finishReason": "stop"}]
RESULT = of("TOOL_CALL_RESULT", messageId="result", toolCallId="c", content='{"n": 1}')


class Client:
    """A client of a run, and the log behind it."""

    def __init__(self, run_id: str = "r", *, is_whole: bool = False) -> None:
        self.fold = Fold("p")
        self.run_id = run_id
        self.is_whole = is_whole
        self.is_kept = True
        self.stream = self.made()

    def made(self, at: Fold | None = None) -> UiMessageStream:
        look = lambda: self.fold if self.is_kept else None  # noqa: E731
        return UiMessageStream(at or self.fold, self.run_id, look, is_whole=self.is_whole)

    def say(self, *events: Chunk) -> list[Any]:
        """What the client gets of these."""
        found: list[Any] = []
        for payload in payloads(events):
            self.fold.publication(payload.replace(b'"offset":', b'"ignored":'))
            found += read(self.stream.publication(payload))
        return found

    def join(self, *, has_begun: bool = False) -> list[Any]:
        """The client comes now."""
        self.stream = self.made()
        return read(self.stream.join(self.fold, has_begun=has_begun))


def read(chunks: list[bytes]) -> list[Any]:
    return ["[DONE]" if chunk == DONE else json.loads(chunk) for chunk in chunks]


def shown(*events: Chunk) -> list[Any]:
    """What comes of events between the beginning and the end of a run."""
    client = Client()
    found = client.say(START, *events, FINISH)
    assert (found[:2], found[-3:]) == (BEGIN, [*END, "[DONE]"])
    assert client.stream.ended
    return found[2:-3]


def data(name: str, value: Any) -> Chunk:
    return {"type": f"data-{name}", "transient": True, "data": value}


def test_a_text() -> None:
    assert shown(*text("m", "Hel", "", "lo")) == [
        {"type": "text-start", "id": "m"},
        {"type": "text-delta", "id": "m", "delta": "Hel"},
        {"type": "text-delta", "id": "m", "delta": "lo"},
        {"type": "text-end", "id": "m"},
    ]


def test_what_the_agent_says_as_somebody_else_is_no_part() -> None:
    start = of("TEXT_MESSAGE_START", messageId="m", role="user")
    assert shown(start, *text("m", "x")[1:]) == []


def test_reasoning() -> None:
    named = {"messageId": "t"}
    assert shown(
        of("REASONING_START", messageId="s"),
        of("REASONING_MESSAGE_START", **named, role="reasoning"),
        of("REASONING_MESSAGE_CONTENT", **named, delta="hm"),
        of("REASONING_MESSAGE_END", **named),
        of("REASONING_END", messageId="s"),
        of("REASONING_ENCRYPTED_VALUE", subtype="message", entityId="t", encryptedValue="x"),
    ) == [
        {"type": "reasoning-start", "id": "t"},
        {"type": "reasoning-delta", "id": "t", "delta": "hm"},
        {"type": "reasoning-end", "id": "t"},
    ]


def test_a_tool_call_with_its_result() -> None:
    name = call("c", "")[0]["toolCallName"]
    assert shown(*call("c", '{"a":', "1}"), RESULT) == [
        {"type": "tool-input-start", "toolCallId": "c", "toolName": name},
        {"type": "tool-input-delta", "toolCallId": "c", "inputTextDelta": '{"a":'},
        {"type": "tool-input-delta", "toolCallId": "c", "inputTextDelta": "1}"},
        {"type": "tool-input-available", "toolCallId": "c", "toolName": name, "input": {"a": 1}},
        {"type": "tool-output-available", "toolCallId": "c", "output": {"n": 1}},
    ]


@pytest.mark.parametrize(
    ("said", "output"), [("42", "42"), ("{", "{"), ("[1]", [1]), ("", ""), ([{"type": "text"}], [{"type": "text"}])]
)
def test_a_result_is_an_object_if_it_is_one_as_json(said: Any, output: Any) -> None:
    assert shown(*call("c", ""), {**RESULT, "content": said})[-1]["output"] == output


def test_an_input_that_is_no_json_or_too_large_is_an_error_of_this_call() -> None:
    assert shown(*call("c", ""))[-1]["input"] == {}
    bad = shown(*call("c", "{no"))[-1]
    assert (bad["type"], bad["input"], bad["errorText"]) == ("tool-input-error", "{no", "the input is no JSON")
    for size, kind in ((INPUT_BYTES_MAX - 200, "tool-input-available"), (INPUT_BYTES_MAX + 1, "tool-input-error")):
        assert shown(*call("c", '"', "x" * (size - 2), '"'))[-1]["type"] == kind


def test_what_goes_on_with_something_unknown_is_left_out() -> None:
    activity = of("ACTIVITY_DELTA", messageId="no", activityType="x", patch=[])
    assert shown({**RESULT, "toolCallId": "nobody"}, activity) == []


def test_calls_beyond_the_maximum_are_forgotten() -> None:
    client = Client()
    client.say(START)
    client.is_kept = False
    for number in range(KNOWN_MAX + 1):
        client.say(*call(f"c{number}", ""))
    assert client.say({**RESULT, "toolCallId": "c0"}) == []
    assert client.say({**RESULT, "toolCallId": "c1"})[0]["type"] == "tool-output-available"


def test_an_activity_is_data_that_its_changes_replace() -> None:
    found = shown(
        of("ACTIVITY_SNAPSHOT", messageId="a", activityType="PLAN", content={"n": 1}),
        of("ACTIVITY_DELTA", messageId="a", activityType="PLAN", patch=[{"op": "add", "path": "/m", "value": 2}]),
    )
    contents = [{"n": 1}, {"n": 1, "m": 2}]
    assert found == [
        {"type": "data-activity", "id": "a", "data": {"activityType": "PLAN", "content": each}} for each in contents
    ]


def test_what_a_message_has_no_part_for_is_data_beside_it() -> None:
    client = Client()
    client.say(START)
    assert client.say(of("STATE_SNAPSHOT", snapshot={"a": 1})) == [data("state", {"a": 1})]
    patch = [{"op": "add", "path": "/b", "value": 2}]
    assert client.say(of("STATE_DELTA", delta=patch)) == [data("state", {"a": 1, "b": 2})]
    assert client.say(of("CUSTOM", name="weather", value=[1])) == [data("weather", [1])]
    assert client.say(of("STEP_STARTED", stepName="s")) == [data("step", {"type": "STEP_STARTED", "stepName": "s"})]
    assert client.say(of("SUBAGENT_STARTED", subagentRunId="a", name="x"))[0]["type"] == "data-subagent"
    assert client.say(of("RAW", event=1)) == []
    (update,) = client.say({"type": "qa_results", "passed": True})
    assert (update["type"], update["transient"], update["data"]["passed"]) == ("data-wsh.update", True, True)
    assert read([client.stream.queued()]) == [data("wsh.queued", {"runId": "r"})]


def test_a_snapshot_of_messages_adds_those_that_nobody_streamed() -> None:
    client = Client()
    client.say(START, *text("m", "streamed"))
    messages = [
        {"id": "u", "role": "user", "content": "asked"},
        {"id": "m", "role": "assistant", "content": "streamed"},
        {"id": "n", "role": "assistant", "content": "new"},
    ]
    assert client.say(of("MESSAGES_SNAPSHOT", messages=messages)) == [
        {"type": "text-start", "id": "n"},
        {"type": "text-delta", "id": "n", "delta": "new"},
        {"type": "text-end", "id": "n"},
    ]
    assert client.say(of("MESSAGES_SNAPSHOT", messages=messages)) == []


def test_an_error_ends_the_message_and_what_is_open_in_it() -> None:
    client = Client()
    client.say(START, *text("m", "x", ends=False))
    assert client.say(of("RUN_ERROR", message="no more tokens", code="quota")) == [
        {"type": "text-end", "id": "m"},
        {"type": "error", "errorText": "no more tokens"},
        "[DONE]",
    ]
    assert client.say(*text("n", "late")) == []


def test_a_run_that_is_cancelled_is_aborted() -> None:
    client = Client()
    client.say(START)
    ended = {**FINISH, "outcome": {"type": "cancelled"}}
    assert client.say(ended) == [{"type": "abort", "reason": "cancelled"}, "[DONE]"]


def test_approval_of_a_tool_call_is_asked_and_other_questions_are_data() -> None:
    client = Client()
    client.say(START, *call("c", ""))
    approval = {"id": "i", "reason": "approval", "toolCallId": "c", "message": "Deploy?"}
    other = {"id": "j", "reason": "input"}
    assert client.say({**FINISH, "outcome": {"type": "interrupt", "interrupts": [approval, other]}}) == [
        {"type": "tool-approval-request", "approvalId": "i", "toolCallId": "c", "reason": "Deploy?"},
        {"type": "data-interrupt", "id": "j", "data": other},
        {"type": "finish-step"},
        {"type": "finish", "finishReason": "tool-calls"},
        "[DONE]",
    ]


def test_whoever_joins_gets_what_is_there_and_goes_on_with_it() -> None:
    client = Client()
    client.say(START, *call("c", "{}"), RESULT, *text("m", "Hel", ends=False), *call("d", '{"a"', ends=False))
    kinds = [each["type"] for each in client.join()]
    assert kinds == [
        "start",
        "start-step",
        "tool-input-start",
        "tool-input-delta",
        "tool-input-available",
        "tool-output-available",
        "text-start",
        "text-delta",
        "tool-input-start",
        "tool-input-delta",
    ]
    (delta,) = client.say(of("TEXT_MESSAGE_CONTENT", messageId="m", delta="lo"))
    assert delta == {"type": "text-delta", "id": "m", "delta": "lo"}
    assert client.say(*call("d", ":1}")[1:])[-1]["input"] == {"a": 1}


def test_the_other_runs_of_a_project_are_no_part_of_the_message() -> None:
    client = Client()
    client.say(
        {**START, "input": {"threadId": "p", "runId": "r", "messages": [{"id": "u", "role": "user", "content": "?"}]}},
        {**START, "runId": "other"},
        *[{**event, "runId": "other"} for event in text("x", "other")],
        *[{**event, "runId": "r"} for event in text("m", "mine")],
    )
    assert [each.get("id") for each in client.join()[2:]] == ["m"] * 3


def test_whoever_has_a_part_behind_which_nobody_can_go_on_begins_the_step_anew() -> None:
    client = Client()
    client.say(START, *text("m", "Hel", ends=False))
    assert client.join(has_begun=True)[0] == {"type": "reset-step"}
    assert [each["type"] for each in client.join(has_begun=True)][1:] == ["text-start", "text-delta"]


@pytest.mark.parametrize("has_begun", [True, False])
def test_a_run_that_is_over_is_told_with_its_end_and_one_that_nobody_knows_is_lost(*, has_begun: bool) -> None:
    client = Client()
    client.say(START, *text("m", "all"), FINISH)
    found = client.join(has_begun=has_begun)
    assert found[-3:] == [*END, "[DONE]"]
    assert {"type": "text-delta", "id": "m", "delta": "all"} in found
    assert client.stream.ended
    client.run_id = "unknown"
    found = client.join(has_begun=has_begun)
    assert found == [*([] if has_begun else [{**BEGIN[0], "messageId": "unknown"}, BEGIN[1]]), LOST_CHUNK, "[DONE]"]


LOST_CHUNK = {"type": "error", "errorText": LOST}


def test_whoever_comes_back_gets_only_what_follows() -> None:
    client = Client()
    client.say(START, *text("m", "Hel", ends=False), *call("c", '{"a":', ends=False), *call("d", ""))
    for knows_messages in (True, False):
        at = Fold("p")
        for run in client.fold.runs.runs.values():
            at.runs.put(run.copy())
        client.stream = client.made(client.fold if knows_messages else at)
        client.stream.resume(client.fold if knows_messages else at)
        assert client.say(of("TEXT_MESSAGE_CONTENT", messageId="m", delta="lo"))[0]["delta"] == "lo"
        assert client.say({**RESULT, "messageId": f"d{knows_messages}", "toolCallId": "d"})[0]["toolCallId"] == "d"
    assert client.say(*call("c", "1}")[1:])[-1]["input"] == {"a": 1}


def test_an_input_of_which_the_gateway_has_only_the_end_is_an_error_of_this_call() -> None:
    client = Client()
    client.say(START, *call("c", '{"a":', ends=False))
    at = Fold("p")
    for run in client.fold.runs.runs.values():
        at.runs.put(run.copy())
    client.stream, client.is_kept = client.made(at), False
    client.stream.resume(at)
    assert client.say(*call("c", "1}")[1:])[-1]["type"] == "tool-input-error"


def test_a_run_that_goes_on_with_a_message_has_its_id() -> None:
    assert (message_of("answer-u1--3f"), message_of("answer-u1")) == ("answer-u1",) * 2
    for is_whole in (True, False):
        client = Client("r--2", is_whole=is_whole)
        client.say(START, *call("c", "{}"), FINISH, {**START, "runId": "r--2"})
        client.stream = client.made()
        assert client.say(RESULT)[0]["type"] == "tool-output-available", "the client has the call"
        kinds = [each["type"] for each in client.join()]
        earlier = ["start-step", "tool-input-start", "tool-input-delta", "tool-input-available", "finish-step"]
        assert kinds == ["start", *(earlier if is_whole else []), "start-step", "tool-output-available"]


def test_the_id_of_an_event_names_the_run_and_holds_on_one_line() -> None:
    assert UiMessageStream(Fold("p"), "a/b\nc", lambda: None).mark == "/a%2Fb%0Ac"


def test_a_text_that_a_snapshot_gave_to_the_agent_is_whole_for_whoever_comes_back() -> None:
    """Its start was of another role, so the client was not told of it, and gets no piece of it now."""
    client = Client()
    start = of("TEXT_MESSAGE_START", messageId="m", role="developer")
    saved = of("MESSAGES_SNAPSHOT", messages=[{"id": "m", "role": "assistant", "content": "as saved"}])
    told = [{"type": "text-start", "id": "m"}, {"type": "text-delta", "id": "m", "delta": "as saved"}]
    assert client.say(START, start, saved) == [*BEGIN, *told, {"type": "text-end", "id": "m"}]
    client.stream = client.made()
    client.stream.resume(client.fold)
    assert client.say(of("TEXT_MESSAGE_CONTENT", messageId="m", delta="more")) == []
    assert client.join()[2:] == [told[0], {**told[1], "delta": "as savedmore"}, {"type": "text-end", "id": "m"}]


def test_a_result_that_a_snapshot_has_before_its_call_comes_behind_it() -> None:
    result = {"id": "result", "role": "tool", "toolCallId": "c", "content": "x"}
    asked = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    caller = {"id": "m", "role": "assistant", "toolCalls": [asked]}
    client = Client()
    shown = client.say(START, of("MESSAGES_SNAPSHOT", messages=[result, caller]))[2:]
    wanted = ["tool-input-start", "tool-input-delta", "tool-input-available", "tool-output-available"]
    assert [chunk["type"] for chunk in shown] == wanted
    assert [chunk["type"] for chunk in client.join()[2:]] == wanted
