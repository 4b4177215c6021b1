"""The hand-over of clients, in virtual time: everybody is told once, in batches, is served while it moves, and the node
waits while it may."""

import asyncio
import json

import pytest

from tests.support.virtual_time import in_virtual_time
from tests.unit.net.moving import Client, Sockets
from websocket_handler.net.drain import AFTER_MS_MAX, BATCHES_PER_SECOND, MOVING_S_MAX, DrainResult, moving_s
from websocket_handler.protocol.codes import CloseCode


@in_virtual_time
async def test_every_client_is_told_to_reconnect_and_closed_as_handed_over() -> None:
    node = Sockets()
    clients = [Client(node, f"c{number}", 0.1) for number in range(50)]
    result, took_s = await node.hand_over(10.0)
    assert result == DrainResult(told=50, left=0)
    assert took_s < 10.0
    for client in clients:
        (frame,) = client.frames
        message = json.loads(frame[2:])
        assert (message["type"], message["reason"]) == ("reconnect", "draining")
        assert 0 <= message["after_ms"] < AFTER_MS_MAX
        assert client.closed is not None
        assert client.closed[0] == CloseCode.HANDED_OVER


@in_virtual_time
async def test_clients_are_told_in_batches_that_leave_time_for_goodbyes() -> None:
    node = Sockets()
    start = asyncio.get_running_loop().time()
    clients = [Client(node, f"c{number}", 0.0) for number in range(320)]
    await node.hand_over(4.0)
    told = sorted(client.told_at - start for client in clients if client.told_at is not None)
    closed = sorted(client.closed[1] - start for client in clients if client.closed is not None)
    for times in (told, closed):
        moments = sorted({round(at, 3) for at in times})
        assert len(moments) == 4 * BATCHES_PER_SECOND * 8 // 10
        assert max(times.count(at) for at in set(times)) == 10
    assert told[-1] <= 4.0 * 0.8
    assert closed[-1] < 4.0


@in_virtual_time
async def test_a_client_that_moves_in_time_is_served_until_it_goes_and_is_not_closed() -> None:
    node = Sockets()
    movers = [Client(node, f"c{number}", None) for number in range(5)]
    handing_over = asyncio.create_task(node.hand_over(20.0))
    await asyncio.sleep(5 / BATCHES_PER_SECOND + AFTER_MS_MAX / 1000)
    assert all(client.told_at is not None for client in movers)
    for client in movers:
        client.connection.push(b"an answer")
        client.leave()
    result, took_s = await handing_over
    assert result == DrainResult(told=5, left=0)
    assert [len(client.frames) for client in movers] == [2] * 5
    assert [client.closed for client in movers] == [None] * 5
    assert took_s < AFTER_MS_MAX / 1000 + moving_s(20.0)


@in_virtual_time
@pytest.mark.parametrize(("drain_s", "moving"), [(0.0, 0.0), (2.0, 0.3), (20.0, 3.0), (110.0, MOVING_S_MAX)])
async def test_a_client_that_stays_is_closed_when_it_has_had_its_time(drain_s: float, moving: float) -> None:
    node = Sockets()
    client = Client(node, "stays", 0.0)
    await node.hand_over(drain_s)
    assert client.told_at is not None
    assert client.closed is not None
    assert client.closed[1] - client.told_at == pytest.approx(moving, abs=0.03)


@in_virtual_time
async def test_the_node_waits_for_clients_that_do_not_go_until_its_time_is_over() -> None:
    node = Sockets()
    Client(node, "stays", None)
    Client(node, "goes", 0.5)
    result, took_s = await node.hand_over(3.0)
    assert result == DrainResult(told=2, left=1)
    assert 3.0 <= took_s < 3.1


@in_virtual_time
async def test_a_node_without_clients_goes_at_once() -> None:
    assert await Sockets().hand_over(60.0) == (DrainResult(told=0, left=0), 0.0)


@in_virtual_time
async def test_a_client_that_leaves_before_its_batch_is_told_nothing() -> None:
    node = Sockets()
    clients = [Client(node, f"c{number}", 0.0) for number in range(2)]
    handing_over = asyncio.create_task(node.hand_over(10.0))
    await asyncio.sleep(0.01)
    (late,) = [client for client in clients if client.told_at is None]
    late.connection.is_open = False
    late.close(CloseCode.NORMAL, "")
    await handing_over
    assert late.frames == []
