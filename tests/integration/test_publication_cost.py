"""What one publication may cost where there are many projects with few subscribers each, in virtual time.

The limits are counts: calls of Python functions, writes, and objects that stay. No clock is read, so a slow machine
changes nothing. `bench/many_projects.py` measures the same load.
"""

import asyncio
import gc
import sys
from typing import Final

import pytest

from tests.support.calls import counted_calls
from tests.support.frames import text_frame
from tests.support.http_sockets import Client, request
from tests.support.virtual_time import in_virtual_time, settle
from tests.support.wires import Door, Wire
from websocket_handler.logs.queue import Waiting
from websocket_handler.protocol.messages import Publish
from websocket_handler.protocol.publication import prepare, read_object

PUBLICATIONS: Final = 16
"""As many as come in one read, each to another project."""
CALLS_MAX: Final = 70
"""Calls of Python functions per publication, with its delivery and its confirmation."""
HTTP_CALLS_MAX: Final = 100
"""Calls of Python functions per publication over HTTP, on a connection that is kept alive, with its answer."""
BLOCKS_MAX: Final = 12
"""Blocks of memory per publication that stay: its entry in the log, and what this test keeps of each write."""


class Crowd:
    """Projects with one subscriber each, and a publisher to all of them."""

    def __init__(self) -> None:
        self.door = Door()
        self.subscribers = [self.door.enter(f"/ws?project_id=p{number}") for number in range(PUBLICATIONS)]
        self.publisher = self.door.enter()

    def packet(self, turn: int) -> bytes:
        """One publication for each project, as they come in one read."""
        message = b'{"type":"token","turn":%d,"text":"%b"}' % (turn, b"x" * 160)
        command = b'{"action":"publish","project_id":"p%d","message":%b}'
        return b"".join(text_frame(command % (number, message)) for number in range(PUBLICATIONS))

    async def publish(self, turn: int) -> None:
        """Publish one packet, and wait until it is delivered and confirmed."""
        self.publisher.send(self.packet(turn))
        await settle()

    def forget(self) -> None:
        """Look only at what comes from here on."""
        for wire in (*self.subscribers, self.publisher):
            wire.forget()


def writes_of(wires: list[Wire]) -> list[int]:
    """How many writes each client got."""
    return [len(wire.writes) for wire in wires]


@in_virtual_time
async def test_each_subscriber_and_the_publisher_get_one_write() -> None:
    crowd = Crowd()
    await crowd.publish(1)
    crowd.forget()
    await crowd.publish(2)
    assert writes_of(crowd.subscribers) == [1] * PUBLICATIONS
    assert writes_of([crowd.publisher]) == [1], "confirmations of one read leave together, whatever their projects"
    assert [message["type"] for message in crowd.publisher.messages()] == ["publish_confirmed"] * PUBLICATIONS


@in_virtual_time
async def test_a_publication_takes_a_bounded_number_of_calls() -> None:
    crowd = Crowd()
    await crowd.publish(1)  # what is made once, such as groups, is made now
    calls = await calls_for(crowd.publisher, crowd.packet(2))
    assert PUBLICATIONS < calls <= CALLS_MAX * PUBLICATIONS


@in_virtual_time
async def test_a_publication_over_http_takes_a_bounded_number_of_calls_and_no_task() -> None:
    client = Client()
    await client.send(request())
    tasks: list[object] = []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(asyncio.get_running_loop(), "create_task", tasks.append)
        assert 0 < await calls_for(client.wire, request()) <= HTTP_CALLS_MAX
    assert (len(client.answers), tasks) == (2, [])


async def calls_for(wire: Wire, packet: bytes) -> int:
    """How many Python functions of the gateway are called for these bytes of a client."""
    with counted_calls() as calls:
        wire.send(packet)
        await settle()
    return calls()


@in_virtual_time
async def test_a_publication_leaves_its_entry_in_the_log_and_no_more() -> None:
    crowd = Crowd()
    for turn in range(3):
        await crowd.publish(turn)
    crowd.forget()
    packet = crowd.packet(3)
    gc.collect()
    gc.disable()
    try:
        before = sys.getallocatedblocks()
        crowd.publisher.send(packet)
        await settle()
        kept = sys.getallocatedblocks() - before
    finally:
        gc.enable()
    assert 0 < kept <= BLOCKS_MAX * PUBLICATIONS


def test_what_a_publication_is_on_its_way_is_nothing_for_the_collector() -> None:
    message = read_object(b'{"type":"token"}')
    publication = prepare(message, "p")
    waiting = Waiting(publication, lambda _answer: None)
    on_the_way = (message, publication, waiting, Publish(project_id="p", message=message))
    assert [thing for thing in on_the_way if gc.is_tracked(thing)] == []
