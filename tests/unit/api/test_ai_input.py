"""What `useChat` posts as the input of a run: messages, ids, tools, approvals, and what is refused."""

import json
from itertools import islice
from typing import Any

import pytest

from tests.support.ai import answered, chat, said
from websocket_handler.api.ai_input import read_chat
from websocket_handler.protocol.codes import CommandError
from websocket_handler.protocol.names import MESSAGE_ID


def messages(*posted: dict[str, Any], held: set[str] | None = None, done: set[str] | None = None) -> list[Any]:
    """What the agent gets."""
    request = read_chat(chat(*posted))
    asked = request.run_input("p", request.run_id)
    return [json.loads(bytes(each)) for each in request.new_messages(asked, held or set(), done or set())]


def tool(state: str, **fields: Any) -> dict[str, Any]:
    return {"type": "tool-find", "toolCallId": "c", "state": state, "input": {"a": 1}, **fields}


def test_a_text_is_a_text_and_files_are_parts() -> None:
    assert messages(said("u", "Hi")) == [{"id": "u", "role": "user", "content": "Hi"}]
    parts = [
        {"type": "text", "text": "see"},
        {"type": "file", "url": "data:image/png;base64,AAAA", "mediaType": "image/png"},
        {"type": "file", "url": "https://x.test/a.pdf", "mediaType": "application/pdf", "filename": "a.pdf"},
        {"type": "data-of-mine", "data": {"text": 7}},
    ]
    (message,) = messages({"id": "u", "role": "user", "parts": parts})
    assert message["content"] == [
        {"type": "text", "text": "see"},
        {"type": "image", "source": {"type": "data", "value": "AAAA", "mimeType": "image/png"}},
        {"type": "document", "source": {"type": "url", "value": "https://x.test/a.pdf", "mimeType": "application/pdf"}},
    ]


def test_what_agents_wrote_is_sent_only_if_the_project_does_not_have_it() -> None:
    texts = [{"type": "step-start"}, {"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    history = [said("u1"), answered("answer-u1", *texts, tool("output-available", output={"n": 1})), said("u2")]
    assert [each["id"] for each in messages(*history, held={"u1", "answer-u1"}, done={"c"})] == ["u2"]
    _, answer, result, _ = messages(*history)
    call = {"id": "c", "type": "function", "function": {"name": "find", "arguments": '{"a": 1}'}}
    assert answer == {"id": "answer-u1", "role": "assistant", "content": "one\ntwo", "toolCalls": [call]}
    assert result == {"id": "c-result", "role": "tool", "toolCallId": "c", "content": '{"n": 1}'}


@pytest.mark.parametrize(
    ("part", "content"),
    [
        (tool("output-available", output="text"), "text"),
        (tool("output-available"), ""),
        (tool("output-error", errorText="no"), "no"),
        ({**tool("output-available", output=[1]), "type": "dynamic-tool", "toolName": "x"}, "[1]"),
    ],
)
def test_the_result_of_a_tool_of_the_page_reaches_the_agent_once(part: dict[str, Any], content: str) -> None:
    posted = [said("u1"), answered("answer-u1", part)]
    held = {"u1", "answer-u1"}
    (result,) = messages(*posted, held=held)
    assert (result["role"], result["content"]) == ("tool", content)
    assert messages(*posted, held=held, done={"c"}) == []
    assert messages(said("u1"), answered("answer-u1", tool("input-available")), held=held) == []


def test_only_the_last_message_may_be_posted() -> None:
    assert read_chat(json.dumps({"id": "p", "message": said("u9")}).encode()).run_id == "answer-u9"


@pytest.mark.parametrize("message_id", ["x" * 60, "with space", "a--b", "é", ""])
def test_every_id_of_a_message_makes_the_id_of_a_run_and_always_the_same(message_id: str) -> None:
    first, second = read_chat(chat(said(message_id))), read_chat(chat(said(message_id)))
    assert first.run_id == second.run_id
    assert MESSAGE_ID.fullmatch(first.run_id)
    assert "--" not in first.run_id
    assert all(MESSAGE_ID.fullmatch(each) for each in islice(first.repetitions(), 1))


def test_a_message_that_goes_on_is_another_run_of_the_same_message_for_each_answer() -> None:
    def run(approved: object, message_id: str = "answer-u1") -> str:
        part = tool("approval-responded", approval={"id": "i", "approved": approved})
        return read_chat(chat(said("u1"), answered(message_id, part))).run_id

    assert run(True) == run(True) != run(False)
    assert run(True).startswith("answer-u1--")
    assert run(True, "answer-u1--ab").startswith("answer-u1--")
    assert run(True, "a b").startswith("answer-")
    assert MESSAGE_ID.fullmatch(run(True, "x" * 500))


def test_the_page_may_name_the_run_and_say_more_to_the_agent() -> None:
    request = read_chat(chat(said("u1"), runId="mine", trigger="regenerate-message", state={"n": 1}, resume=[]))
    assert (request.run_id, request.is_again, sorted(request.passed_on)) == ("mine", False, ["resume", "state"])
    again = read_chat(chat(said("u1"), trigger="regenerate-message"))
    assert list(islice(again.repetitions(), 2)) == ["answer-u1-1", "answer-u1-2"]


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "invalid_json"),
        (b"[]", "not_an_object"),
        (b'{"a":' * 600 + b"1" + b"}" * 600, "too_deep"),
        (b'{"id":"p","id":"q"}', "duplicate_key"),
        (b"{}", "missing_field"),
        (chat(), "missing_field"),
        (chat(message=said("u1")), "missing_field"),
        (chat(said("u1"), id=7), "invalid_field"),
        (chat(said("u1"), messages="all"), "invalid_field"),
        (chat(said("u1"), agent=["dev"]), "invalid_field"),
        (chat(said("u1"), runId="a b"), "invalid_field"),
        (chat({"id": "u", "role": "user"}), "invalid_field"),
        (chat({"id": "u", "role": "robot", "parts": []}), "invalid_field"),
        (chat({"id": 7, "role": "user", "parts": []}), "invalid_field"),
        (chat({"id": "u", "role": "user", "parts": ["text"]}), "invalid_field"),
        (chat({"id": "u", "role": "user", "parts": [{"text": "no type"}]}), "invalid_field"),
        (chat({"id": "u", "role": "user", "parts": [{"type": "text", "text": 7}]}), "invalid_field"),
        (chat({"id": "u", "role": "user", "parts": [{"type": "file", "url": "x"}]}), "invalid_field"),
        (chat(answered("a", {"type": "tool-x"})), "invalid_field"),
        (chat(answered("a", tool("approval-responded", approval="yes"))), "invalid_field"),
        (chat(said("u1"), message={"id": "u", "role": "user", "parts": [{"type": {}}]}), "invalid_field"),
        (chat(said("u1"), message={"id": "u", "role": "robot", "parts": []}), "invalid_field"),
    ],
)
def test_what_is_no_request_of_a_chat_is_refused(body: bytes, code: str) -> None:
    with pytest.raises(CommandError) as refused:
        read_chat(body)
    assert refused.value.code.value == code


def test_parts_that_nobody_knows_are_left_out() -> None:
    parts = [{"type": "text", "text": "Hi"}, {"type": "tomorrow", "state": 7}, {"type": "source-url", "url": 7}]
    assert messages({"id": "u", "role": "user", "parts": parts})[0]["content"] == "Hi"
