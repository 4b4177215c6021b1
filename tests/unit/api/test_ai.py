"""The AI SDK's routes on a node in memory, in virtual time: a question and its answer, resumed and stopped."""

import asyncio
import json

import pytest

from tests.support.agui import CONNECT, RUN, Scene, asked, spoken, types
from tests.support.ai import RESUME, SEND, STOP, answered, chat, chunks, kinds, said, text_of
from tests.support.http_api import KnownTokens, bearer, known
from tests.support.virtual_time import in_virtual_time, settle
from websocket_handler.hub.log import LogLimits
from websocket_handler.logs.limits import DeliveryLimits

ANSWER = "answer-u1"
WHOLE = ["start", "start-step", "data-wsh.queued", "text-start", "text-delta", "text-delta", "text-end"]
END = ["finish-step", "finish", "[DONE]"]


@in_virtual_time
async def test_a_question_is_one_task_and_its_answer_is_a_stream_that_ends_with_it() -> None:
    scene = Scene()
    exchange, answering = scene.begin(SEND, chat(said("u1")))
    await settle()
    assert exchange.headers["x-vercel-ai-ui-message-stream"] == "v1"
    assert exchange.headers["content-type"].startswith("text/event-stream")
    assert kinds(exchange) == WHOLE[:3]
    scene.say(*spoken(ANSWER, "Hi ", "there"))
    await answering
    assert kinds(exchange) == [*WHOLE, *END]
    assert exchange.body.endswith(b"\ndata: [DONE]\n\n")
    assert (text_of(exchange), exchange.is_cut) == ("Hi there", False)
    (task,) = scene.tasks
    assert (task.message_id, task.project_id, task.agent) == (ANSWER, "p", "dev")
    assert json.loads(task.data)["messages"] == [{"id": "u1", "role": "user", "content": "Hello"}]
    assert (scene.counters.ai_requests, scene.counters.agui_requests) == ({"started": 1}, {})


@in_virtual_time
async def test_the_project_is_that_of_the_path_or_the_chats_id() -> None:
    scene = Scene()
    scene.begin("/ai", chat(said("u1"), agent="planning"))
    scene.begin("/ai/p?agent=qa", chat(said("u2"), id="whatever"))
    await settle()
    queues = scene.core.ports.forwarder.queues  # type: ignore[attr-defined]
    assert {str(agent): [task.message_id for task in tasks] for agent, tasks in queues.items() if tasks} == {
        "pm": [ANSWER],
        "qa": ["answer-u2"],
    }


@in_virtual_time
async def test_the_same_request_again_is_the_same_task_and_joins_its_run() -> None:
    scene = Scene()
    first, _ = scene.begin(SEND, chat(said("u1")))
    again, _ = scene.begin(SEND, chat(said("u1")))
    await settle()
    scene.say(*spoken(ANSWER, "Hel", "lo", ends=False))
    await settle()
    late, _ = scene.begin(SEND, chat(said("u1")))
    await settle()
    scene.say(*spoken(ANSWER, " you")[1:])
    await settle()
    for exchange in (first, again, late):
        assert text_of(exchange) == "Hello you"
        assert kinds(exchange)[-3:] == END
    after, answering = scene.begin(SEND, chat(said("u1")))
    await answering
    assert (text_of(after), kinds(after)[-3:], len(scene.tasks)) == ("Hello you", END, 1)


@in_virtual_time
async def test_a_client_that_was_cut_gets_the_rest_and_nothing_twice() -> None:
    scene = Scene()
    first, answering = scene.begin(SEND, chat(said("u1")))
    await settle()
    scene.say(*spoken(ANSWER, "a", "b", "c"))
    await answering
    whole = chunks(first)
    for place, (name, _) in enumerate(whole):
        if name:
            for method, target, body in (("POST", SEND, chat(said("u1"))), ("GET", RESUME, b"")):
                exchange, answering = scene.api.begin(method, target, body, last_event_id=name)
                await answering
                assert chunks(exchange) == whole[place + 1 :]
    assert len(scene.tasks) == 1
    assert {name for name, _ in whole[:-1] if name and not name.endswith(f"/{ANSWER}")} == set()


@in_virtual_time
async def test_a_page_that_is_loaded_again_gets_the_answer_from_its_beginning() -> None:
    scene = Scene()
    nothing, answering = scene.api.begin("GET", RESUME)
    await answering
    assert (nothing.status, nothing.body) == (204, b"")
    scene.begin(SEND, chat(said("u1")))
    await settle()
    scene.say(*spoken(ANSWER, "Hel", ends=False))
    await settle()
    exchange, answering = scene.api.begin("GET", RESUME)
    await settle()
    assert chunks(exchange)[0][1] == {"type": "start", "messageId": ANSWER}
    scene.say(*spoken(ANSWER, "lo")[1:])
    await answering
    assert (text_of(exchange), kinds(exchange)[-3:]) == ("Hello", END)
    nothing, answering = scene.api.begin("GET", RESUME)
    await answering
    assert (nothing.status, scene.counters.streams) == (204, 0)


@in_virtual_time
async def test_a_run_that_is_longer_than_the_log_goes_on_for_who_was_cut_and_is_told_to_who_joins() -> None:
    scene = Scene(delivery=DeliveryLimits(log=LogLimits(messages=10)))
    first, answering = scene.begin(SEND, chat(said("u1")))
    await settle()
    for word in range(40):
        scene.say(*spoken(ANSWER, f"w{word} ", ends=False)[1 if word else 0 :])
        await settle()
    whole = chunks(first)
    for back in (0, 3, 8):
        exchange, _ = scene.api.begin("GET", RESUME, last_event_id=str(whole[-1 - back][0]))
        await settle()
        assert chunks(exchange) == whole[len(whole) - back :]
    old, _ = scene.api.begin("GET", RESUME, last_event_id=f"another-log:4/{ANSWER}")
    joined, _ = scene.api.begin("GET", RESUME)
    await settle()
    scene.say(*spoken(ANSWER, "end")[1:])
    await answering
    await settle()
    assert kinds(old)[0] == "reset-step"
    assert text_of(old) == text_of(joined) == text_of(first)


@in_virtual_time
async def test_who_comes_back_after_everything_is_forgotten_starts_no_second_task() -> None:
    scene = Scene()
    for name in (f"gone:7/{ANSWER}", "nonsense", "gone:7/", ", "):
        exchange, answering = scene.begin(SEND, chat(said("u1")), last_event_id=name)
        await answering
        assert kinds(exchange) == ["error", "[DONE]"], "nobody can tell how it ended"
    assert scene.tasks == []


@in_virtual_time
async def test_an_answer_that_is_asked_for_once_more_is_a_new_run_and_while_it_runs_the_same_one() -> None:
    scene = Scene()
    again = chat(said("u1"), trigger="regenerate-message")
    for number in (1, 2):
        scene.begin(SEND, again)
        exchange, answering = scene.begin(SEND, again)
        await settle()
        assert chunks(exchange)[0][1]["messageId"] == f"{ANSWER}-{number}"
        scene.say({"type": "RUN_FINISHED", "threadId": "p", "runId": f"{ANSWER}-{number}"})
        await answering
    assert [task.message_id for task in scene.tasks] == [f"{ANSWER}-1", f"{ANSWER}-2"]


@in_virtual_time
async def test_an_approval_goes_on_with_the_message_and_reaches_the_agent() -> None:
    scene = Scene()
    scene.begin(SEND, chat(said("u1")))
    await settle()
    call = {"toolCallId": "c", "runId": ANSWER}
    ask = {"type": "interrupt", "interrupts": [{"id": "i", "reason": "approval", "toolCallId": "c"}]}
    scene.say(
        {"type": "TOOL_CALL_START", **call, "toolCallName": "deploy"},
        {"type": "TOOL_CALL_END", **call},
        {"type": "RUN_FINISHED", "threadId": "p", "runId": ANSWER, "outcome": ask},
    )
    approval = {"id": "i", "approved": True, "reason": "go"}
    part = {"type": "tool-deploy", "toolCallId": "c", "state": "approval-responded", "input": {}, "approval": approval}
    exchange, answering = scene.begin(SEND, chat(said("u1"), answered(ANSWER, part), messageId=ANSWER))
    await settle()
    task = scene.tasks[-1]
    data = json.loads(task.data)
    assert task.message_id.startswith(f"{ANSWER}--")
    assert (data["messages"], data["resume"]) == (
        [],
        [{"interruptId": "i", "status": "resolved", "payload": {"approved": True, "reason": "go"}}],
    )
    run = {"runId": task.message_id}
    result = {"type": "TOOL_CALL_RESULT", "messageId": "r", "toolCallId": "c", "content": "done", **run}
    scene.say(result)
    await settle()
    reloaded, _ = scene.api.begin("GET", RESUME)
    await settle()
    scene.say({"type": "RUN_FINISHED", "threadId": "p", **run})
    await answering
    await settle()
    assert chunks(exchange)[0][1] == {"type": "start", "messageId": ANSWER}
    assert "tool-output-available" in kinds(exchange)
    assert kinds(reloaded) == [
        "start",
        "start-step",
        "tool-input-start",
        "tool-input-available",
        "finish-step",
        "start-step",
        "tool-output-available",
        *END,
    ]


@in_virtual_time
async def test_an_ag_ui_client_sees_the_same_run() -> None:
    scene = Scene()
    exchange, _ = scene.begin(SEND, chat(said("u1")))
    await settle()
    scene.say(*spoken(ANSWER, "Hel", ends=False))
    await settle()
    other, _ = scene.begin(CONNECT, asked("of-this-tab"))
    scene.begin(RUN, asked("of-ag-ui"))
    await settle()
    joined, _ = scene.api.begin("GET", RESUME)
    await settle()
    assert types(other)[:3] == ["RUN_STARTED", "MESSAGES_SNAPSHOT", "TEXT_MESSAGE_START"]
    assert chunks(joined)[0][1]["messageId"] == "of-ag-ui"
    assert text_of(exchange) == "Hel"


@in_virtual_time
async def test_a_stop_reaches_the_agent_and_a_closed_tab_stops_nothing() -> None:
    scene = Scene()
    exchange, answering = scene.begin(SEND, chat(said("u1")))
    gone, leaving = scene.begin(SEND, chat(said("u1")))
    await settle()
    gone.hang_up()
    await asyncio.wait([leaving])
    stopped, done = scene.begin(STOP, b"")
    await done
    assert stopped.json == {"stopped": True, "runIds": [ANSWER]}
    await settle()
    assert kinds(exchange)[-1] == "data-wsh.stop"
    scene.say({"type": "RUN_FINISHED", "threadId": "p", "runId": ANSWER, "outcome": {"type": "cancelled"}})
    await answering
    assert kinds(exchange)[-2:] == ["abort", "[DONE]"]
    assert scene.counters.ai_requests["stopped"] == 1


@in_virtual_time
async def test_a_stream_that_cannot_go_on_is_cut_and_never_ends_cleanly() -> None:
    scene = Scene()
    exchange, answering = scene.begin(SEND, chat(said("u1")))
    await settle()
    scene.core.server.refuse_newcomers()
    await answering
    assert (exchange.is_cut, scene.counters.ai_cuts, scene.counters.agui_cuts) == (True, 1, 0)
    assert "[DONE]" not in kinds(exchange)


@in_virtual_time
async def test_each_route_needs_its_rights_on_the_project() -> None:
    tokens = KnownTokens(
        reader=known("ada", "p", rights=["subscribe"]),
        sender=known("ada", "p", rights=["forward:dev"]),
        other=known("ada", "q", rights=["subscribe", "forward:dev"]),
        wrong=known("ada", "p", rights=["subscribe", "forward:qa"]),
        right=known("ada", "p", rights=["subscribe", "forward:dev"]),
    )
    scene = Scene(tokens=tokens)

    async def code(method: str, target: str, name: str) -> str:
        exchange, answering = scene.api.begin(method, target, chat(said("u1")), authorization=bearer(name))
        await settle()
        if not answering.done():
            exchange.hang_up()
            await asyncio.wait([answering])
        return "open" if exchange.status in (200, 204) else exchange.code

    names = ("reader", "sender", "other", "wrong", "nobody", "right")
    refused = ["forbidden", "forbidden", "forbidden", "forbidden", "unauthorized"]
    for method, target in (("POST", SEND), ("POST", "/ai?agent=dev"), ("POST", STOP)):
        assert [await code(method, target, name) for name in names] == [*refused, "open"]
    assert [await code("GET", RESUME, name) for name in names] == [
        "open",
        "forbidden",
        "forbidden",
        "open",
        "unauthorized",
        "open",
    ]


@pytest.mark.parametrize(
    ("target", "body", "code"),
    [
        ("/ai/p", chat(said("u1")), "missing_field"),
        ("/ai/p?agent=root", chat(said("u1")), "invalid_field"),
        ("/ai/p?agent=dev&agent=qa", chat(said("u1")), "invalid_field"),
        ("/ai/p?agent=", chat(said("u1"), agent="dev"), "invalid_field"),
        ("/ai/p?agent=dev", chat(said("u1"), agent="root"), "invalid_field"),
        ("/ai/a%20b?agent=dev", chat(said("u1")), "invalid_project_id"),
        ("/ai?agent=dev", chat(said("u1"), id="a/b"), "invalid_project_id"),
        ("/ai?agent=dev", chat(said("u1"), id=None), "missing_field"),
        ("/ai/p/stop", b"", "missing_field"),
        (STOP, b"7", "not_an_object"),
        (SEND, b"{", "invalid_json"),
        (SEND, b"x" * 10_000_000, "message_too_large"),
        (SEND, chat(said("u1", "x" * 10_000)), "message_too_large"),
    ],
)
def test_a_bad_request_has_a_code(target: str, body: bytes, code: str) -> None:
    @in_virtual_time
    async def ask() -> None:
        scene = Scene()
        assert (await scene.api.ask("POST", target, body)).code == code
        assert scene.tasks == []

    ask()


@in_virtual_time
async def test_the_head_of_a_stream_takes_no_place() -> None:
    scene = Scene()
    scene.begin(SEND, chat(said("u1")))
    await settle()
    head, answering = scene.api.begin("HEAD", RESUME)
    await answering
    assert (head.status, head.headers["x-vercel-ai-ui-message-stream"], scene.counters.streams) == (200, "v1", 1)
