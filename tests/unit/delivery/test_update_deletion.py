"""Deleting what is published, and hiding what is not, in virtual time."""

import asyncio
from collections.abc import Coroutine, Sequence
from typing import Any

from tests.support.doubles import no_chance
from tests.support.memory_ports import MemoryUpdateSource
from tests.support.publications import prepared
from tests.support.virtual_time import in_virtual_time, settle
from websocket_handler.delivery.held_updates import ReadUpdate
from websocket_handler.delivery.queue_state import QueueState
from websocket_handler.delivery.update_deletion import UpdateDeletion
from websocket_handler.delivery.updates_under_way import UpdatesUnderWay
from websocket_handler.ports.backoff import Backoff
from websocket_handler.ports.update_source import SourceUnavailable


class Source(MemoryUpdateSource):
    """An updates queue that can fail, and that remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.is_down = False
        self.asked: list[list[str]] = []

    async def delete(self, handles: Sequence[str]) -> None:
        self.asked.append(list(handles))
        if self.is_down:
            raise SourceUnavailable("down")

    async def extend(self, handles: Sequence[str]) -> None:
        await self.delete(handles)


class Nobody:
    """No update waits for others."""

    count = bytes = 0


class Desk:
    """Updates under way, their queue, and what is asked of it."""

    def __init__(self) -> None:
        self.source = Source()
        self.events: list[str] = []
        self.under_way = UpdatesUnderWay(Nobody())
        report = lambda event, _fields: self.events.append(event)  # noqa: E731
        self.queue = QueueState(Backoff(no_chance), report)
        self.deletion = UpdateDeletion(self.source, self.queue, self.under_way, report)

    def receive(self, *handles: str) -> list[ReadUpdate]:
        updates = [ReadUpdate(handle, handle, prepared(), is_broadcast=False) for handle in handles]
        for update in updates:
            self.under_way.add(update)
        return updates

    def start(self, job: Coroutine[Any, Any, None]) -> None:
        self.task = asyncio.create_task(job)


@in_virtual_time
async def test_what_is_published_is_deleted_in_its_order_ten_at_a_time_and_nothing_else_is() -> None:
    desk = Desk()
    desk.start(desk.deletion.delete())
    desk.receive("unpublished")
    for update in desk.receive(*"abcdefghijkl"):
        desk.under_way.published(update)
    await settle()
    assert desk.source.asked == [list("abcdefghij"), list("kl")]
    assert desk.under_way.handles == ["unpublished"]


@in_virtual_time
async def test_what_could_not_be_deleted_is_deleted_again_after_a_pause() -> None:
    desk = Desk()
    desk.source.is_down = True
    desk.start(desk.deletion.delete())
    (update,) = desk.receive("a")
    desk.under_way.published(update)
    await settle(1)
    assert (desk.queue.fault, desk.events, desk.under_way.handles) == ("down", ["updates.unavailable"], ["a"])
    desk.source.is_down = False
    await settle()
    assert desk.under_way.is_empty
    assert set(map(tuple, desk.source.asked)) == {("a",)}


@in_virtual_time
async def test_everything_under_way_is_hidden_again_in_time_ten_at_a_time() -> None:
    desk = Desk()
    desk.start(desk.deletion.extend())
    first, *_ = desk.receive(*"abcdefghijkl")
    desk.under_way.published(first)
    await asyncio.sleep(10 * desk.source.hidden_s)
    assert desk.source.asked == [], "nobody knows yet for how long the queue hides a message"
    desk.queue.answered()
    await asyncio.sleep(desk.source.hidden_s - 1)
    assert desk.source.asked == [list("bcdefghijk"), list("la")]


@in_virtual_time
async def test_a_failure_to_hide_them_is_told_and_tried_again_at_the_next_time() -> None:
    desk = Desk()
    desk.queue.answered()
    desk.source.is_down = True
    desk.start(desk.deletion.extend())
    desk.receive("a")
    await asyncio.sleep(desk.source.hidden_s + 1)
    assert desk.events == ["updates.extend_failed"] * 2
    assert desk.queue.fault is None, "it says nothing about receiving"
