"""What only tickets in Valkey do: they expire, they are not readable as keys, and a server may be away."""

import asyncio

import pytest
from redis.asyncio import Redis

from tests.support.broken_aws import refused_port
from tests.support.clock import SteeredClock
from tests.support.patience import PATIENCE_S
from tests.support.ports_testing import Tasks
from tests.support.valkey_logs import running_logs
from tests.support.valkeys import Valkey
from websocket_handler.adapters.valkey.link import LinkOptions
from websocket_handler.adapters.valkey.tickets import ValkeyTickets
from websocket_handler.ports.ticket_store import TicketsUnavailable
from websocket_handler.protocol.identity import Identity

pytestmark = pytest.mark.asyncio
ADA = Identity("ada", None, ("*",), frozenset())


async def test_a_ticket_expires_and_its_key_does_not_tell_it(valkey: Valkey, clock: SteeredClock, tasks: Tasks) -> None:
    async with running_logs(clock, tasks) as logs, Redis(port=valkey.port) as other:
        answer: asyncio.Future[TicketsUnavailable | None] = asyncio.get_running_loop().create_future()
        ValkeyTickets(logs.link(valkey)).put("secret", ADA, 30, answer.set_result)
        assert await asyncio.wait_for(answer, PATIENCE_S) is None
        (key,) = await other.keys("ws:ticket:*")
        assert b"secret" not in key
        assert 0 < await other.ttl(key) <= 30


async def test_a_server_that_is_away_or_refuses_is_told(valkey: Valkey, clock: SteeredClock, tasks: Tasks) -> None:
    async with running_logs(clock, tasks) as logs, Redis(port=valkey.port) as other:
        await other.rpush(ValkeyTickets.key("list"), "no string")
        answers: asyncio.Queue[object] = asyncio.Queue()
        ValkeyTickets(logs.link(valkey)).take("list", answers.put_nowait)
        assert isinstance(await asyncio.wait_for(answers.get(), PATIENCE_S), TicketsUnavailable)
        with refused_port() as port:
            away = Valkey(valkey.kind, port, valkey.folder, ())
            link = logs.link(away, LinkOptions(timeout_s=0.01))
            ValkeyTickets(link).put("any", ADA, 30, answers.put_nowait)
            assert isinstance(await asyncio.wait_for(answers.get(), PATIENCE_S), TicketsUnavailable)
