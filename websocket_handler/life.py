"""The life of a node: what is started, kept running, handed over and ended, and in which order.

    start ─▶ serving ─▶ drain: new clients are refused, and connected ones are told to come back elsewhere
                     ─▶ flush: everything that was accepted reaches its queue or its log
                     ─▶ the end

`stop` does all of it, and `stop_now` makes it wait for nothing. A load balancer may begin the drain before that.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final, Protocol

from websocket_handler.assembly import Core
from websocket_handler.background import Background
from websocket_handler.net.drain import hand_over
from websocket_handler.ports.backplane import NoBackplane
from websocket_handler.telemetry.log import EventLog

SWEEP_INTERVAL_S: Final = 5.0
LEASE_LOOK: Final = 1 / 16
"""After so much of a lease the leases are looked at again."""
LEASE_LOOK_MIN_S: Final = 0.25
PROBE_INTERVAL_S: Final = 3.0
BACKPLANE_LOOKS: Final = 2
"""A backplane that finds its next server within three seconds is no outage."""
FLUSH_MARGIN_S: Final = 5.0
"""After the hand-over, what was accepted has this many seconds to reach its queue or its log."""
LOOK_INTERVAL_S: Final = 0.01


class Edge(Protocol):
    """A part around the core: it is told when the node begins and when it ends."""

    async def start(self) -> None:
        """Begin. If this raises, the node does not start."""
        ...

    async def stop(self) -> None:
        """End. Called once."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Edges:
    """The parts around the core of one node."""

    below: Sequence[Edge] = ()
    """What the core needs. These edges start before the core, in this order, and stop after it, in the opposite
    order."""
    above: Sequence[Edge] = ()
    """What needs the core; the last one lets clients in. These edges start after the core and stop before it."""
    signs: Mapping[str, Callable[[], Awaitable[None]]] = field(default_factory=dict)
    """Functions that wait for a sign that the node is about to go away, by their names. When one returns, the drain
    begins."""


class _AtWork(Protocol):
    """A part of the core that has to answer what it accepted."""

    @property
    def is_settled(self) -> bool:
        """True if everything that it accepted is answered."""
        ...


class _Watched:
    """A dependency whose outages are logged."""

    def __init__(self, name: str, failure: Callable[[], str | None], looks: int = 1) -> None:
        """It is down once it has failed in so many looks in a row."""
        self._name = name
        self._failure = failure
        self._looks = looks
        self._failed = 0

    def look(self, log: EventLog) -> None:
        """See if it works, and log what has changed."""
        fault, was_down = self._failure(), self._failed >= self._looks
        self._failed = self._failed + 1 if fault else 0
        is_down = self._failed >= self._looks
        if is_down != was_down:
            event = "dependency.down" if is_down else "dependency.up"
            log.emit(event, dependency=self._name, reason=fault or "")


class Life:
    """The life of one node. `start` returns when the node accepts clients, `stop` when everything that it accepted is
    safe."""

    def __init__(self, core: Core, background: Background, edges: Edges, drain_s: float) -> None:
        """`background` runs the work beside everything else. `drain_s` is how many seconds the hand-over may take."""
        self._core = core
        self._background = background
        self._edges = edges
        self._drain_s = drain_s
        self._drain: asyncio.Task[None] | None = None
        self._is_stopping_now = asyncio.Event()

    async def start(self) -> None:
        """Open what the node needs, and let clients in. Raises what an edge raises."""
        for edge in self._edges.below:
            await edge.start()
        core, keep = self._core, self._background.keep
        core.keepalive.start()
        keep("sweep", self._sweep)
        keep("leases", self._end_leases)
        keep("recorder", core.recorder.run)
        keep("own log", core.own_log.run)
        keep("probe", self._probe)
        keep("queues", core.forwarding.look_up)
        if core.ports.log_store.is_shared:
            keep("follower", core.follower.run)
        if not isinstance(core.ports.backplane, NoBackplane):
            keep("backplane", core.wake_ups.run)
        if core.ports.common_store is not None:
            keep("control", core.control.run)
        if core.listing is not None:
            keep("listing", core.listing.run)
        if core.headcount is not None:
            keep("headcount", core.headcount.run)
        if core.rebalancing is not None:
            keep("rebalancing", core.rebalancing.run)
        if core.scale_in.is_on:
            keep("scale-in", core.scale_in.run)
        if core.updates is not None:
            keep("updates", core.updates.run)
        for cause, sign in self._edges.signs.items():
            keep(cause, partial(self._drain_at, cause, sign))
        for edge in self._edges.above:
            await edge.start()

    # What goes on meanwhile

    async def _sweep(self) -> None:
        counters, dropped = self._core.ports.counters, 0
        while True:
            await asyncio.sleep(SWEEP_INTERVAL_S)
            self._core.node.sweep()
            if counters.log_records_dropped > dropped:
                dropped = counters.log_records_dropped
                self._core.ports.log.emit("node.log_records_dropped", total=dropped)

    async def _end_leases(self) -> None:
        node = self._core.node
        lease_s = node.limits.run_lease_s
        pause_s = max(LEASE_LOOK_MIN_S, min(SWEEP_INTERVAL_S, lease_s * LEASE_LOOK)) if lease_s else SWEEP_INTERVAL_S
        while True:
            await asyncio.sleep(pause_s)
            node.end_leases()
            self._core.decisions.look()

    async def _probe(self) -> None:
        """Ask the log store if it can be used, so that `/ready` is right without traffic. Log when it or the backplane
        fails, and when it works again."""
        store, backplane, log = self._core.ports.log_store, self._core.ports.backplane, self._core.ports.log
        watched = [_Watched(store.name, store.failure)]
        if not isinstance(backplane, NoBackplane):
            watched.append(_Watched(f"{backplane.name} backplane", backplane.failure, looks=BACKPLANE_LOOKS))
        while True:
            await store.check()
            for each in watched:
                each.look(log)
            await asyncio.sleep(PROBE_INTERVAL_S)

    # The end

    async def drain(self, cause: str) -> None:
        """Refuse new clients, take no further updates, and hand over the clients that are here. This happens once; a
        second caller waits until the first call is done."""
        if self._drain is None:
            core = self._core
            connections = len(core.node.connections)
            core.ports.log.emit("node.draining", cause=cause, connections=connections, seconds=self._drain_s)
            core.server.refuse_newcomers()
            core.control.drain(self._drain_s + FLUSH_MARGIN_S)
            if core.updates is not None:
                core.updates.stop_receiving()
            core.node.projects.wake_readers()
            self._drain = self._background.task(self._hand_over())
        await asyncio.wait({self._drain})

    async def _drain_at(self, cause: str, sign: Callable[[], Awaitable[None]]) -> None:
        if self._drain is None:
            await sign()
        await self.drain(cause)

    async def _hand_over(self) -> None:
        core = self._core
        released = self._background.task(core.scale_in.end())  # from now on the service may end this node
        if core.headcount is not None:  # so that users may open their next connections before these have ended
            self._background.start(core.headcount.leave())
        connections, now, random = core.node.connections, core.ports.clock.monotonic, core.ports.random
        result = await hand_over(connections, core.keepalive, now, self._drain_s, random)
        core.ports.log.emit("node.drained", told=result.told, left=result.left)
        await asyncio.wait({released})

    async def stop(self) -> None:
        """Hand clients over, flush what was accepted, and end. Call it once; `stop_now` cuts it short."""
        await self._unless_stopped_now(self.drain("signal"))
        await self._unless_stopped_now(self._flush())
        core = self._core
        for edge in reversed(self._edges.above):
            await edge.stop()
        core.keepalive.abort_all()
        core.keepalive.stop()
        await core.forwarding.close()
        await self._background.end()
        for edge in reversed(self._edges.below):
            await edge.stop()
        core.ports.log.emit("node.stopped")

    def stop_now(self) -> None:
        """Make `stop` wait for nothing any more."""
        self._core.ports.log.emit("node.stopping_now")
        self._is_stopping_now.set()

    async def _unless_stopped_now(self, work: Coroutine[None, None, None]) -> None:
        """Do the work, or as much of it as there is time for. If it fails, that is logged, and the stop goes on."""
        task = self._background.task(work)
        now = asyncio.create_task(self._is_stopping_now.wait())
        await asyncio.wait({task, now}, return_when=asyncio.FIRST_COMPLETED)
        now.cancel()
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _flush(self) -> None:
        """Wait until every publication, forward and update that was accepted is answered. Then bring the state store up
        to date, and take this node off the list of nodes. Gives up after `FLUSH_MARGIN_S`."""
        core = self._core
        at_work: list[_AtWork] = [core.node.projects, core.forwarding]
        if core.updates is not None:
            at_work.append(core.updates)
        try:
            async with asyncio.timeout(FLUSH_MARGIN_S):
                while not all(part.is_settled for part in at_work):  # noqa: ASYNC110 - each settles on its own
                    await asyncio.sleep(LOOK_INTERVAL_S)
                await core.recorder.write()
                if core.listing is not None:
                    await core.listing.leave()
                if core.ports.log_store.is_shared:
                    await core.follower.leave()
        except TimeoutError:
            return
