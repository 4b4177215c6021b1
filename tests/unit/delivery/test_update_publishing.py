"""Publishing updates, and holding those that the gateway could not publish yet, in virtual time."""

import asyncio
from typing import Any

import pytest

from tests.support.clock import SteeredClock, loop_time
from tests.support.doubles import DOWN, EMPTY, NEVER_OLD, HandStore, client_of, connect, engine_over, no_chance
from tests.support.observers import NotedConnections
from tests.support.publications import prepared
from tests.support.virtual_time import in_virtual_time, settle
from websocket_handler.adapters.memory import MemoryLogStore
from websocket_handler.delivery.held_updates import ReadUpdate
from websocket_handler.delivery.node import Node
from websocket_handler.delivery.update_publishing import HOLD_MAX_S, UpdatePublisher
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.ports.backoff import Backoff
from websocket_handler.ports.log_store import Committed, TooLarge
from websocket_handler.protocol.ordinal import Ordinal
from websocket_handler.protocol.publication import read_object
from websocket_handler.telemetry.counters import Counters


class Store(HandStore):
    """A log store that says if it is up."""

    fault: str | None = None

    def failure(self) -> str | None:
        return self.fault


class Desk:
    """A publisher on a node, and what became of its updates."""

    def __init__(self, pending_messages: int = 100) -> None:
        clock: Any = SteeredClock(loop_time)
        self.store, self.counters = Store(), Counters()
        loop: Any = asyncio.get_running_loop()
        engine = engine_over(
            self.store, clock, loop, DeliveryLimits(log=NEVER_OLD, pending_messages=pending_messages), self.counters
        )
        self.node = Node(engine, MemoryLogStore(clock, NEVER_OLD), NotedConnections())
        self.told: list[tuple[str, str]] = []
        self.publisher = UpdatePublisher(
            self.node,
            self.counters,
            Backoff(no_chance),
            lambda update: self.told.append((update.update_id, "published")),
            lambda update, outcome, _fault: self.told.append((update.update_id, outcome)),
        )
        self.task = asyncio.create_task(self.publisher.try_again())

    def publish(self, update_id: str, project_id: str = "p", body: bytes = b"{}") -> None:
        publication = prepared(body, key=update_id, project_id=project_id)
        self.publisher.publish_in_turn(ReadUpdate(update_id, update_id, publication, is_broadcast=False))

    async def lose(self) -> None:
        """The store does not open the log."""
        await settle(3)
        self.store.opened(DOWN)
        await settle(3)


@in_virtual_time
async def test_an_update_is_told_as_published_once_the_store_has_it() -> None:
    desk = Desk()
    desk.publish("a")
    await settle()
    desk.store.opened(EMPTY)
    await settle()
    assert desk.told == []
    desk.store.appended(Committed())
    assert (desk.told, desk.counters.updates) == ([("a", "published")], {"published": 1})


@in_virtual_time
async def test_a_broadcast_reaches_every_client_and_is_published_at_once() -> None:
    desk = Desk()
    connection = connect()
    desk.node.register(connection)
    publication = desk.node.prepare_broadcast(read_object(b'{"n":1}'))
    desk.publisher.publish_in_turn(ReadUpdate("a", "a", publication, is_broadcast=True))
    await settle()
    assert [message["n"] for message in client_of(connection).messages] == [1]
    assert (desk.told, desk.counters.updates) == ([("a", "published")], {"broadcast": 1})


@in_virtual_time
async def test_what_the_store_could_not_take_is_held_and_later_updates_of_its_project_wait_behind_it() -> None:
    desk = Desk()
    desk.store.fault = "down"
    desk.publish("a")
    await desk.lose()
    desk.publish("b")
    assert (desk.publisher.held_count, desk.counters.updates) == (2, {"held": 2})
    desk.store.fault = None
    await settle()
    desk.store.opened(EMPTY)
    await settle()
    segment = desk.store.appended(Committed())
    assert [record.key for record in segment.records] == ["a", "b"]
    assert desk.told == [("a", "published"), ("b", "published")]


@in_virtual_time
async def test_an_update_that_is_refused_while_the_one_before_it_is_being_written_stays_behind_it() -> None:
    """Found by the simulation, seed 1568: the log had no room for the second, which was held at once. Then the write of
    the first failed, it was held as well, and it was published after the second."""
    desk = Desk(pending_messages=1)
    desk.publisher._backoff = Backoff(lambda: 1.0, 0.1, 0.5)
    for name in "abc":
        desk.publish(name)
    assert desk.publisher.held_count == 2, "only the first is on its way"
    await desk.lose()
    keys: list[str] = []
    for _ in "abc":
        await asyncio.sleep(1)
        if desk.store.opens:
            desk.store.opened(EMPTY)
            await settle()
        keys += [record.key for record in desk.store.appended(Committed()).records]
    assert keys == ["a", "b", "c"]


@in_virtual_time
async def test_the_later_numbers_of_a_producer_are_left_with_the_one_that_was_held_too_long() -> None:
    desk = Desk()
    desk.publisher._backoff = Backoff(lambda: 1.0, 0.1, 0.5)
    desk.store.fault = "down"
    for name in (Ordinal("agent", 1).key, "other", Ordinal("builder", 7).key):
        desk.publish(name)
    await desk.lose()
    await asyncio.sleep(HOLD_MAX_S - 60)
    for name in (Ordinal("agent", 2).key, Ordinal("designer", 1).key):
        desk.publish(name)
    desk.publish(Ordinal("agent", 1).key, "q")
    await desk.lose()
    await asyncio.sleep(61)
    old = [Ordinal("agent", 1).key, "other", Ordinal("builder", 7).key, Ordinal("agent", 2).key]
    assert desk.told == [(name, "failed") for name in old]
    assert desk.publisher.held_count == 2


@pytest.mark.parametrize(("waits_s", "outcomes"), [(HOLD_MAX_S - 1, []), (HOLD_MAX_S + 1, [("a", "failed")])])
@in_virtual_time
async def test_after_ten_minutes_without_success_it_is_left_for_another_node(
    waits_s: float, outcomes: list[tuple[str, str]]
) -> None:
    desk = Desk()
    desk.publisher._backoff = Backoff(lambda: 1.0, 0.1, 0.5)
    desk.store.fault = "down"
    desk.publish("a")
    await desk.lose()
    await asyncio.sleep(waits_s)
    assert desk.told == outcomes
    assert desk.publisher.held_count == 1 - len(outcomes)


@in_virtual_time
async def test_an_update_that_its_sender_has_to_mend_is_left_as_malformed() -> None:
    desk = Desk()
    desk.publish("a")
    await settle()
    desk.store.opened(EMPTY)
    await settle()
    desk.store.appended(TooLarge())
    await settle()
    assert (desk.told, desk.publisher.held_count) == ([("a", "malformed")], 0)
