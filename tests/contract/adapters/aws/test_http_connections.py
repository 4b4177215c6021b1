"""The light client on connections that do what connections do."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
import uvloop

from tests.support.scripted_server import TAKEN, Act, Deed, ScriptedServer, http_answer, scripted_server
from tests.support.wire_testing import EVER_S, RECEIPT, PlainAws, fault_of, send, wire_to
from websocket_handler.adapters.aws.errors import AwsError, Fault
from websocket_handler.adapters.aws.http_connections import ConnectionLimits
from websocket_handler.adapters.aws.wire import AwsWire

STALL: Sequence[Act] = [Deed.STALL, TAKEN]
CLOSE: Sequence[Act] = [Deed.CLOSE]


async def until_gone(server: ScriptedServer) -> None:
    """Until the server has seen a connection end."""
    await server.ended.acquire()


@pytest.mark.asyncio
async def test_a_connection_is_kept_and_used_again() -> None:
    async with scripted_server() as server, wire_to(server.url) as wire:
        for _ in range(5):
            assert await send(wire) == RECEIPT
        assert (server.connections, len(server.requests)) == (1, 5)
        request = server.requests[0]
    assert request.head.startswith(b"POST / HTTP/1.1\r\n")
    assert request.headers["host"] == f"localhost:{server.port}"
    assert request.headers["x-amz-target"] == "AmazonSQS.SendMessageBatch"
    assert request.headers["x-amz-security-token"] == "token-1"
    assert request.body == b'{"QueueUrl":"http://queue","Entries":[{"Id":"0","MessageBody":"x"}]}'


def test_it_works_on_uvloop_as_in_production() -> None:
    async def calls() -> None:
        async with scripted_server([TAKEN], CLOSE, [TAKEN], STALL) as server, wire_to(server.url) as wire:
            assert await send(wire) == RECEIPT
            assert await send(wire) == RECEIPT
            cut = asyncio.create_task(send(wire))
            while len(server.requests) < 4:
                await server.arrived.acquire()
            cut.cancel()
            await asyncio.gather(cut, return_exceptions=True)
            await until_gone(server)
            assert (server.connections, len(server.requests)) == (2, 4)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(calls())


@pytest.mark.asyncio
async def test_a_refused_connection_is_transient() -> None:
    async with scripted_server() as server:
        url = server.url
    async with wire_to(url) as wire:
        assert (await fault_of(wire)).fault is Fault.TRANSIENT


HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "acts",
    [
        CLOSE,
        [Deed.RESET],
        [HEAD, Deed.CLOSE],
        [HEAD + b'{"Successful"', Deed.RESET],
        [b"HTTP/1.1 2", Deed.CLOSE],
        [b"not HTTP at all\r\n\r\n"],
        [b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\nx"],
        [http_answer(b"no JSON")],
        [http_answer(b'{"Successful":[{"Id":0}]}')],
        [http_answer(b"")],
        [http_answer(b"x" * 2_000_000)],
        [b"HTTP/1.1 200 OK\r\n" + b"X: x\r\n" * 400_000],
    ],
)
async def test_what_is_no_answer_is_transient_and_asked_only_once(acts: Sequence[Act]) -> None:
    async with scripted_server(acts, [TAKEN]) as server, wire_to(server.url) as wire:
        assert (await fault_of(wire)).fault is Fault.TRANSIENT
        assert len(server.requests) == 1
        assert await send(wire) == RECEIPT


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("acts", "meaning"),
    [
        ([b"HTTP/1.1 100 Continue\r\n\r\n", TAKEN], RECEIPT),
        ([bytes([byte]) for byte in TAKEN], RECEIPT),
        ([b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"], {}),
    ],
)
async def test_an_answer_may_come_in_every_form_of_http(acts: Sequence[Act], meaning: dict[str, Any]) -> None:
    async with scripted_server(acts) as server, wire_to(server.url) as wire:
        assert await send(wire) == meaning
        assert await send(wire) == meaning
        assert server.connections == 1


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "act",
    [
        http_answer(b"{}", Connection="close"),
        TAKEN + TAKEN,
        TAKEN + b"\0",
    ],
)
async def test_a_connection_that_is_out_of_step_is_not_used_again(act: bytes) -> None:
    async with scripted_server([act]) as server, wire_to(server.url) as wire:
        await send(wire)
        await until_gone(server)
        await send(wire)
        assert server.connections == 2


@pytest.mark.asyncio
async def test_a_stalled_call_ends_at_its_deadline_and_takes_its_connection_with_it() -> None:
    async with scripted_server([TAKEN], STALL, [TAKEN]) as server, wire_to(server.url) as wire:
        await send(wire)
        fault = await fault_of(wire, 1.0)  # the request must have left by then
        assert (fault.fault, fault.code) == (Fault.TRANSIENT, "Timeout")
        await until_gone(server)
        assert await send(wire) == RECEIPT
        assert [request.connection for request in server.requests] == [0, 0, 1]


@pytest.mark.asyncio
async def test_a_cancelled_call_takes_its_connection_with_it() -> None:
    async with scripted_server([TAKEN], STALL, [TAKEN]) as server, wire_to(server.url) as wire:
        await send(wire)
        cut = asyncio.create_task(send(wire))
        await server.arrived.acquire()
        await server.arrived.acquire()
        cut.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cut
        await until_gone(server)
        assert await send(wire) == RECEIPT
        assert [request.connection for request in server.requests] == [0, 0, 1]


@pytest.mark.asyncio
async def test_a_connection_that_ended_while_idle_is_seen_before_anything_is_sent() -> None:
    async with scripted_server() as server, wire_to(server.url, ConnectionLimits(at_once_s=0)) as wire:
        await send(wire)
        server.hang_up()  # and the loop has no turn between this and the next call
        assert await send(wire) == RECEIPT
        assert [request.connection for request in server.requests] == [0, 1]


@pytest.mark.asyncio
@pytest.mark.parametrize("deed", [Deed.CLOSE, Deed.RESET])
async def test_an_idle_connection_that_ends_as_it_is_used_is_replaced_once(deed: Deed) -> None:
    async with scripted_server([TAKEN], [deed], [TAKEN], [deed]) as server, wire_to(server.url) as wire:
        await send(wire)
        assert await send(wire, text="y") == RECEIPT
        assert [request.connection for request in server.requests] == [0, 0, 1]
        assert server.requests[1].body == server.requests[2].body
        assert (await fault_of(wire)).fault is Fault.TRANSIENT
        assert [request.connection for request in server.requests] == [0, 0, 1, 1, 2]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("acts", "at_once_s"), [([b"H", Deed.CLOSE], EVER_S), ([HEAD, Deed.RESET], EVER_S), ([Deed.CLOSE], 0.0)]
)
async def test_a_request_that_may_have_been_carried_out_is_not_repeated(acts: Sequence[Act], at_once_s: float) -> None:
    limits = ConnectionLimits(at_once_s=at_once_s)
    async with scripted_server([TAKEN], acts, [TAKEN]) as server, wire_to(server.url, limits) as wire:
        await send(wire)
        assert (await fault_of(wire)).fault is Fault.TRANSIENT
        assert len(server.requests) == 2


@pytest.mark.asyncio
async def test_connections_have_a_maximum_and_calls_wait_for_one() -> None:
    async with (
        scripted_server(STALL) as server,
        wire_to(server.url, ConnectionLimits(connections=3)) as wire,
        asyncio.TaskGroup() as group,
    ):
        calls = [group.create_task(send(wire)) for _ in range(10)]
        for _ in range(3):
            await server.arrived.acquire()
        server.go_on.set()
        assert await asyncio.gather(*calls) == [RECEIPT] * 10
        assert server.open_max == 3


@pytest.mark.asyncio
async def test_idle_connections_are_closed() -> None:
    async with scripted_server() as server, wire_to(server.url, ConnectionLimits(idle_s=0.01)) as wire:
        await send(wire)
        await until_gone(server)
        await send(wire)
        await until_gone(server)
        assert server.connections == 2


@pytest.mark.asyncio
async def test_closing_fails_what_is_under_way_and_what_comes_later() -> None:
    async with scripted_server(STALL) as server, PlainAws(server.url) as aws:
        wire = AwsWire(aws)
        under_way = asyncio.create_task(send(wire))
        await server.arrived.acquire()
        await aws.close()
        with pytest.raises(AwsError) as raised:
            await under_way
        assert raised.value.fault is Fault.TRANSIENT
        await until_gone(server)
        assert (await fault_of(wire)).code == "Closed"
