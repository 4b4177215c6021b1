"""The surplus of a node, in virtual time: how large it is, who is moved, and when."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import cast

import pytest

from tests.support.nodes import NotedEvents
from tests.support.virtual_time import START_S, in_virtual_time
from tests.unit.net.moving import Client, Sockets
from websocket_handler.delivery.census import Census, Connections, Counted, NodeLoad
from websocket_handler.net.drain import MOVING_S_MAX
from websocket_handler.net.rebalancing import (
    AUTOMATIC_S,
    LOOK_INTERVAL_S,
    LOOKS,
    SECONDS_MAX,
    SURPLUS_MIN,
    Rebalancing,
    surplus_of,
)
from websocket_handler.protocol.codes import CloseCode, CommandError, ErrorCode


@pytest.mark.parametrize(
    ("counts", "draining", "expected"),
    [
        ((30, 0, 0), "", (20, 10)),
        ((10, 10, 10), "", (0, 10)),
        ((5, 20, 5), "", (0, 10)),
        ((11, 10, 10), "", (0, 11)),
        ((30, 30, 0), "b", (15, 15)),
        ((30, 0, 0), "a", (0, 0)),
        ((7,), "", (0, 7)),
        ((), "", (0, 0)),
    ],
    ids=["hot", "even", "cold", "one more than the others", "another one drains", "drains", "alone", "nobody"],
)
def test_the_surplus_is_what_exceeds_an_equal_share_of_those_who_stay(
    counts: Sequence[int], draining: str, expected: tuple[int, int]
) -> None:
    loads = [NodeLoad(name, count, name in draining) for name, count in zip("abc", counts, strict=False)]
    assert surplus_of(loads, "a") == expected


class Said:
    """A census with the other nodes' counts; None if they cannot be asked. Who leaves goes to the first of them."""

    def __init__(self, sockets: Sockets, *others: int) -> None:
        self.sockets = sockets
        self.began_with = len(sockets.connections)
        self.others: Sequence[int] | None = others
        self.asked_at: list[float] = []

    def connections(self, _after: str, _limit: int, done: Counted) -> None:
        self.asked_at.append(asyncio.get_running_loop().time() - START_S)
        if self.others is None:
            done(CommandError(ErrorCode.STORE_UNAVAILABLE, "the other nodes cannot be asked"))
            return
        own = len(self.sockets.connections)
        counts = [self.others[0] + self.began_with - own, *self.others[1:]]
        loads = [NodeLoad("own", own, False), *(NodeLoad(f"n{at}", count, False) for at, count in enumerate(counts))]
        done(Connections(own + sum(counts), (), loads))


class Desk:
    """A node with clients, some of which move when they are told to."""

    def __init__(self, clients: int, *others: int, is_automatic: bool = False) -> None:
        self.sockets = Sockets()
        self.clients = [Client(self.sockets, f"c{number}", 0.0) for number in range(clients)]
        self.census = Said(self.sockets, *others)
        self.log = NotedEvents()
        self.rebalancing = Rebalancing(
            cast("Census", self.census),
            self.sockets.connections,
            "own",
            asyncio.get_running_loop().time,
            Random(1),
            self.log,
            is_automatic=is_automatic,
        )

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Desk]:
        task = asyncio.create_task(self.rebalancing.run())
        try:
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    @property
    def told(self) -> list[Client]:
        return [client for client in self.clients if client.told_at is not None]


@in_virtual_time
async def test_an_order_moves_the_surplus_over_its_time_and_nobody_else() -> None:
    async with Desk(90, 0, 0).running() as desk:
        desk.rebalancing.order(30.0)
        await asyncio.sleep(30 + MOVING_S_MAX + 1)
        assert len(desk.told) == len(desk.clients) - len(desk.sockets.connections) == 60
        moments = sorted(client.told_at - START_S for client in desk.told if client.told_at is not None)
        assert moments[0] == 0.0
        assert moments[-1] == pytest.approx(29.5)
        for client in desk.told:
            (frame,) = client.frames
            assert json.loads(frame[2:])["reason"] == "rebalancing"
            assert client.closed is not None
            assert client.told_at is not None
            code, closed_at = client.closed
            assert code == CloseCode.HANDED_OVER
            assert MOVING_S_MAX <= closed_at - client.told_at < MOVING_S_MAX + 0.6
        assert desk.log.events == [("node.rebalancing", {"connections": 90, "surplus": 60, "share": 30})]


@in_virtual_time
async def test_a_client_that_has_left_is_not_told_and_one_that_moves_is_not_closed() -> None:
    async with Desk(4, 0).running() as desk:
        desk.rebalancing.order(10.0)
        await asyncio.sleep(1)
        (first,) = desk.told
        first.leave()
        for client in desk.clients:
            if client is not first:
                client.leave()
        await asyncio.sleep(20)
        assert desk.told == [first]
        assert first.closed is None


@in_virtual_time
async def test_nobody_moves_while_the_others_cannot_be_asked_or_have_as_many() -> None:
    async with Desk(20, 20).running() as desk:
        desk.rebalancing.order(1.0)
        await asyncio.sleep(10)
        desk.census.others = None
        desk.rebalancing.order(1.0)
        await asyncio.sleep(10)
        assert len(desk.census.asked_at) == 2
        assert (desk.told, desk.log.events) == ([], [])


@in_virtual_time
async def test_an_order_takes_at_least_a_second_and_at_most_an_hour() -> None:
    async with Desk(2, 0).running() as desk:
        desk.rebalancing.order(0.0)
        await asyncio.sleep(5)
        assert len(desk.told) == 1
    async with Desk(2000, 0).running() as desk:
        desk.rebalancing.order(1e9)
        await asyncio.sleep(SECONDS_MAX + MOVING_S_MAX + 10)
        assert len(desk.told) == 1000


@in_virtual_time
async def test_a_node_looks_by_itself_for_a_while_after_another_one_has_started() -> None:
    async with Desk(100, 0, is_automatic=True).running() as desk:
        await asyncio.sleep(2 * LOOK_INTERVAL_S + 1)
        assert desk.census.asked_at == [], "nobody has started"
        desk.rebalancing.met()
        await asyncio.sleep(LOOK_INTERVAL_S)
        assert desk.told, "the first look is the next one"
        await asyncio.sleep(AUTOMATIC_S + (LOOKS + 5) * LOOK_INTERVAL_S)
        assert len(desk.sockets.connections) == 50
        assert len(desk.census.asked_at) == LOOKS


@pytest.mark.parametrize(("own", "other", "moves"), [(130, 70, True), (119, 81, False), (18, 2, False), (22, 2, True)])
@in_virtual_time
async def test_a_small_surplus_moves_nobody_by_itself(own: int, other: int, moves: bool) -> None:
    """Less than a fifth of the share, or less than ten."""
    assert SURPLUS_MIN == 10
    async with Desk(own, other, is_automatic=True).running() as desk:
        desk.rebalancing.met()
        await asyncio.sleep(AUTOMATIC_S + 2 * LOOK_INTERVAL_S)
        assert bool(desk.told) == moves


@in_virtual_time
async def test_without_the_setting_a_node_does_nothing_by_itself() -> None:
    async with Desk(100, 0).running() as desk:
        desk.rebalancing.met()
        await asyncio.sleep(10 * LOOK_INTERVAL_S)
        assert desk.census.asked_at == []
