"""What AG-UI clients post: which run they mean, what of it goes to the agent, and what is refused."""

import json
from typing import Any

import pytest
from msgspec import Raw

from websocket_handler.api.agui_input import newest, read_run_input, read_stopped_run
from websocket_handler.logs.runs.vocabulary import Generation
from websocket_handler.protocol.codes import CommandError
from websocket_handler.protocol.messages import Position


def body(**more: Any) -> bytes:
    return json.dumps({"threadId": "p", "runId": "r1", **more}).encode()


def message(message_id: str, role: str = "user") -> dict[str, str]:
    return {"id": message_id, "role": role, "content": message_id}


def test_the_generation_is_what_the_client_says_it_speaks() -> None:
    assert read_run_input(body(protocolVersion="1.0")).generation is Generation.V1
    assert read_run_input(body(protocolVersion=None)).generation is Generation.V0
    assert read_run_input(body()).generation is Generation.V0


def test_the_task_has_the_fields_as_they_came_and_no_others() -> None:
    given = {"tools": [{"name": "x"}], "context": [], "state": {"n": 1.0}, "forwardedProps": {}, "resume": [1]}
    asked = read_run_input(body(**given, protocolVersion="1.0", other="unknown", messages=[message("u1")]))
    task = json.loads(asked.task([one.body for one in asked.messages], Position("e", 7)))
    assert task == {"threadId": "p", "runId": "r1", "since": "e:7", "messages": [message("u1")], **given}


def test_the_agent_gets_what_it_does_not_have_and_always_what_was_said_last() -> None:
    history = [message("u1"), message("a1", "assistant"), message("u2"), message("a2", "assistant"), message("u3")]
    asked = read_run_input(body(messages=history))

    def sent(*held: str) -> list[str]:
        return [json.loads(bytes(one))["id"] for one in asked.new_messages(held)]

    assert sent() == ["u1", "a1", "u2", "a2", "u3"]
    assert sent("u1", "a1", "u2", "a2") == ["u3"]
    assert sent("u1", "a1", "u2", "a2", "u3") == ["u3"], "the run that it was posted for may have failed"
    assert sent("u1", "a1", "a2", "u3") == ["u2", "u3"]


def test_of_a_history_that_is_too_long_the_newest_part_is_kept() -> None:
    messages = [Raw(json.dumps(message(f"m{n}")).encode()) for n in range(10)]
    size = len(bytes(messages[0])) + 1
    assert newest(messages, 10 * size) == messages
    assert newest(messages, 3 * size) == messages[-3:]
    assert newest(messages, 1) == messages[-1:], "the last one is refused where it is published"
    assert newest([], 1) == []


def test_a_stop_names_a_run_or_none() -> None:
    assert [read_stopped_run(text) for text in (b"", b"{}", b'{"runId":"r1"}')] == [None, None, "r1"]
    with pytest.raises(CommandError):
        read_stopped_run(b'{"runId":1}')


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (b"", "invalid_json"),
        (b"[]", "not_an_object"),
        (b'{"threadId":"p"}', "missing_field"),
        (b'{"runId":"r"}', "missing_field"),
        (b'{"threadId":"p","threadId":"q","runId":"r"}', "duplicate_key"),
        (b'{"threadId":"","runId":"r"}', "invalid_project_id"),
        (b'{"threadId":"p","runId":"r","messages":[1]}', "invalid_field"),
        (b'{"threadId":"p","runId":"r","protocolVersion":1}', "invalid_field"),
        (body(runId="x" * 81), "invalid_field"),
        (body(runId=""), "invalid_field"),
        (b'{"threadId":"p","runId":"r","state":' + b"[" * 300 + b"]" * 300 + b"}", "too_deep"),
    ],
)
def test_what_is_wrong_has_a_code(text: bytes, code: str) -> None:
    with pytest.raises(CommandError) as refused:
        read_run_input(text)
    assert refused.value.code == code
