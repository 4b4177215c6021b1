"""A storm: a node was replaced, and all its clients come back at once, to a store that is slow.

Every project has a log that is longer than what a node keeps in memory, and its clients resume from all over it. One
half comes back when it is told to; the other half does not know that field, and comes back after a second or two.
Nobody waits for more than ten seconds to be told where it stands.

Run alone, at any size: python -m tests.simulation.storm --clients 10000 --projects 100 --calls-per-s 50
"""

import argparse
import asyncio
import sys
from collections import Counter
from collections.abc import Coroutine
from dataclasses import dataclass, field
from math import ceil
from random import Random
from typing import Any, Final

from tests.simulation.bounded_store import BoundedDynamoDb
from tests.simulation.storm_client import StormClient
from tests.support.clock import SteeredClock, loop_time
from tests.support.nodes import core_options, memory_ports
from tests.support.virtual_time import be_busy, run
from websocket_handler.adapters.aws.dynamodb_log import DynamoDbLogOptions, DynamoDbLogStore
from websocket_handler.adapters.aws.dynamodb_peers import DynamoDbPeers
from websocket_handler.adapters.aws.dynamodb_segment import item_of
from websocket_handler.adapters.aws.dynamodb_state import DynamoDbStateStore
from websocket_handler.adapters.aws.table import Table
from websocket_handler.adapters.overload.budget import BudgetOptions
from websocket_handler.assembly import Core, assemble
from websocket_handler.background import Background
from websocket_handler.hub.log import LogLimits, Publication
from websocket_handler.life import Edges, Life
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.ports.backoff import Backoff
from websocket_handler.ports.log_store import Segment
from websocket_handler.protocol.messages import Position, Subscribe

ARRIVAL_S: Final = 3.0
"""Within this time all clients come back."""
SEGMENTS: Final = 50
SEGMENT: Final = 10
PUBLICATIONS: Final = SEGMENTS * SEGMENT
IN_MEMORY: Final = 100
PAGE_SEGMENTS: Final = 15
ITEM_BYTES: Final = 1_021
"""How large a segment is for the store."""
AGE_S: Final = 600.0
"""The publications are too old for their keys to matter, which an opening would have to read."""
EPOCH: Final = "e"
PAGES: Final = ceil((SEGMENTS - IN_MEMORY / SEGMENT) / PAGE_SEGMENTS)
"""What a project's oldest client needs from the store: everything that is not in memory."""
NECESSARY_CALLS: Final = 1 + 1 + 1 + PAGES
"""What one project needs: its log's end, its beginning, the segment with which the first page begins, and the pages."""
SLACK_S: Final = 10.0
PAUSE_S: Final = 0.1
"""How long a busy event loop has time for other things."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StormPlan:
    """The size of a storm."""

    clients: int
    projects: int
    calls_per_s: float
    seed: int = 1
    leaving: int = 0
    """The clients of so many projects leave for good before the store had time for them."""
    refuses: bool = False
    """True if the store throttles what it has no time for."""
    busy_s: float = 0.0
    """How long the node's event loop is busy at a stretch, again and again until all are level."""
    budget: BudgetOptions = field(default_factory=BudgetOptions)
    records_s: float = 0.0
    """How long to go on afterwards, for the records of connections."""
    level_max_s: float = 300.0
    """When to give up."""

    @property
    def necessary_calls(self) -> int:
        """What those who stay need."""
        return (self.projects - self.leaving) * NECESSARY_CALLS

    @property
    def level_due_s(self) -> float:
        """When everybody has to be level: after the time that the necessary calls take, and a little more."""
        return self.necessary_calls / self.calls_per_s + SLACK_S


@dataclass(slots=True)
class Figures:
    """What a storm came to. Times are seconds since it began."""

    plan: StormPlan
    level_s: float = float("inf")
    """When the last client was level."""
    level: int = 0
    """How many became level."""
    refusals: Counter[str] = field(default_factory=Counter)
    """By code."""
    hints: list[tuple[float, int | None]] = field(default_factory=list)
    """When clients were refused, and after how many milliseconds they were to come back."""
    came_back: int = 0
    faults: list[str] = field(default_factory=list)
    """What must not happen."""
    calls: Counter[str] = field(default_factory=Counter)
    """Until all were level, by kind."""
    retries: int = 0
    unanswered: int = 0
    """Calls for nobody: their caller had given up before they were carried out."""
    under_way_most: int = 0
    waiting_most: int = 0
    """Operations that waited for their turn."""
    wait_most_s: float = 0.0
    recorded: int = 0
    """Clients of which the table has a record in the end."""

    def __str__(self) -> str:
        plan, refused = self.plan, sum(self.refusals.values())
        return (
            f"{plan.clients} clients on {plan.projects} projects, {plan.calls_per_s:g} calls/s: {self.level} level "
            f"after {self.level_s:.1f} s, due after {plan.level_due_s:.1f} s ({plan.necessary_calls} necessary calls); "
            f"{refused} refusals, {self.came_back} reconnects; calls {dict(self.calls)}, {self.retries} of them "
            f"retries, {self.unanswered} for nobody; at most {self.under_way_most} under way and {self.waiting_most} "
            f"waiting; a call beside them waited for up to {self.wait_most_s:.1f} s; {self.recorded} records"
        )


class Storm:
    """A node, its store, and everybody who comes back to it."""

    def __init__(self, plan: StormPlan) -> None:
        self.figures = Figures(plan)
        self._plan = plan
        self._store = BoundedDynamoDb(plan.calls_per_s, PAGE_SEGMENTS * ITEM_BYTES, refuses=plan.refuses)
        self._random = Random(plan.seed)
        self._background = Background(self)
        self._is_over = False
        self._all_level = asyncio.Event()
        self._table = Table("t", self._store.call, budget=plan.budget, backoff=Backoff(self._random.random))
        self._core = self._assemble()
        self._began = loop_time()

    def _assemble(self) -> Core:
        clock, history = SteeredClock(loop_time), LogLimits(IN_MEMORY, 1_048_576, 3600.0)
        self._fill(clock)
        options = DynamoDbLogOptions(history=history)
        ports = memory_ports(
            clock=clock,
            random=Random(self._random.random()),
            log_store=DynamoDbLogStore(self._table, self._start, clock, options),
            state_store=DynamoDbStateStore(self._table, clock),
            peers=DynamoDbPeers(self._table),
        )
        return assemble(ports, core_options(delivery=DeliveryLimits(log=history, connections=0)))

    def _fill(self, clock: SteeredClock) -> None:
        """Write every project's log, as the node did that was here before."""
        wall = clock.wall()
        for number in range(self._plan.projects):
            for first in range(1, PUBLICATIONS + 1, SEGMENT):
                records = [_publication(offset, wall - AGE_S) for offset in range(first, first + SEGMENT)]
                item = item_of(f"p{number}", Segment(EPOCH, first, "before", records), int(wall) + 86_400)
                assert 0.94 * ITEM_BYTES < len(item["d"]["B"]) + 100 <= ITEM_BYTES, len(item["d"]["B"])
                self._store.table.perform("put_item", {"Item": item})

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        """Work of the log store, unless all is over: a plant may ask on and on."""
        if self._is_over:
            work.close()
        else:
            self._background.start(work)

    # `Watch`, and the log of `Background`

    def refused(self, code: str, hint_ms: int | None) -> None:
        """A client was told to come back."""
        self.figures.refusals[code] += 1
        self.figures.hints.append((loop_time(), hint_ms))

    def came_back(self) -> None:
        """A client had to come again."""
        self.figures.came_back += 1

    def became_level(self) -> None:
        """A client has everything."""
        figures, plan = self.figures, self._plan
        figures.level += 1
        if figures.level == plan.clients * (plan.projects - plan.leaving) // plan.projects:
            figures.level_s = loop_time() - self._began
            self._all_level.set()

    def fault(self, what: str) -> None:
        """Something that must not happen."""
        self.figures.faults.append(what)

    def exception(self, event: str, fault: BaseException, **fields: object) -> None:
        """The node failed in a way that nobody foresaw."""
        self.fault(f"{event}: {fault!r} {fields}")

    # The course of it

    async def run(self) -> Figures:
        """Let everybody come back; wait until all are level, and for the records."""
        loop, plan = asyncio.get_running_loop(), self._plan
        await Life(self._core, self._background, Edges(), 0.0).start()
        for number in range(plan.clients):
            loop.call_later(self._random.uniform(0, ARRIVAL_S), self._client(number).connect)
        others = [loop.create_task(self._watch()), loop.create_task(self._compute())]
        try:
            async with asyncio.timeout(plan.level_max_s):
                await self._all_level.wait()
        except TimeoutError:
            self.fault(f"only {self.figures.level} clients are level after {plan.level_max_s:g} s")
        self.figures.calls = Counter(self._store.calls)
        await asyncio.sleep(plan.records_s)
        for other in others:
            other.cancel()
        self._sum_up()
        self._is_over = True
        await self._background.end()
        return self.figures

    def _client(self, number: int) -> StormClient:
        plan, random = self._plan, Random(self._random.random())
        project, turn = number % plan.projects, number // plan.projects
        offset = 0 if turn == 0 else random.randrange(PUBLICATIONS - 2 * IN_MEMORY)
        subscribe = Subscribe(project_id=f"p{project}", since=Position(EPOCH, offset))
        stays_s = random.uniform(0, 0.5) if project < plan.leaving else None
        return StormClient(
            self._core.server,
            self,
            random,
            subscribe,
            PUBLICATIONS,
            heeds_hints=turn % 2 == 0,
            stays_s=stays_s,
        )

    async def _compute(self) -> None:
        while not self._all_level.is_set():
            be_busy(self._plan.busy_s)
            await asyncio.sleep(PAUSE_S)

    async def _watch(self) -> None:
        while True:
            self.figures.waiting_most = max(self.figures.waiting_most, self._table.gate.waiting)
            await asyncio.sleep(0.05)

    def _sum_up(self) -> None:
        figures, store = self.figures, self._store
        figures.retries = store.retries
        figures.unanswered = store.unanswered
        figures.under_way_most = store.under_way_most
        figures.wait_most_s = store.wait_most_s
        partitions = store.table.partitions.items()
        figures.recorded = sum(name.startswith("WS#CONN#") and "META" in items for name, items in partitions)


def _publication(offset: int, at: float) -> Publication:
    payload = b'{"type":"step","text":"%s","project_id":"p","offset":%d}' % (b"x" * (22 - len(str(offset))), offset)
    return Publication(payload, at, "", b"", offset)


def storm(plan: StormPlan) -> Figures:
    """One storm, in virtual time."""

    async def begin() -> Figures:
        return await Storm(plan).run()

    return run(begin())


def main() -> int:
    """Run a storm of any size, and print its figures. The exit code is 0 if everybody was level in time."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation.storm", description=__doc__)
    parser.add_argument("--clients", type=int, default=10_000)
    parser.add_argument("--projects", type=int, default=100)
    parser.add_argument("--calls-per-s", type=float, default=50.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--records-s", type=float, default=0.0, help="how long to wait for the records of connections")
    figures = storm(StormPlan(**vars(parser.parse_args())))
    sys.stdout.write("".join(f"{line}\n" for line in (figures, *figures.faults[:10])))
    return 0 if figures.level_s <= figures.plan.level_due_s and not figures.faults else 1


if __name__ == "__main__":
    sys.exit(main())
