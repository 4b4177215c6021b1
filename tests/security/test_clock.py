"""A wall clock that jumps an hour either way: whoever is connected stays, and everything that is timed goes on."""

from __future__ import annotations

import asyncio
import time
from unittest.mock import patch

import pytest
import uvloop

from tests.security.disconnects import KINDS, VICTIMS, Client, Scene, scene
from tests.support.patience import PATIENCE_S

HOUR_S = 3600.0


async def hear_two_pings(client: Client) -> None:
    """A client that is pinged twice was still connected in between."""
    await client.pinged()
    await client.pinged()
    client.send(action="ping")
    assert (await client.next())["type"] == "pong"


async def live_on(made: Scene) -> None:
    """Two ping intervals with nobody lost, and a whole round of commands of every kind."""
    sockets = made.survivors[:-1]
    async with asyncio.timeout(PATIENCE_S):
        await asyncio.gather(*map(hear_two_pings, sockets))
    assert len(made.app.core.node.connections) == len(sockets)
    await made.round(VICTIMS)
    await made.settled()


@pytest.mark.parametrize("jump_s", [HOUR_S, -HOUR_S], ids=["ahead", "back"])
def test_a_wall_clock_that_jumps_an_hour_disconnects_nobody_and_delays_nothing(jump_s: float) -> None:
    async def scenario() -> None:
        async with scene(PING_INTERVAL_S="1", COMMANDS_PER_SECOND="0", SLOW_CLIENT_TIMEOUT_S="5") as made:
            await made.round(VICTIMS)
            wall, wall_ns = time.time, time.time_ns
            with (
                patch("time.time", lambda: wall() + jump_s),
                patch("time.time_ns", lambda: wall_ns() + int(jump_s * 1e9)),
            ):
                await live_on(made)
            await live_on(made)  # and back again
            closed = made.app.core.ports.counters.connections_closed
            assert not any(code != "1006" for code in closed), "only the victims left"
            assert closed["1006"] == made.vanished // len(KINDS) * (len(KINDS) - 1)

    uvloop.run(scenario())
