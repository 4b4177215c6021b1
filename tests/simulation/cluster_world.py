"""A cluster from one seed: it runs, things go wrong, they stop going wrong, and then everybody has to be level."""

import asyncio
import json
from collections.abc import Sequence
from functools import partial
from random import Random
from typing import Final

from tests.simulation.cluster_clients import ClusterClient, NoWatch
from tests.simulation.cluster_nodes import ClusterProcess
from tests.simulation.cluster_plan import NODES, ClusterPlan, Event, cluster_plan
from tests.simulation.cluster_rules import OperatorRules
from tests.simulation.cluster_servers import Servers
from tests.simulation.cluster_truth import Log, Truth, read_log
from tests.simulation.cluster_wires import Network
from tests.simulation.node import Process
from tests.simulation.world import Result, World, records_in
from tests.support.fake_dynamodb import Item
from tests.support.valkey_model.keyspace import Command, Keyspace

LEVEL_S: Final = 25.0
"""How many seconds after the last fault everybody is level: a pause before a new connection, a look at a log, and what
they ask then."""
SOON_S: Final = 12.0
"""When everybody is level, unless a node does not know that it hears nothing."""
DELIVERY_S: Final = 1.0
"""How many seconds a publication is on its way to the clients of all nodes in calm times."""


class ClusterWorld(World):
    """Everything in a schedule."""

    def __init__(self, plan: ClusterPlan, *, keeps_trace: bool = False) -> None:
        super().__init__(plan.scenario, keeps_trace=keeps_trace)
        self.plan = plan
        self.no_watch = NoWatch()
        self.truth = Truth(self.elapsed, may_lose=plan.may_lose, may_forget=plan.may_forget)
        self.checker.violation = self.truth.violation  # type: ignore[method-assign] # what nodes do wrong counts here
        network = self.network = Network(self.loop, Random(f"network {plan.seed}"), self.trace)
        self.loop.dial = network.dial
        random = Random(f"servers {plan.seed}")
        self.servers = Servers(
            network,
            random,
            lambda: self.clock.wall() * 1000,
            plan.servers,
            plan.lag_s,
            plan.has_address,
            self.trace,
            self._taken_over,
        )
        for server in self.servers.models.values():
            server.changed = partial(self._changed, server.keys)
        self.rules = OperatorRules(self)
        self.clients_of_cluster = [
            ClusterClient(self, f"c{index}", f"user{index % plan.users}", self._wanted(index))
            for index in range(plan.clients)
        ]
        self._draw = Random(f"draw {plan.seed}")
        self._uids = 0
        self._is_over = False
        self._is_manned = False
        """True while something happens to the servers."""

    def _wanted(self, index: int) -> tuple[str, ...]:
        projects = self.scenario.projects
        return projects if index % 2 else projects[: 1 + index % len(projects)]

    def _process(self, name: str) -> Process:
        return ClusterProcess(self, name)

    def _written(self, item: Item) -> None:
        """The table has taken an item."""
        project = item["PK"]["S"].removeprefix("WS#LOG#")
        if project in self.scenario.projects and "d" in item:  # otherwise it is the epoch of an empty log
            texts = [record[0].decode() for record in records_in(item["d"]["B"])]
            self.truth.wrote(project, item["e"]["S"], int(item["SK"]["S"]), texts)

    def _changed(self, keys: Keyspace, change: Sequence[Command]) -> None:
        self.truth.changed(keys, change, is_split=self.servers.is_split)

    def _taken_over(self, before: Keyspace, after: Keyspace) -> None:
        self.truth.taken_over(before, after, self.scenario.projects)
        self.rules.taken_over(before, after)

    def _take_down(self, process: Process) -> None:
        super()._take_down(process)
        self.network.died(process)

    def _replace(self) -> None:
        """A node that ended is replaced, as a service of containers does."""
        if len(self.listening) < NODES and not self._is_over:
            self.start_node()

    # What happens

    async def _run(self) -> None:
        plan = self.plan
        for _ in range(NODES):
            self.start_node()
        for client in self.clients_of_cluster:
            self.loop.later(self._draw.uniform(0, 0.5), client.connect)
        saving = self.loop.create_task(self.servers.save())
        self._act()
        events = [self.loop.create_task(self._happens(event)) for event in plan.events]
        await asyncio.sleep(plan.scenario.active_s)
        for event in events:
            await event
        saving.cancel()
        await self._settle()

    async def _happens(self, event: Event) -> None:
        await asyncio.sleep(event.at_s)
        servers, is_manned = self.servers, event.kind in _SERVER_EVENTS
        while is_manned and self._is_manned:  # noqa: ASYNC110 - one thing at a time; time is virtual
            await asyncio.sleep(0.1)
        self.trace(f"{event.kind} {event.manner} begins")
        self.injected[f"{event.kind} {event.manner}".strip()] += 1
        self._is_manned = self._is_manned or is_manned
        match event.kind:
            case "graceful":
                await servers.graceful_failover(event.manner)
            case "crash":
                await servers.crash(event.lasts_s, is_silent=event.manner == "silent")
            case "split":
                await servers.split(event.lasts_s, is_noticed=event.manner == "noticed")
            case "stall replication":
                await servers.stall_replication(event.lasts_s)
            case "lose replica":
                await servers.lose_replica(event.lasts_s)
            case "restart":
                await servers.restart(event.lasts_s, event.manner)
            case "stop":
                await servers.stop_for(event.lasts_s)
            case "fill up":
                await servers.fill_up(event.lasts_s)
            case "flush":
                servers.forget_scripts()
            case _:
                await self._happens_to_nodes(event)
        if is_manned:
            self._is_manned = False
        self.trace(f"{event.kind} ends")

    async def _happens_to_nodes(self, event: Event) -> None:
        nodes = self.listening
        if event.kind == "deaf":
            self.servers.deaf = self._draw.choice((0.2, 1.0))
            await asyncio.sleep(event.lasts_s)
            self.servers.deaf = 0.0
        elif event.kind == "reset":
            self.network.close_all(self.servers.primary, 0.5)
        elif not nodes:
            return
        elif event.kind == "cut off":
            process = self._draw.choice(nodes)
            self.network.cut_off(process)
            await asyncio.sleep(event.lasts_s)
            self.network.rejoin(process)
        elif event.kind == "node crash":
            self.crash(self._draw.choice(nodes), "from outside")
        elif event.kind == "fuse":
            self._draw.choice(nodes).fuse = self._draw.randint(1, 60)
        elif event.kind == "roll":
            self.start_node()
            await asyncio.sleep(event.lasts_s / 2)
            self._draw.choice(nodes).drain(event.manner)

    def _act(self) -> None:
        """Somebody does something, again and again."""
        if self._is_over:
            return
        dice, client = self._draw.random(), self._draw.choice(self.clients_of_cluster)
        if dice < 0.85:
            for _ in range(self._draw.choice((1, 1, 1, 3))):
                self._publish(client)
        elif dice < 0.93:
            client.leave()
        else:
            self.rules.do_something()
        self.loop.later(self._draw.expovariate(self.scenario.actions_per_s), self._act)

    def _publish(self, client: ClusterClient, project: str | None = None) -> None:
        project = project or self._draw.choice(self.scenario.projects)
        self._uids += 1
        uid = f"u{self._uids}"
        key = f"k{self._uids}" if self._draw.random() < self.plan.keyed else ""
        body = json.dumps({"u": uid, "x": "x" * self._draw.choice((0, 0, 100))}, separators=(",", ":"))
        self.truth.intends(uid, project, body, key)
        client.publish(uid, project, body, key)

    # The end

    @property
    def logs(self) -> dict[str, Log | None]:
        """The logs of all projects as the primary has them now, or the table."""
        if not self.plan.has_logs:
            return {project: self.truth.table.get(project) for project in self.scenario.projects}
        keys = self.servers.primary.server.keys
        return {project: read_log(keys, project) for project in self.scenario.projects}

    async def _settle(self) -> None:
        """There are no faults any more: soon everybody is level, and what an operator says holds everywhere."""
        self._is_over = True
        self.trace("calm")
        self.servers.calm()
        for process in self.listening:
            process.fuse = None
        while len(self.listening) < NODES:
            self.start_node()
            await asyncio.sleep(0)
        await asyncio.sleep(SOON_S)
        if self.plan.is_heard_at_once:
            for project in self.scenario.projects:
                self._publish(self._draw.choice(self.clients_of_cluster), project)
            await asyncio.sleep(DELIVERY_S)
            self._all_are_level("soon after the last fault")
        await asyncio.sleep(LEVEL_S - SOON_S)
        self._all_are_level("after the last fault")
        await self._check_operator()
        for client in self.clients_of_cluster:
            self._publish(client)
        await asyncio.sleep(DELIVERY_S)
        self._all_are_level("after the last publication")
        logs = self.logs
        self.truth.check_confirmed(logs)
        for client in self.clients_of_cluster:
            for project, have in client.have.items():
                self.truth.at_the_end(client.name, project, have, logs[project])

    def _all_are_level(self, when: str) -> None:
        logs = self.logs
        for client in self.clients_of_cluster:
            fault = client.level_fault(logs)
            if fault is not None:
                self.truth.violation(f"{when}: {fault}")

    async def _check_operator(self) -> None:
        nodes = self.listening
        self.rules.check_connections(nodes)
        self.rules.try_old_tokens(nodes)
        number = self.rules.send_broadcast(self._draw.choice(nodes))
        await asyncio.sleep(DELIVERY_S)
        self.rules.check_broadcast(number)
        client = self._draw.choice(self.clients_of_cluster)
        self.rules.disconnect(self._draw.choice(nodes), client, must_succeed=True)
        await asyncio.sleep(4 * DELIVERY_S)

    def run(self) -> Result:
        """Run the whole schedule."""
        try:
            self.loop.run_until_complete(self._run())
        finally:
            self.loop.finish(list(self.processes))
        truth, counts = self.truth, self.truth.counts
        return Result(self.plan.seed, truth.violations, self._hash.hexdigest(), counts, self.injected, self.lines)


_SERVER_EVENTS: Final[Sequence[str]] = (
    "graceful", "crash", "split", "stall replication", "lose replica", "restart", "stop", "fill up", "flush",
)  # fmt: skip


def run_cluster_seed(seed: int, *, keeps_trace: bool = False) -> Result:
    """Run one schedule."""
    return ClusterWorld(cluster_plan(seed), keeps_trace=keeps_trace).run()


def told(result: Result) -> str:
    """How to run a schedule again, and what went wrong in it."""
    command = f"python -m tests.simulation.cluster --seed {result.seed} --trace"
    return "\n".join((command, *(f"    {violation[:300]}" for violation in result.violations[:4])))
