"""AG-UI's routes on a node in memory, in virtual time: a run from its start to its end, joined, resumed and stopped."""

import asyncio
import json

from tests.support.agui import CONNECT, RUN, Scene, asked, frames, spoken, types, user
from tests.support.virtual_time import in_virtual_time, settle
from websocket_handler.api.streams import HEARTBEAT_S
from websocket_handler.hub.log import LogLimits
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.logs.runs.vocabulary import STOP


@in_virtual_time
async def test_a_run_is_one_task_and_its_stream_ends_with_it() -> None:
    scene = Scene()
    exchange, answering = scene.begin(RUN, asked(messages=[user("u1", "Hello")], state={"n": 1}))
    await settle()
    assert exchange.headers["content-type"].startswith("text/event-stream")
    assert types(exchange) == ["RUN_STARTED", "CUSTOM"]
    scene.say(*spoken("r1", "Hi ", "there"))
    await answering
    assert types(exchange)[2:] == [
        "TEXT_MESSAGE_START",
        "TEXT_MESSAGE_CONTENT",
        "TEXT_MESSAGE_CONTENT",
        "TEXT_MESSAGE_END",
        "RUN_FINISHED",
    ]
    assert not exchange.is_cut
    (task,) = scene.tasks
    data = json.loads(task.data)
    assert (task.message_id, task.project_id, task.agent) == ("r1", "p", "dev")
    assert (data["messages"], data["state"], data["runId"]) == ([user("u1", "Hello")], {"n": 1}, "r1")
    assert scene.counters.agui_requests == {"started": 1}


@in_virtual_time
async def test_every_event_has_an_id_behind_which_its_client_can_resume_or_an_empty_one() -> None:
    scene = Scene()
    exchange, answering = scene.begin(RUN, asked())
    await settle()
    scene.say(*spoken("r1", "Hi"))
    await answering
    ids = [name for name, _ in frames(exchange)]
    epoch = (await scene.stands()).partition(":")[0]
    assert ids == ["", *(f"{epoch}:{offset}" for offset in (1, 2, 3, 4, 5))]


@in_virtual_time
async def test_the_same_request_again_is_the_same_task_and_joins_its_run() -> None:
    scene = Scene()
    first, _ = scene.begin(RUN, asked(messages=[user("u1", "Hello")]))
    again, _ = scene.begin(RUN, asked(messages=[user("u1", "Hello")]))
    await settle()
    scene.say(*spoken("r1", "Hel", "lo", ends=False))
    await settle()
    late, answering = scene.begin(RUN, asked(messages=[user("u1", "Hello")]))
    await settle()
    assert len(scene.tasks) == 1
    assert types(first) == types(again)
    events = [event for _, event in frames(late)]
    assert [event["type"] for event in events] == ["RUN_STARTED", "MESSAGES_SNAPSHOT", "TEXT_MESSAGE_START"]
    assert [message["content"] for message in events[1]["messages"]] == ["Hello", "Hello"]
    scene.say(*spoken("r1", " you")[1:])
    await answering
    assert types(late)[3:] == ["TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END", "RUN_FINISHED"]


@in_virtual_time
async def test_a_client_that_was_cut_gets_the_rest_and_nothing_twice() -> None:
    scene = Scene()
    first, _ = scene.begin(RUN, asked())
    await settle()
    scene.say(*spoken("r1", "a", "b", "c"))
    await settle()
    whole = frames(first)
    for place, (name, _) in enumerate(whole):
        if name:
            exchange, answering = scene.begin(RUN, asked(), last_event_id=name)
            await answering
            assert frames(exchange) == whole[place + 1 :]
    assert len(scene.tasks) == 1


@in_virtual_time
async def test_who_comes_back_after_everything_is_forgotten_starts_no_second_task() -> None:
    scene = Scene()
    for name in ("gone:7", "nonsense", ", "):
        exchange, answering = scene.begin(RUN, asked("old"), last_event_id=name)
        await answering
        assert types(exchange) == ["RUN_STARTED", "MESSAGES_SNAPSHOT", "RUN_ERROR"]
        assert frames(exchange)[-1][1]["code"] == "lost", "nobody can tell how it ended"
    assert scene.tasks == []


@in_virtual_time
async def test_a_run_that_is_longer_than_the_log_goes_on_for_who_was_cut_and_is_no_second_task() -> None:
    scene = Scene(delivery=DeliveryLimits(log=LogLimits(messages=10)))
    first, answering = scene.begin(RUN, asked())
    await settle()
    for word in range(40):
        scene.say(*spoken("r1", f"w{word} ", ends=False)[1 if word else 0 :])
        await settle()
    whole = frames(first)
    for back in (0, 3, 8):
        name, _ = whole[-1 - back]
        exchange, _ = scene.begin(RUN, asked(), last_event_id=str(name))
        await settle()
        assert frames(exchange) == whole[len(whole) - back :]
    late, _ = scene.begin(RUN, asked())
    tab, _ = scene.begin(CONNECT, asked("of-this-tab"))
    await settle()
    scene.say(*spoken("r1", "end")[1:])
    await answering
    await settle()
    for other in (late, tab):
        assert types(other)[-3:] == ["TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END", "RUN_FINISHED"]
    assert len(scene.tasks) == 1


@in_virtual_time
async def test_only_what_the_thread_does_not_have_goes_to_the_agent() -> None:
    scene = Scene()
    _, answering = scene.begin(RUN, asked("r1", messages=[user("u1", "one")]))
    await settle()
    scene.say(*spoken("r1", "answer"))
    await answering
    answer = {"id": "m", "role": "assistant", "content": "answer"}
    history = [user("u1", "one"), answer, user("u2", "two")]
    scene.begin(RUN, asked("r2", messages=history))
    await settle()
    assert json.loads(scene.tasks[-1].data)["messages"] == [user("u2", "two")]


@in_virtual_time
async def test_a_run_shows_nothing_of_another_run() -> None:
    scene = Scene()
    mine, answering = scene.begin(RUN, asked("r1"))
    scene.begin(RUN, asked("r2"))
    await settle()
    other = [{**event, "messageId": "other"} for event in spoken("r2", "x", ends=False)]
    scene.say(*other, *spoken("r1", "y"))
    await answering
    assert [event.get("messageId") for _, event in frames(mine) if "TEXT" in event["type"]] == ["m"] * 3


@in_virtual_time
async def test_other_publications_are_events_of_our_own() -> None:
    scene = Scene()
    exchange, _ = scene.begin(RUN, asked())
    await settle()
    scene.say({"type": "dev_progress", "text": "x"})
    await settle()
    event = frames(exchange)[-1][1]
    assert (event["type"], event["name"], event["value"]["text"]) == ("CUSTOM", "wsh.update", "x")


@in_virtual_time
async def test_clients_before_1_0_get_an_error_where_a_run_is_cancelled() -> None:
    scene = Scene()
    new, _ = scene.begin(RUN, asked())
    old, answering = scene.begin(RUN, asked(version=None))
    await settle()
    scene.say({"type": "RUN_FINISHED", "threadId": "p", "runId": "r1", "outcome": {"type": "cancelled"}})
    await answering
    assert frames(new)[-1][1]["outcome"] == {"type": "cancelled"}
    error = frames(old)[-1][1]
    assert (error["type"], error["code"]) == ("RUN_ERROR", "cancelled")
    assert "input" not in frames(old)[0][1]


@in_virtual_time
async def test_whoever_asks_again_for_a_run_that_ended_hears_how_it_ended() -> None:
    scene = Scene()
    for run_id, end in (
        ("ok", {"type": "RUN_FINISHED", "threadId": "p"}),
        ("bad", {"type": "RUN_ERROR", "message": "no", "code": "quota"}),
        ("off", {"type": "RUN_FINISHED", "threadId": "p", "outcome": {"type": "cancelled"}}),
    ):
        _, answering = scene.begin(RUN, asked(run_id))
        await settle()
        scene.say({**end, "runId": run_id})
        await answering
        again, answering = scene.begin(RUN, asked(run_id))
        await answering
        last = frames(again)[-1][1]
        assert {name: last.get(name) for name in end} == end
    assert len(scene.tasks) == 3


@in_virtual_time
async def test_connect_joins_the_run_under_way_and_ends_with_it() -> None:
    scene = Scene()
    scene.begin(RUN, asked("r1", messages=[user("u1", "Hello")]))
    await settle()
    scene.say(*spoken("r1", "Hel", ends=False))
    await settle()
    exchange, answering = scene.begin(CONNECT, asked("of-this-tab"))
    await settle()
    assert types(exchange) == ["RUN_STARTED", "MESSAGES_SNAPSHOT", "TEXT_MESSAGE_START"]
    assert frames(exchange)[0][1]["runId"] == "r1"
    scene.say(*spoken("r1", "lo")[1:])
    await answering
    assert types(exchange)[3:] == ["TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END", "RUN_FINISHED"]
    assert scene.counters.agui_requests == {"started": 1, "joined": 1}


@in_virtual_time
async def test_connect_shows_a_thread_at_rest_and_ends() -> None:
    scene = Scene()
    empty, answering = scene.begin(CONNECT, asked())
    await answering
    assert (empty.status, frames(empty), empty.is_cut) == (200, [], False)
    scene.begin(RUN, asked("r1"))
    await settle()
    scene.say(*spoken("r1", "Hi"))
    await settle()
    exchange, answering = scene.begin(CONNECT, asked())
    await answering
    assert types(exchange) == ["RUN_STARTED", "MESSAGES_SNAPSHOT", "RUN_FINISHED"]


@in_virtual_time
async def test_connect_resumes_only_where_it_is_clear_which_run_it_followed() -> None:
    scene = Scene()
    scene.begin(RUN, asked("r1"))
    await settle()
    scene.say(*spoken("r1", "a", ends=False))
    await settle()
    stands = await scene.stands()
    scene.say(*spoken("r1", "b")[1:])
    await settle()
    exchange, answering = scene.begin(CONNECT, asked(), last_event_id=stands)
    await answering
    assert types(exchange) == ["TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END", "RUN_FINISHED"]
    scene.begin(RUN, asked("r2"))
    scene.begin(RUN, asked("r3"))
    await settle()
    exchange, _ = scene.begin(CONNECT, asked(), last_event_id=await scene.stands())
    await settle()
    assert types(exchange)[:2] == ["RUN_STARTED", "MESSAGES_SNAPSHOT"]


@in_virtual_time
async def test_a_stop_is_said_once_to_the_agent_of_each_run_and_ends_nothing_itself() -> None:
    scene = Scene()
    exchange, answering = scene.begin(RUN, asked())
    await settle()
    for _ in range(2):
        stopped, done = scene.begin("/agui/agent/dev/stop/p", b"")
        await done
        assert stopped.json == {"stopped": True, "runIds": ["r1"]}
    _, done = scene.begin("/agui/agent/dev/stop/p", b'{"runId":"another"}')
    await done
    await settle()
    said = [event for _, event in frames(exchange) if event.get("name") == STOP]
    assert (len(said), answering.done()) == (1, False)
    scene.say({"type": "RUN_FINISHED", "threadId": "p", "runId": "r1", "outcome": {"type": "cancelled"}})
    await answering
    idle, done = scene.begin("/agui/agent/dev/stop/p", b"")
    await done
    assert idle.json == {"stopped": False, "runIds": []}


@in_virtual_time
async def test_a_closed_tab_stops_nothing() -> None:
    scene = Scene()
    exchange, answering = scene.begin(RUN, asked())
    await settle()
    exchange.hang_up()
    await asyncio.wait([answering])
    scene.say(*spoken("r1", "Hi"))
    again, done = scene.begin(RUN, asked())
    await done
    assert frames(again)[1][1]["messages"][-1]["content"] == "Hi"
    assert len(scene.tasks) == 1


@in_virtual_time
async def test_a_stream_that_cannot_go_on_is_cut_and_never_ends_cleanly() -> None:
    scene = Scene()
    exchange, answering = scene.begin(RUN, asked())
    await settle()
    await asyncio.sleep(HEARTBEAT_S + 1)
    assert exchange.body.endswith(b": still here\n\n")
    scene.core.server.refuse_newcomers()
    await asyncio.sleep(HEARTBEAT_S + 1)
    await answering
    assert (exchange.is_cut, scene.counters.agui_cuts, scene.counters.streams) == (True, 1, 0)
