"""When a node asks not to be ended for fewer nodes, and when it gives that up, in virtual time."""

import asyncio
from typing import Any

from tests.support.clock import SteeredClock, loop_time
from tests.support.memory_ports import MemoryTaskProtection
from tests.support.virtual_time import in_virtual_time
from websocket_handler.delivery.scale_in import (
    LOOK_INTERVAL_S,
    PROTECTION_MINUTES,
    RENEW_AFTER_S,
    ScaleInProtection,
)
from websocket_handler.ports.task_protection import ProtectionUnavailable
from websocket_handler.telemetry.counters import Counters

EXPIRY_S = 60.0 * PROTECTION_MINUTES


class Agent(MemoryTaskProtection):
    """Protection that can fail, and that takes its time to begin when a test says so."""

    name = "ecs task protection"

    def __init__(self) -> None:
        super().__init__(SteeredClock(loop_time))
        self.is_down = False
        self.calls: list[str] = []
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def _called(self, name: str) -> None:
        self.calls.append(name)
        if self.is_down:
            raise ProtectionUnavailable("down")

    async def protect(self, minutes: int) -> None:
        await self._called("protect")
        await self.go_on.wait()
        await super().protect(minutes)

    async def release(self) -> None:
        await self._called("release")
        await super().release()

    async def is_protected(self) -> bool:
        await self._called("is_protected")
        return await super().is_protected()

    async def holds(self) -> bool:
        """True if it holds, without a call that counts."""
        return await MemoryTaskProtection.is_protected(self)


class Desk:
    """A node that is protected from 100 connections on."""

    def __init__(self, threshold: int = 100) -> None:
        self.agent = Agent()
        self.connections = 0
        self.has_peers = False
        self.counters = Counters()
        self.events: list[tuple[str, dict[str, object]]] = []
        self.scale_in = ScaleInProtection(
            self.agent,
            threshold,
            lambda: self.connections,
            lambda: self.has_peers,
            SteeredClock(loop_time),
            self.counters,
            lambda event, fields: self.events.append((event, fields)),
        )

    async def look(self, **changed: Any) -> bool:
        """Change this desk, and let the node look. Returns True if the node is protected after that."""
        for name, value in changed.items():
            setattr(self, name, value)
        await self.scale_in.look()
        return await self.agent.holds()

    @property
    def names(self) -> list[str]:
        """The events so far."""
        return [name for name, _ in self.events]


@in_virtual_time
async def test_protection_begins_at_the_threshold_and_ends_well_below_it() -> None:
    """A count that sways about the threshold changes nothing."""
    desk = Desk()
    assert not await desk.look(connections=99)
    assert await desk.look(connections=100)
    assert await desk.look(connections=80)
    assert await desk.look(connections=100)
    assert not await desk.look(connections=79)
    assert not await desk.look(connections=99)
    assert desk.names == ["scale_in.protected", "scale_in.released"]
    assert desk.counters.scale_in_protections == {"protected": 1, "released": 1}


@in_virtual_time
async def test_without_a_threshold_nobody_is_asked() -> None:
    """0 is off, at the end as well."""
    desk = Desk(threshold=0)
    assert not await desk.look(connections=10_000)
    await desk.scale_in.end()
    assert desk.agent.calls == []


@in_virtual_time
async def test_protection_is_renewed_long_before_it_expires() -> None:
    """An hour of many connections is an hour of protection, with few calls."""
    desk = Desk()
    desk.connections = 500
    task = asyncio.create_task(desk.scale_in.run())
    for _ in range(3600 // 30):
        await asyncio.sleep(30)
        assert await desk.agent.holds()
    task.cancel()
    assert 3600 / RENEW_AFTER_S - 2 <= desk.counters.scale_in_protections["renewed"] <= 3600 / RENEW_AFTER_S
    assert desk.names == ["scale_in.protected"]


@in_virtual_time
async def test_renewals_may_fail_twice_without_a_gap() -> None:
    """What holds goes on holding; the failure is told once, and its end."""
    desk = Desk()
    await desk.look(connections=100)
    await asyncio.sleep(RENEW_AFTER_S)
    assert await desk.look()
    desk.agent.is_down = True
    await asyncio.sleep(2 * RENEW_AFTER_S)
    for _ in range(5):
        assert await desk.look()
    desk.agent.is_down = False
    assert await desk.look()
    assert desk.names == ["scale_in.protected", "dependency.down", "dependency.up"]
    assert desk.counters.scale_in_protections["failed"] == 5


@in_virtual_time
async def test_a_node_without_an_agent_goes_on_and_says_so_once() -> None:
    """It asks again at every look, counts, and keeps quiet."""
    desk = Desk()
    desk.agent.is_down = True
    desk.connections = 100
    task = asyncio.create_task(desk.scale_in.run())
    await asyncio.sleep(100 * LOOK_INTERVAL_S - 1)
    task.cancel()
    assert desk.events == [("dependency.down", {"dependency": "ecs task protection", "reason": "down"})]
    assert desk.counters.scale_in_protections == {"failed": 100}


@in_virtual_time
async def test_a_lost_answer_may_have_protected_the_task_and_is_released() -> None:
    """Nobody knows; so a node that became quiet releases what it may hold."""
    desk = Desk()
    desk.agent.is_down = True
    await desk.look(connections=100)
    await MemoryTaskProtection.protect(desk.agent, PROTECTION_MINUTES)
    desk.agent.is_down = False
    assert not await desk.look(connections=0)


@in_virtual_time
async def test_another_node_ends_the_protection_because_it_means_a_deployment() -> None:
    """ECS waits for a protected task. When the other node is gone again, the protection is back."""
    desk = Desk()
    assert await desk.look(connections=100)
    assert not await desk.look(has_peers=True)
    assert await desk.look(has_peers=False)
    assert desk.names == ["scale_in.protected", "scale_in.released", "scale_in.protected"]


@in_virtual_time
async def test_who_takes_the_protection_away_by_hand_is_not_contradicted() -> None:
    """Until the node has become quiet once."""
    desk = Desk()
    await desk.look(connections=100)
    await MemoryTaskProtection.release(desk.agent)
    await asyncio.sleep(RENEW_AFTER_S)
    assert not await desk.look()
    assert not await desk.look(connections=1000)
    assert desk.names[-1] == "scale_in.waived"
    assert not await desk.look(connections=79)
    assert await desk.look(connections=100)


@in_virtual_time
async def test_protection_that_ran_out_unrenewed_is_asked_for_again() -> None:
    """Its end was its time's, not somebody's will."""
    desk = Desk()
    await desk.look(connections=100)
    desk.agent.is_down = True
    await asyncio.sleep(EXPIRY_S)
    assert not await desk.look()
    desk.agent.is_down = False
    assert await desk.look()
    assert desk.counters.scale_in_protections["protected"] == 2


@in_virtual_time
async def test_the_end_of_the_node_releases_for_good() -> None:
    """Whatever the connections do meanwhile."""
    desk = Desk()
    await desk.look(connections=100)
    await desk.scale_in.end()
    assert not await desk.agent.holds()
    assert not await desk.look(connections=1000)


@in_virtual_time
async def test_an_end_in_the_middle_of_a_call_comes_after_it() -> None:
    """A protection that is still under way must not be the last word."""
    desk = Desk()
    desk.agent.go_on.clear()
    looking = asyncio.create_task(desk.look(connections=100))
    ending = asyncio.create_task(desk.scale_in.end())
    await asyncio.sleep(1)
    desk.agent.go_on.set()
    await asyncio.gather(looking, ending)
    assert desk.agent.calls == ["protect", "release"]
    assert not await desk.agent.holds()


@in_virtual_time
async def test_an_end_without_an_agent_is_no_end_of_the_drain() -> None:
    """The failure is told; nothing is raised."""
    desk = Desk()
    await desk.look(connections=100)
    desk.agent.is_down = True
    await desk.scale_in.end()
    assert desk.names[-1] == "dependency.down"
