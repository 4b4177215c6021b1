"""Calls on the short way: when they begin, and how they end."""

import asyncio
from collections.abc import Sequence

import pytest

from tests.support.scripted_server import TAKEN, Act, Deed, http_answer, scripted_server
from tests.support.wire_testing import EVER_S, PATIENT, RECEIPT, PlainAws, send
from websocket_handler.adapters.aws.begun_call import BegunCall
from websocket_handler.adapters.aws.errors import AwsError
from websocket_handler.adapters.aws.http_connections import ConnectionLimits
from websocket_handler.adapters.aws.wire import AwsWire

pytestmark = pytest.mark.asyncio
BODY = {"QueueUrl": "http://queue", "Entries": [{"Id": "0", "MessageBody": "x"}]}


class Begun:
    """One call, and what it told."""

    def __init__(self, wire: AwsWire, timeout_s: float = EVER_S) -> None:
        self.wire = wire
        self.timeout_s = timeout_s
        self.told: list[BegunCall] = []
        self._ended = asyncio.Event()
        self.call = wire.begin("sqs", "send_message_batch", timeout_s, BODY, self._end)

    def _end(self, call: BegunCall) -> None:
        self.told.append(call)
        self._ended.set()

    async def end(self) -> BegunCall:
        """Wait until it has ended."""
        await self._ended.wait()
        assert self.told == [self.call]
        return self.told[0]

    async def rest(self) -> dict[str, object]:
        """What the long way makes of it."""
        return await self.wire.call("sqs", "send_message_batch", self.timeout_s, begun=self.call, **BODY)


async def test_it_begins_once_a_connection_is_idle_and_its_answer_is_parsed() -> None:
    async with scripted_server() as server, PlainAws(server.url) as aws:
        wire = AwsWire(aws, PATIENT)
        assert Begun(wire).call is None, "the way is not open"
        await wire.open("sqs")
        assert Begun(wire).call is None, "there is no connection"
        await send(wire)
        begun = Begun(wire)
        assert begun.told == [], "later"
        assert (await begun.end()).result == RECEIPT
        assert (server.connections, len(server.requests)) == (1, 2)
        assert server.requests[0].body == server.requests[1].body
        assert wire.begin("sqs", "list_queues", EVER_S, {}, lambda _call: None) is None
        aws.at_hand.refused("ExpiredToken")
        assert Begun(wire).call is None, "credentials have to be asked for"


async def test_it_does_not_begin_where_the_sdk_has_to_be_used() -> None:
    async with PlainAws("http://127.0.0.1:1", has_proxy=True) as aws:
        wire = AwsWire(aws)
        await send(wire)
        assert Begun(wire).call is None


async def test_it_takes_no_place_that_another_call_has() -> None:
    script: Sequence[Sequence[Act]] = [[TAKEN], [Deed.STALL, TAKEN], [TAKEN]]
    async with scripted_server(*script) as server, PlainAws(server.url) as aws:
        wire = AwsWire(aws, ConnectionLimits(connections=1, idle_s=EVER_S))
        await send(wire)
        first = Begun(wire)
        assert first.call is not None
        assert Begun(wire).call is None
        waiting = asyncio.create_task(send(wire))
        await server.arrived.acquire()
        await server.arrived.acquire()
        server.go_on.set()
        assert (await first.end()).result == RECEIPT
        assert await waiting == RECEIPT
        assert server.connections == 1


@pytest.mark.parametrize("acts", [[Deed.RESET], [http_answer(b"no JSON")], [http_answer(b"{}", 503)]])
async def test_without_a_good_answer_the_long_way_says_what_it_means(acts: Sequence[Act]) -> None:
    limits = ConnectionLimits(at_once_s=0.0, idle_s=EVER_S, connect_timeout_s=EVER_S)
    async with scripted_server([TAKEN], acts, [TAKEN]) as server, PlainAws(server.url) as aws:
        wire = AwsWire(aws, limits)
        await send(wire)
        begun = Begun(wire)
        assert (await begun.end()).result is None
        with pytest.raises(AwsError) as raised:
            await begun.rest()
        assert raised.value.code in {"ConnectionFault", "ResponseParserError", "503"}
        assert len(server.requests) == 2


async def test_its_deadline_ends_the_connection_and_no_late_answer_is_told() -> None:
    async with scripted_server([TAKEN], [Deed.STALL, TAKEN], [TAKEN]) as server, PlainAws(server.url) as aws:
        wire = AwsWire(aws, PATIENT)
        await send(wire)
        begun = Begun(wire, 0.01)
        assert (await begun.end()).result is None
        with pytest.raises(AwsError, match=r"no answer in 0\.01 s"):
            await begun.rest()
        await server.ended.acquire()
        assert await send(wire) == RECEIPT
        assert len(begun.told) == 1


async def test_a_deadline_that_comes_before_the_long_way_counts() -> None:
    async with scripted_server([TAKEN], [Deed.CLOSE], [TAKEN]) as server, PlainAws(server.url) as aws:
        wire = AwsWire(aws, PATIENT)
        await send(wire)
        begun = Begun(wire)
        (await begun.end()).deadline.expired()
        with pytest.raises(AwsError, match="no answer"):
            await begun.rest()
        assert len(server.requests) == 2, "it may be repeated, but its time is over"


async def test_what_is_abandoned_tells_nothing_and_ends_its_connection() -> None:
    async with scripted_server([TAKEN], [Deed.STALL, TAKEN]) as server, PlainAws(server.url) as aws:
        wire = AwsWire(aws, PATIENT)
        await send(wire)
        begun = Begun(wire)
        assert begun.call is not None
        begun.call.abandon()
        begun.call.abandon()
        await server.ended.acquire()
        assert begun.told == []
        server.go_on.set()
        assert await send(wire) == RECEIPT
