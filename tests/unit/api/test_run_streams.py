"""What the routes of runs share: how a request is counted, and a stop that one form asks for."""

from tests.support.agui import RUN, Scene, asked, frames, types
from tests.support.ai import RESUME, SEND, STOP, chat, kinds, said
from tests.support.virtual_time import in_virtual_time, settle
from websocket_handler.logs.runs.vocabulary import STOP as WISH


@in_virtual_time
async def test_each_form_counts_its_own_requests() -> None:
    scene = Scene()
    scene.begin(RUN, asked("r1"))
    scene.begin(SEND, chat(said("u1")))
    await settle()
    scene.begin(RUN, asked("r1"))
    joined, _ = scene.api.begin("GET", RESUME)
    await settle()
    scene.api.begin("GET", RESUME, last_event_id=f"{await scene.stands()}/answer-u1")
    await settle()
    assert scene.counters.agui_requests == {"started": 1, "joined": 1}
    assert scene.counters.ai_requests == {"started": 1, "joined": 1, "resumed": 1}
    assert kinds(joined) == ["start", "start-step"]


@in_virtual_time
async def test_a_stop_reaches_every_run_of_the_project_once_whoever_asks() -> None:
    scene = Scene()
    run, _ = scene.begin(RUN, asked("r1"))
    scene.begin(SEND, chat(said("u1")))
    await settle()
    for target in (STOP, "/agui/agent/dev/stop/p"):
        stopped, done = scene.begin(target, b"")
        await done
        assert stopped.json == {"stopped": True, "runIds": ["r1", "answer-u1"]}
    _, done = scene.begin(STOP, b'{"runId":"another"}')
    await done
    await settle()
    assert types(run).count("CUSTOM") == 2, "that it waits, and the wish to stop"
    assert frames(run)[-1][1]["name"] == WISH
