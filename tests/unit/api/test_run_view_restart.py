"""Front ends that come to a node which has just started, in the middle of a run whose beginning the log no longer
holds: each gets the whole text, because the node goes on with what the one before it saved."""

import json
from collections.abc import Callable
from typing import Any, Final

import pytest

from tests.support.agui import CONNECT, RUN, Scene, asked, frames, spoken, types
from tests.support.ai import RESUME, SEND, chat, chunks, said, text_of
from tests.support.clock import SteeredClock, loop_time
from tests.support.http_api import Exchange
from tests.support.virtual_time import in_virtual_time, settle
from websocket_handler.adapters.memory import MemoryLogStore, MemorySnapshots
from websocket_handler.hub.log import LogLimits
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.ports.log_store import Unavailable

SHORT: Final = LogLimits(messages=10, bytes=1_000_000, seconds=1e9)
WORDS: Final = [f"w{number} " for number in range(60)]
TEXT: Final = "".join(WORDS)
RUN_ID: Final = "answer-u1"
"""The id of the run in which the AI SDK's chat gets the answer to `u1`."""


class Lying(MemorySnapshots):
    """The snapshots of a store that is down."""

    is_down = False

    def newest(self, project_id: str, done: Any, is_wanted: Any = lambda: True) -> None:
        if self.is_down:
            done(Unavailable("down"))
        else:
            super().newest(project_id, done, is_wanted)


class Shelf(MemoryLogStore):
    """A store that outlives its nodes."""

    is_shared = True

    def __init__(self) -> None:
        super().__init__(SteeredClock(loop_time), SHORT)
        self.snapshots: Lying = Lying(self)

    def node(self) -> Scene:
        """A node that has just started on it."""
        return Scene(delivery=DeliveryLimits(log=SHORT), ports={"log_store": self})


async def interrupted(*, is_over: bool = False) -> tuple[Shelf, Scene, str]:
    """A long run, the node that comes after the one on which it began, and the id of the last event that a client got
    there. If the run `is_over`, other entries have followed its end."""
    shelf = Shelf()
    before = shelf.node()
    client, _ = before.begin(RUN, asked(RUN_ID))
    await settle()
    start, *deltas = spoken(RUN_ID, *WORDS, ends=False)
    for event in (start, *deltas, *(spoken(RUN_ID)[1:] if is_over else ())):
        before.say(event)
        await settle()
    last_id = frames(client)[-1][0]
    if is_over:
        before.say(*[{"type": "note"}] * 20)
        await settle()
    assert before.core.node.project("p").journal.log.first > 40, "the beginning is gone"
    assert last_id
    return shelf, shelf.node(), last_id


def shown(exchange: Exchange) -> str:
    """The text of the message `m` that an AG-UI client has."""
    text = ""
    for _, event in frames(exchange):
        if event["type"] == "MESSAGES_SNAPSHOT":
            text = next(each["content"] for each in event["messages"] if each["id"] == "m")
        elif event["type"] == "TEXT_MESSAGE_CONTENT":
            text += event["delta"]
    return text


JOINS: Final[dict[str, tuple[Callable[[Scene], tuple[Exchange, Any]], Callable[[Exchange], str]]]] = {
    "the run again": (lambda scene: scene.begin(RUN, asked(RUN_ID)), shown),
    "connect": (lambda scene: scene.begin(CONNECT, asked("of-this-tab")), shown),
    "the run again, of a client before 1.0": (lambda scene: scene.begin(RUN, asked(RUN_ID, version=None)), shown),
    "the run again, of a client whose position is gone": (
        lambda scene: scene.begin(RUN, asked(RUN_ID), last_event_id=f"{_epoch(scene)}:3"),
        shown,
    ),
    "the chat's resume": (lambda scene: scene.api.begin("GET", RESUME), text_of),
    "the chat's question again": (lambda scene: scene.begin(SEND, chat(said("u1"))), text_of),
}


def _epoch(scene: Scene) -> str:
    return scene.core.node.project("p").reader.epoch


@pytest.mark.parametrize("way", JOINS)
def test_who_joins_after_a_restart_gets_the_whole_text_and_makes_no_second_task(way: str) -> None:
    join, text = JOINS[way]

    @in_virtual_time
    async def play() -> None:
        _, scene, _ = await interrupted()
        exchange, answering = join(scene)
        await settle()
        assert text(exchange) == TEXT
        scene.say(*spoken(RUN_ID, "end")[1:])
        await answering
        assert (text(exchange), exchange.is_cut) == (TEXT + "end", False)
        assert scene.tasks == []

    play()


@pytest.mark.parametrize("way", ["the run again", "connect"])
def test_who_comes_after_the_end_gets_the_whole_text_and_the_end(way: str) -> None:
    @in_virtual_time
    async def play() -> None:
        _, scene, _ = await interrupted(is_over=True)
        exchange, answering = JOINS[way][0](scene)
        await answering
        assert (shown(exchange), types(exchange)[-1]) == (TEXT, "RUN_FINISHED")
        assert scene.tasks == []

    play()


@in_virtual_time
async def test_the_question_of_a_run_that_has_ended_is_no_second_task() -> None:
    _, scene, _ = await interrupted(is_over=True)
    exchange, answering = scene.begin(SEND, chat(said("u1")))
    await answering
    assert (text_of(exchange), chunks(exchange)[-1][1], scene.tasks) == (TEXT, "[DONE]", [])


@in_virtual_time
async def test_who_was_cut_by_the_restart_gets_the_rest_alone() -> None:
    _, scene, last_id = await interrupted()
    exchange, answering = scene.begin(RUN, asked(RUN_ID), last_event_id=last_id)
    scene.say(*spoken(RUN_ID, "end")[1:])
    await answering
    assert types(exchange) == ["TEXT_MESSAGE_CONTENT", "TEXT_MESSAGE_END", "RUN_FINISHED"]


@in_virtual_time
async def test_a_stop_finds_a_run_of_which_the_log_holds_nothing_any_more() -> None:
    shelf = Shelf()
    before = shelf.node()
    before.begin(RUN, asked(RUN_ID))
    await settle()
    for _ in range(12):  # saved in between, because the log is short
        before.say({"type": "note"})
        await settle()
    scene = shelf.node()
    exchange, answering = scene.begin("/agui/agent/dev/stop/p", b"")
    await answering
    assert exchange.json == {"stopped": True, "runIds": [RUN_ID]}


@in_virtual_time
async def test_while_nobody_can_say_what_was_saved_a_join_is_refused_and_a_later_one_is_whole() -> None:
    shelf, scene, _ = await interrupted()
    shelf.snapshots.is_down = True
    for join, _text in JOINS.values():
        exchange, answering = join(scene)
        await answering
        assert (exchange.status, exchange.code) == (503, "store_unavailable")
        assert json.loads(exchange.body)["retryable"]
    assert scene.tasks == []
    shelf.snapshots.is_down = False
    exchange, _ = scene.begin(CONNECT, asked("of-this-tab"))
    await settle()
    assert shown(exchange) == TEXT
