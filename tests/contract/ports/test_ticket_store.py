"""The contract of `ports.ticket_store`, for memory and for every server that speaks RESP."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.support.clock import SteeredClock
from tests.support.memory_ports import MemoryTickets
from tests.support.patience import PATIENCE_S
from tests.support.ports_testing import Tasks
from tests.support.valkey_logs import running_logs
from tests.support.valkeys import KINDS, Valkeys
from websocket_handler.adapters.system.ids import new_id
from websocket_handler.adapters.valkey.tickets import ValkeyTickets
from websocket_handler.ports.ticket_store import TicketStore, TicketsUnavailable
from websocket_handler.protocol.identity import RIGHTS, Identity

pytestmark = pytest.mark.asyncio
ADA = Identity("ada", 4e9, ("a", "team-*"), RIGHTS, 1_700_000_000.5)


@pytest_asyncio.fixture(params=["memory", *KINDS])
async def stores(
    request: pytest.FixtureRequest, clock: SteeredClock, tasks: Tasks, valkeys: Valkeys
) -> AsyncIterator[tuple[TicketStore, TicketStore]]:
    """The stores of two nodes."""
    if request.param == "memory":
        store = MemoryTickets(clock)
        yield store, store
    else:
        async with running_logs(clock, tasks) as logs:
            server = valkeys[request.param]
            yield ValkeyTickets(logs.link(server)), ValkeyTickets(logs.link(server))


async def put(store: TicketStore, ticket: str, identity: Identity, instead_of: str | None = None) -> None:
    answer: asyncio.Future[TicketsUnavailable | None] = asyncio.get_running_loop().create_future()
    store.put(ticket, identity, 30, answer.set_result, instead_of=instead_of)
    assert await asyncio.wait_for(answer, PATIENCE_S) is None


async def take(store: TicketStore, ticket: str) -> Identity | TicketsUnavailable | None:
    answer: asyncio.Future[Identity | TicketsUnavailable | None] = asyncio.get_running_loop().create_future()
    store.take(ticket, answer.set_result)
    return await asyncio.wait_for(answer, PATIENCE_S)


async def test_a_ticket_is_good_once_on_whichever_node(stores: tuple[TicketStore, TicketStore]) -> None:
    one, two = stores
    tickets = [new_id() for _ in range(3)]
    for ticket in tickets:
        await put(one, ticket, ADA)
    assert [await take(two, tickets[0]), await take(one, tickets[1])] == [ADA, ADA]
    assert [await take(store, ticket) for store in stores for ticket in tickets[:2]] == [None] * 4
    answers = await asyncio.gather(take(one, tickets[2]), take(two, tickets[2]))
    assert sorted(answers, key=repr) == sorted([ADA, None], key=repr), "one of two nodes gets it"


async def test_an_identity_keeps_what_it_has_not(stores: tuple[TicketStore, TicketStore]) -> None:
    nobody, ticket = Identity("eve", None, (), frozenset()), new_id()
    await put(stores[0], ticket, nobody)
    assert await take(stores[1], ticket) == nobody


async def test_a_ticket_that_another_one_stands_for_is_gone(stores: tuple[TicketStore, TicketStore]) -> None:
    old, new = new_id(), new_id()
    await put(stores[0], old, ADA)
    await put(stores[0], new, ADA, instead_of=old)
    assert [await take(stores[1], old), await take(stores[1], new)] == [None, ADA]


async def test_a_ticket_that_nobody_made_is_unknown(stores: tuple[TicketStore, TicketStore]) -> None:
    assert await take(stores[0], new_id()) is None
