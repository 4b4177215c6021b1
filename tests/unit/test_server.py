"""`WebSocketServer` as a library: what a program that embeds it can do, in virtual time."""

import asyncio
from random import Random
from typing import Any

import pytest

from tests.support.clock import SteeredClock, loop_time
from tests.support.documents import ROOT
from tests.support.doubles import NEVER_OLD, Client, client_of, no_chance
from tests.support.memory_ports import MemoryForwarder
from tests.support.observers import NotedConnections
from tests.support.publications import without_time
from tests.support.scripts import load_script
from tests.support.virtual_time import in_virtual_time, settle
from websocket_handler.access.open_access import OpenAccess
from websocket_handler.adapters.memory import MemoryLogStore
from websocket_handler.delivery.connection import Connection
from websocket_handler.delivery.forwarding import Forwarding, ForwardLimits
from websocket_handler.delivery.node import Node
from websocket_handler.logs.engine import Engine
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.messages import Subscribe
from websocket_handler.protocol.names import Agent
from websocket_handler.protocol.publication import finish
from websocket_handler.protocol.replies import Greeting
from websocket_handler.protocol.session import SessionLimits
from websocket_handler.server import ServerOptions, WebSocketServer
from websocket_handler.telemetry.counters import Counters

DEFAULT = DeliveryLimits(log=NEVER_OLD)


class Desk:
    """A server over memory, and its queues."""

    def __init__(self, limits: DeliveryLimits = DEFAULT) -> None:
        clock, counters = SteeredClock(loop_time), Counters()
        ids = iter(range(1, 1000))
        loop: Any = asyncio.get_running_loop()
        store = MemoryLogStore(clock, NEVER_OLD)
        engine = Engine(store, clock, loop, limits, counters, lambda: f"epoch{next(ids)}", finish, no_chance)
        self.queues = MemoryForwarder()
        forwarding = Forwarding(self.queues, clock, ForwardLimits(), counters, Random(1))
        options = ServerOptions(Greeting("node", 25, 65536, 256, 100, 1000), SessionLimits())
        self.noted = NotedConnections()
        node = Node(engine, MemoryLogStore(clock, NEVER_OLD), self.noted)
        self.server = WebSocketServer(
            node, forwarding, clock, options, lambda: f"id{next(ids)}", OpenAccess(lambda: "ticket"), counters
        )

    def refusal(self, subscriptions: int) -> ErrorCode | None:
        """Why no client may come in that follows so many projects."""
        with pytest.raises(CommandError) as refused:
            self.server.check_room(subscriptions)
        return refused.value.code

    def arrive(self, *projects: str) -> Connection:
        """A client that follows projects; it has read what it was told up to now."""
        client = Client()
        subscriptions = [Subscribe(project_id=project_id) for project_id in projects]
        client.connection = self.server.connection_handler(client, subscriptions)
        return client.connection


@in_virtual_time
async def test_a_client_is_greeted_and_follows_what_it_came_for() -> None:
    client = client_of(Desk().arrive("p", "q"))
    await settle()
    assert [message["type"] for message in client.messages] == ["connected"] + ["subscription_confirmed"] * 2


@in_virtual_time
async def test_what_is_sent_to_a_project_reaches_who_follows_it_and_nobody_else() -> None:
    desk = Desk()
    follower, other = desk.arrive("p"), desk.arrive("q")
    await settle()
    for connection in (follower, other):
        client_of(connection).forget()
    answers: list[object] = []
    desk.server.send_to_project("p", {"type": "hello"}, done=answers.append)
    await settle()
    [message] = client_of(follower).messages
    assert without_time(message) == {"type": "hello", "project_id": "p", "offset": 1}
    assert client_of(other).messages == []
    assert answers == [desk.server.node.project("p").journal.log.position]


@in_virtual_time
async def test_who_subscribes_from_the_snapshot_gets_it_behind_the_confirmation_and_before_what_follows() -> None:
    desk = Desk()
    run = [
        {"type": "RUN_STARTED", "threadId": "p", "runId": "r"},
        {"type": "TEXT_MESSAGE_START", "messageId": "m", "role": "assistant"},
        *({"type": "TEXT_MESSAGE_CONTENT", "messageId": "m", "delta": text} for text in "abc"),
    ]
    for event in run[:4]:
        desk.server.send_to_project("p", event)
    await settle()
    early = desk.arrive()
    subscribe = b'{"action":"subscribe","project_id":"p","from":"snapshot","id":"1"}'
    desk.server.handle_client_message(early, subscribe)
    desk.server.send_to_project("p", run[4])
    await settle()
    late = desk.arrive()
    desk.server.handle_client_message(late, subscribe)
    desk.server.handle_client_message(late, subscribe.replace(b"1", b"2"))
    for connection in (early, late):
        confirmation, snapshot, *tail = client_of(connection).messages[1:]
        assert (confirmation["type"], confirmation["offset"], confirmation["id"]) == ("subscription_confirmed", 4, "1")
        assert (snapshot["type"], snapshot["offset"], snapshot["messages"][0]["content"]) == ("snapshot", 4, "ab")
        assert [message["offset"] for message in tail] == ([5] if connection is early else [5, 5])
    assert client_of(late).messages[-1]["id"] == "2", "who follows already is sent nothing again"


@in_virtual_time
async def test_a_key_makes_sending_again_harmless() -> None:
    desk = Desk()
    follower = desk.arrive("p")
    answers: list[object] = []
    for _ in range(2):
        desk.server.send_to_project("p", {"n": 1}, key="once", done=answers.append)
        await settle()
    assert client_of(follower).offsets == [1]
    assert answers[0] == answers[1]


@in_virtual_time
async def test_what_cannot_be_a_publication_is_refused_at_once() -> None:
    with pytest.raises(CommandError) as refused:
        Desk().server.send_to_project("p", {"offset": 7})
    assert refused.value.code is ErrorCode.RESERVED_FIELD


@in_virtual_time
async def test_a_broadcast_reaches_every_connection() -> None:
    desk = Desk()
    connections = [desk.arrive(), desk.arrive("p")]
    await settle()
    for connection in connections:
        client_of(connection).forget()
    assert desk.server.broadcast_message({"type": "notice"}) == 2
    await settle()
    assert [client_of(connection).messages for connection in connections] == [[{"type": "notice"}]] * 2


@in_virtual_time
async def test_forwarded_work_is_in_its_agents_queue_under_the_id_that_was_told() -> None:
    desk = Desk()
    answers: list[object] = []
    message_id = desk.server.forward_to_sqs("code", {"task": "fix"}, project_id="p", done=answers.append)
    await settle()
    (task,) = desk.queues.queues[Agent.DEV]
    assert (task.message_id, task.project_id, task.data) == (message_id, "p", b'{"task":"fix"}')
    assert answers == ["receipt-1"]


@in_virtual_time
async def test_the_documented_program_publishes_forwards_and_broadcasts(capsys: pytest.CaptureFixture[str]) -> None:
    desk = Desk()
    follower = desk.arrive("proj_123")
    load_script(ROOT / "docs" / "examples" / "embedded.py").greet(desk.server)
    await settle()
    assert [message["type"] for message in client_of(follower).messages][-2:] == ["hello", "notice"]
    assert [task.data for task in desk.queues.queues[Agent.DEV]] == [b'{"task":"fix the build"}']
    assert "receipt-1" in capsys.readouterr().out


@in_virtual_time
async def test_work_for_an_unknown_agent_is_refused_at_once() -> None:
    with pytest.raises(CommandError) as refused:
        Desk().server.forward_to_sqs("cook", {})
    assert refused.value.code is ErrorCode.UNKNOWN_AGENT_TYPE


@in_virtual_time
async def test_a_connection_can_be_let_go_of_twice() -> None:
    desk = Desk()
    connection = desk.arrive("p")
    desk.server.unregister_connection(connection)
    desk.server.unregister_connection(connection)
    assert desk.noted.ended == [connection.connection_id]
    assert desk.server.broadcast_message({"type": "notice"}) == 0


@in_virtual_time
async def test_there_is_room_for_a_client_until_the_node_is_full_or_goes_away() -> None:
    desk = Desk(DeliveryLimits(log=NEVER_OLD, connections=1, subscriptions=2))
    desk.server.check_room(2)
    assert desk.refusal(3) is ErrorCode.TOO_MANY_SUBSCRIPTIONS
    connection = desk.arrive()
    assert desk.refusal(0) is ErrorCode.TOO_MANY_CONNECTIONS
    desk.server.unregister_connection(connection)
    desk.server.check_room(2)
    desk.server.is_draining = True
    assert desk.refusal(0) is ErrorCode.DRAINING
    with pytest.raises(CommandError) as refused:
        desk.server.register_connection(Client())
    assert refused.value.code is ErrorCode.DRAINING


@in_virtual_time
async def test_the_greeting_is_never_compressed_and_what_follows_is_framed_as_agreed() -> None:
    class Marked:
        """A framing that shows where it was used."""

        def text(self, payload: bytes) -> bytes:
            return b"marked " + payload

        texts = binary = text

    written: list[bytes] = []

    class Wire(Client):
        """Keeps frames as they are."""

        def write(self, data: bytes) -> None:
            written.append(data)

    framing: Any = Marked()
    connection = Desk().server.register_connection(Wire(), framing=framing)
    connection.push(b"{}")
    assert [frame.startswith(b"marked ") for frame in written] == [False, True]


@in_virtual_time
async def test_an_observer_hears_of_every_change_of_a_connection_until_it_is_gone() -> None:
    desk = Desk()
    connection = desk.arrive("p")
    await settle()
    assert desk.noted.changes == [connection.connection_id] * 2, "registered, and follows a project"
    desk.server.unregister_connection(connection)
    desk.server.unregister_connection(connection)
    assert desk.noted.ended == [connection.connection_id]
