"""From a project's log to the frames of one client: where it stands, what it gets, and with which ids."""

import json
from typing import Any

from tests.support.http_api import Api
from tests.support.virtual_time import in_virtual_time, settle
from websocket_handler.api.agui_stream import agui_form
from websocket_handler.api.run_view import View
from websocket_handler.logs.feed import PageLimits
from websocket_handler.logs.kept_runs import MARK_EVERY
from websocket_handler.logs.runs.vocabulary import Generation
from websocket_handler.protocol.messages import Position
from websocket_handler.protocol.publication import read_object

RUN = {"threadId": "p", "runId": "r1"}
START = {"type": "TEXT_MESSAGE_START", "messageId": "m", "role": "assistant"}


def delta(text: str) -> dict[str, Any]:
    return {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m", "delta": text}


async def viewed(api: Api, run_id: str | None, since: Position | None = None) -> View:
    view = View("p", agui_form(Generation.V1), run_id)
    with api.core.node.feed("p", limits=PageLimits(2, 10_000)) as feed:
        await view.catch_up(feed, since)
    return view


async def published(*events: dict[str, Any]) -> Api:
    api = Api()
    for event in events:
        api.core.server.send_to_project("p", event)
    await settle()
    return api


def ids(frames: list[bytes]) -> list[str]:
    return [line for frame in frames for line in frame.decode().split("\n") if line.startswith("id:")]


@in_virtual_time
async def test_an_empty_log_knows_no_run_and_shows_nothing() -> None:
    view = await viewed(await published(), None)
    assert (view.open_runs, view.message_ids, view.join(), view.is_over) == ([], set(), [], True)


@in_virtual_time
async def test_it_knows_runs_and_messages_over_all_pages() -> None:
    api = await published({"type": "RUN_STARTED", **RUN}, START, delta("a"), delta("b"), {"type": "other"})
    view = await viewed(api, "r1")
    assert (view.knows_run, view.open_runs, view.message_ids) == (True, ["r1"], {"m"})
    assert (await viewed(api, "r2")).knows_run is False


@in_virtual_time
async def test_nobody_can_resume_between_the_frames_of_a_join() -> None:
    api = await published({"type": "RUN_STARTED", **RUN}, START, delta("a"))
    view = await viewed(api, "r1")
    found = ids(view.join())
    assert found[:-1] == ["id:"] * (len(found) - 1)
    assert found[-1].endswith(":3")


@in_virtual_time
async def test_a_position_in_the_middle_of_a_page_is_found_and_one_of_another_log_is_not() -> None:
    api = await published({"type": "RUN_STARTED", **RUN}, START, delta("a"), delta("b"))
    epoch = api.core.node.project("p").reader.epoch
    for offset, expected in ((1, 3), (2, 2), (3, 1), (4, 0)):
        view = await viewed(api, "r1", Position(epoch, offset))
        assert (view.is_resumed, len(view.join())) == (True, expected)
    for since in (Position("other", 2), Position(epoch, 9)):
        view = await viewed(api, "r1", since)
        assert view.is_resumed is False
        assert b"MESSAGES_SNAPSHOT" in b"".join(view.join())


@in_virtual_time
async def test_a_payload_of_several_lines_is_one_frame() -> None:
    api = await published({"type": "RUN_STARTED", **RUN})
    view = await viewed(api, "r1")
    view.join()
    with api.core.node.feed("p", after=1) as feed:
        api.core.node.publish(api.core.node.prepare(read_object(b'{"type":\n"note"}'), "p"), lambda _answer: None)
        page = await feed.next(1)
    assert page is not None
    (frame,) = view.frames(page.epoch, page.entries)
    text = "\n".join(line[6:] for line in frame.decode().split("\n") if line.startswith("data: "))
    assert json.loads(text)["value"]["type"] == "note"


@in_virtual_time
async def test_a_run_that_is_longer_than_its_log_is_joined_and_resumed_all_the_same() -> None:
    api = await published({"type": "RUN_STARTED", **RUN}, START, *[delta("x")] * 1200)
    log = api.core.node.project("p").journal.log
    assert log.first > 2
    joined = await viewed(api, "r1")
    assert (joined.knows_run, joined.message_ids) == (True, {"m"})
    assert b'"content":"%b"' % (b"x" * 1200) in b"".join(joined.join())
    behind = log.first + MARK_EVERY
    for offset, missed in ((behind, 1202 - behind), (log.head - 1, 1), (log.head, 0)):
        resumed = await viewed(api, "r1", Position(log.epoch, offset))
        assert (resumed.is_resumed, len(resumed.join())) == (True, missed)
    api.core.server.send_to_project("p", delta("!"))
    await settle()
    assert b"x!" in b"".join((await viewed(api, None)).join())


@in_virtual_time
async def test_a_position_that_is_no_longer_retained_is_joined_anew() -> None:
    api = await published({"type": "RUN_STARTED", **RUN}, START, *[delta("x")] * 1200)
    view = await viewed(api, "r1", Position(api.core.node.project("p").reader.epoch, 5))
    assert view.is_resumed is False
    assert b'"content":"%b"' % (b"x" * 1200) in b"".join(view.join())


@in_virtual_time
async def test_who_has_seen_the_end_of_a_long_run_gets_nothing_more() -> None:
    end = {"type": "RUN_FINISHED", **RUN}
    events = [
        {"type": "RUN_STARTED", **RUN},
        START,
        *[delta("x")] * 1200,
        {"type": "TEXT_MESSAGE_END", "messageId": "m"},
        end,
    ]
    api = await published(*events, *[{"type": "other"}] * 40)
    epoch = api.core.node.project("p").reader.epoch
    for offset in (1204, 1210, 1230, 1244):
        view = await viewed(api, "r1", Position(epoch, offset))
        assert (view.is_resumed, view.join(), view.is_over) == (True, [], True)
