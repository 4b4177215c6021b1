"""The updates queue in virtual time: at least once in, once out, and nothing deleted before it is safe."""

import asyncio
import json
from collections.abc import Sequence
from itertools import pairwise
from random import Random
from typing import Any, Final

from tests.support.clock import SteeredClock
from tests.support.doubles import EMPTY, NEVER_OLD, WALL, Client, HandStore, client_of, connect, no_chance
from tests.support.memory_ports import MemoryUpdateSource
from tests.support.observers import NotedConnections
from tests.support.publications import untimed, without_time
from tests.support.virtual_time import in_virtual_time, settle
from websocket_handler.adapters.memory import MemoryLogStore
from websocket_handler.delivery.node import Node
from websocket_handler.delivery.updates import BACKOFF_MAX_S, UpdateConsumer
from websocket_handler.delivery.updates_under_way import UNDER_WAY_MAX
from websocket_handler.logs.engine import Engine
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.ports.log_store import Committed, LogStore, Unavailable
from websocket_handler.ports.update_source import SourceUnavailable, Update
from websocket_handler.protocol.messages import Subscribe
from websocket_handler.protocol.publication import finish
from websocket_handler.protocol.update import body_bytes_max
from websocket_handler.telemetry.counters import Counters

MESSAGE_BYTES: Final = DeliveryLimits().message_bytes


class Source(MemoryUpdateSource):
    """An updates queue that can fail, and that remembers what it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.fails: set[str] = set()
        self.receives: list[float] = []
        self.deleted: list[Sequence[str]] = []
        self.extended: list[Sequence[str]] = []

    def _check(self, what: str) -> None:
        if what in self.fails:
            raise SourceUnavailable(f"{what} failed")

    async def receive(self) -> Sequence[Update]:
        self.receives.append(asyncio.get_running_loop().time())
        self._check("receive")
        return await super().receive()

    async def delete(self, handles: Sequence[str]) -> None:
        self._check("delete")
        self.deleted.append(list(handles))
        await super().delete(handles)

    async def extend(self, handles: Sequence[str]) -> None:
        self._check("extend")
        self.extended.append(list(handles))


class Desk:
    """A consumer between a queue and a node."""

    def __init__(self, store: LogStore | None = None) -> None:
        clock = SteeredClock(wall=WALL)
        self.source = Source()
        self.counters = Counters()
        self.events: list[tuple[str, dict[str, object]]] = []
        ids = iter(range(1, 1_000_000))
        limits = DeliveryLimits(log=NEVER_OLD)
        self.store = store or MemoryLogStore(clock, NEVER_OLD)
        loop: Any = asyncio.get_running_loop()
        engine = Engine(self.store, clock, loop, limits, self.counters, lambda: f"id{next(ids)}", finish, no_chance)
        self.node = Node(engine, MemoryLogStore(clock, NEVER_OLD), NotedConnections())
        self.consumer = UpdateConsumer(
            self.source, self.node, self.counters, Random(1), lambda event, fields: self.events.append((event, fields))
        )
        self.task = asyncio.create_task(self.consumer.run())

    def put(self, *bodies: bytes, project_id: str | None = None) -> None:
        """Leave updates in the queue, with the ids u0, u1, and so on."""
        attributes = {} if project_id is None else {"ProjectId": project_id}
        self.source.put(Update(f"u{index}", "", body, attributes) for index, body in enumerate(bodies))

    def client(self, *projects: str) -> Client:
        """A client that follows these projects."""
        connection = connect()
        self.node.register(connection)
        for project_id in projects:
            self.node.subscribe(connection, Subscribe(project_id=project_id), lambda _answer: None)
        return client_of(connection)

    @property
    def names(self) -> list[str]:
        """The events reported."""
        return [event for event, _ in self.events]


async def one_under_way() -> tuple[Desk, HandStore]:
    """A consumer that took one update, and the store that was told to write it."""
    store = HandStore()
    desk = Desk(store)
    desk.put(b"{}", project_id="p")
    await settle()
    store.opened(EMPTY)
    await settle()
    return desk, store


@in_virtual_time
async def test_an_update_is_published_to_the_project_that_it_names_and_deleted() -> None:
    desk = Desk()
    client = desk.client("p")
    desk.put(b'{"project_id":"p","n":1}')
    await settle()
    [message] = client.messages
    assert without_time(message) == {"project_id": "p", "n": 1, "offset": 1}
    assert desk.source.deleted == [["1"]]
    assert desk.source.hidden == {}
    assert desk.consumer.is_settled
    assert desk.counters.updates["published"] == 1


@in_virtual_time
async def test_the_attribute_names_the_project_where_the_body_does_not() -> None:
    desk = Desk()
    desk.put(b"{}", project_id="q")
    await settle()
    assert desk.node.project("q").journal.log.head == 1


@in_virtual_time
async def test_a_broadcast_that_is_asked_for_reaches_everybody_and_is_deleted() -> None:
    desk = Desk()
    client = desk.client()
    desk.put(b'{"all":1,"broadcast":true}')
    await settle()
    assert client.messages == [{"all": 1, "broadcast": True}]
    assert desk.counters.updates["broadcast"] == 1
    assert desk.source.hidden == {}
    assert desk.consumer.is_settled


@in_virtual_time
async def test_an_update_that_names_nobody_is_shown_to_nobody_and_stays_in_the_queue() -> None:
    desk = Desk()
    client = desk.client("p")
    desk.put(b'{"projectId":"p","text":"secret"}')
    await settle()
    assert client.messages == []
    assert len(desk.source.hidden) == 1
    reason = 'an update needs project_id, the attribute ProjectId, or "broadcast": true; it has projectId'
    assert desk.events == [
        ("update.malformed", {"update_id": "u0", "code": "missing_field", "reason": reason}),
    ]
    assert desk.counters.updates == {"malformed": 1}


@in_virtual_time
async def test_the_object_in_an_envelope_is_published_in_its_own_bytes_and_measured_alone() -> None:
    desk = Desk()
    inner = json.dumps({"project_id": "p", "t": '"' * (MESSAGE_BYTES // 2 - 20)})
    inner = inner[:-2] + "x" * (MESSAGE_BYTES - len(inner)) + inner[-2:]
    for message in (inner, inner[:-2] + "x" + inner[-2:]):
        desk.put(json.dumps({"Type": "Notification", "TopicArn": "t", "Message": message}).encode())
        await settle()
    assert desk.node.project("p").journal.log.head == 1
    [entry] = desk.node.project("p").journal.log.after(0, 10, 1_000_000)
    assert untimed(entry.payload) == f'{inner[:-1]},"offset":1}}'.encode()
    assert [fields["code"] for _, fields in desk.events] == ["message_too_large"]


@in_virtual_time
async def test_a_body_that_can_hold_no_object_of_a_permitted_size_is_not_read() -> None:
    desk = Desk()
    desk.put(b" " * body_bytes_max(MESSAGE_BYTES), b"[" * (1 + body_bytes_max(MESSAGE_BYTES)))
    await settle()
    assert [fields["code"] for _, fields in desk.events] == ["invalid_json", "message_too_large"]


@in_virtual_time
async def test_nothing_is_deleted_before_the_log_store_has_it() -> None:
    desk, store = await one_under_way()
    assert desk.source.deleted == []
    assert not desk.consumer.is_settled
    store.appended(Committed())
    await settle()
    assert desk.source.deleted == [["1"]]


@in_virtual_time
async def test_an_update_that_comes_again_is_deleted_again_and_not_published_again() -> None:
    desk = Desk()
    desk.source.fails = {"delete"}
    desk.put(b"{}", project_id="p")
    await settle()
    desk.source.reappear()
    desk.source.fails = set()
    await asyncio.sleep(10)
    assert desk.node.project("p").journal.log.head == 1
    assert sorted(handle for handles in desk.source.deleted for handle in handles) == ["1", "2"]
    assert desk.source.hidden == {}


@in_virtual_time
async def test_malformed_updates_stay_in_the_queue_and_do_not_stop_the_others() -> None:
    desk = Desk()
    bad = [b"x", b"[]", b"\xff", b'{"a":1,"a":2}']
    bad += [b'{"project_id":1}', b'{"project_id":"a b"}', b'{"offset":1,"project_id":"p"}']
    desk.put(*bad, b'{"project_id":"p"}')
    await settle()
    assert len(desk.source.hidden) == len(bad)
    assert desk.names == ["update.malformed"] * len(bad)
    assert desk.counters.updates["malformed"] == len(bad)
    assert desk.consumer.is_settled
    assert desk.node.project("p").journal.log.head == 1


@in_virtual_time
async def test_an_update_that_the_store_failed_to_take_is_held_and_published_again() -> None:
    desk, store = await one_under_way()
    store.appended(Unavailable("down"))
    await settle()
    assert (desk.names, desk.counters.updates) == ([], {"held": 1})
    assert desk.source.deleted == []
    assert not desk.consumer.is_settled
    await asyncio.sleep(BACKOFF_MAX_S)
    store.appended(Committed())
    await settle()
    assert desk.source.deleted == [["1"]]
    assert desk.consumer.is_settled
    assert desk.counters.updates == {"held": 1, "published": 1}


@in_virtual_time
async def test_no_more_is_received_than_may_be_under_way() -> None:
    store = HandStore()
    desk = Desk(store)
    desk.put(*[b"{}"] * (UNDER_WAY_MAX + 100), project_id="p")
    await settle(1000)
    assert len(desk.source.hidden) == UNDER_WAY_MAX
    store.opened(EMPTY)
    while store.appends or not desk.consumer.is_settled:
        if store.appends:
            store.appended(Committed())
        await settle()
    assert desk.node.project("p").journal.log.head == UNDER_WAY_MAX + 100
    assert desk.source.hidden == {}


@in_virtual_time
async def test_what_waits_for_its_deletion_is_bounded_too() -> None:
    desk = Desk()
    desk.source.fails = {"delete"}
    desk.put(*[b"{}"] * (UNDER_WAY_MAX * 3), project_id="p")
    await settle(3000)
    assert len(desk.source.hidden) <= UNDER_WAY_MAX + 10
    desk.source.fails = set()
    await asyncio.sleep(60)
    assert desk.source.hidden == {}
    assert desk.node.project("p").journal.log.head == UNDER_WAY_MAX * 3


@in_virtual_time
async def test_deletions_are_batched_by_ten() -> None:
    desk = Desk()
    desk.put(*[b"{}"] * 25, project_id="p")
    await settle(200)
    assert max(len(handles) for handles in desk.source.deleted) <= 10
    assert sum(len(handles) for handles in desk.source.deleted) == 25


@in_virtual_time
async def test_a_source_that_fails_is_asked_again_with_growing_pauses_and_reported_once() -> None:
    desk = Desk()
    desk.source.fails = {"receive"}
    await asyncio.sleep(120)
    assert desk.consumer.queue.fault == "receive failed"
    assert desk.names == ["updates.unavailable"]
    pauses = [later - earlier for earlier, later in pairwise(desk.source.receives)]
    assert max(pauses) <= 5
    assert 20 < len(pauses) < 200
    desk.source.fails = set()
    desk.put(b"{}", project_id="p")
    await asyncio.sleep(10)
    assert desk.consumer.queue.fault is None
    assert desk.node.project("p").journal.log.head == 1


@in_virtual_time
async def test_what_is_under_way_stays_hidden_while_the_log_store_is_slow() -> None:
    store = HandStore()
    desk = Desk(store)
    desk.put(*[b"{}"] * 12, project_id="p")
    await asyncio.sleep(15.5)
    assert [len(handles) for handles in desk.source.extended] == [10, 2]
    desk.source.fails = {"extend"}
    await asyncio.sleep(15)
    assert desk.names == ["updates.extend_failed"] * 2
    desk.source.fails = set()
    await asyncio.sleep(15)
    assert len(desk.source.extended) == 4
    store.opened(EMPTY)
    await settle()
    store.appended(Committed())
    await asyncio.sleep(30)
    assert len(desk.source.extended) == 4, "what is done is hidden no longer"


@in_virtual_time
async def test_when_it_stops_receiving_what_it_took_is_still_published_and_deleted() -> None:
    desk, store = await one_under_way()
    desk.consumer.stop_receiving()
    desk.source.put([Update("later", "", b"{}", {"ProjectId": "p"})])
    await settle()
    store.appended(Committed())
    await asyncio.sleep(60)
    assert desk.source.deleted == [["1"]]
    assert desk.consumer.is_settled
    assert desk.node.project("p").journal.log.head == 1
    assert not desk.task.done()


@in_virtual_time
async def test_a_consumer_that_was_told_to_stop_before_it_ran_receives_nothing() -> None:
    desk = Desk()
    desk.consumer.stop_receiving()
    desk.put(b"{}", project_id="p")
    await asyncio.sleep(60)
    assert desk.source.receives == []
