"""A whole system from one seed: it runs, things go wrong, they stop going wrong, and then everybody has to be level."""

import asyncio
import json
from collections import Counter
from dataclasses import dataclass, field
from hashlib import blake2b
from random import Random
from typing import Any, Final

import msgspec

from tests.simulation.balancer import Balancer
from tests.simulation.checker import Checker, End
from tests.simulation.clients import Client
from tests.simulation.door_rules import DoorRules
from tests.simulation.fake_aws import FakeAws
from tests.simulation.fake_sqs import FakeQueue, Message
from tests.simulation.fold_rules import uid_in
from tests.simulation.identities import Identities, Token
from tests.simulation.loop import SimulationLoop
from tests.simulation.node import PENDING_BYTES, UPDATES_QUEUE, Process
from tests.simulation.readers import PollReader, StreamReader
from tests.simulation.scenario import NodeEvent, Scenario, scenario
from tests.simulation.visitors import Incidents
from tests.simulation.workload import Workload
from tests.support.clock import SteeredClock
from tests.support.fake_dynamodb import FakeDynamoDb, Item
from websocket_handler.ports.log_store import Segment

LEVEL_S: Final = 4.5
DELIVERY_S: Final = 0.5
"""How many seconds a publication may be on its way to its subscribers."""
SETTLED_S: Final = 75.0
"""The longest documented wait: a forward's 30 s and one attempt, or the time for which an update stays hidden."""
GOODBYE_S: Final = 0.5
"""How many seconds it takes at most until a node knows that a client has left, and a little more."""
AGENTS: Final = ("pm", "dev", "qa", "ops")


@dataclass(frozen=True, slots=True)
class Result:
    """The result of a schedule."""

    seed: int
    violations: list[str]
    trace_hash: str
    counts: Counter[str]
    injected: Counter[str]
    lines: list[str] = field(default_factory=list)


class World:
    """Everything in a schedule."""

    def __init__(self, plan: Scenario, *, keeps_trace: bool = False) -> None:
        self.scenario = plan
        self.loop = SimulationLoop()
        self.loop.set_exception_handler(self._unhandled)
        self.begin_s = self.loop.time()
        self.clock = SteeredClock(self.loop.time)
        self.random = Random(f"world {plan.seed}")
        self.injected: Counter[str] = Counter({"linger": 1} if plan.commit_linger_s else {})
        self.lines: list[str] = []
        self._keeps_trace = keeps_trace
        self._hash = blake2b(digest_size=12)
        ring = plan.ring_messages if plan.store == "memory" else None
        self.checker = Checker(self.clock.wall, self.elapsed, ring)
        self.table = FakeDynamoDb(plan.faults.page_bytes, self._written)
        names = [f"{agent}{'.fifo' if plan.has_fifo else ''}" for agent in AGENTS]
        sqs_random = Random(f"sqs {plan.seed}")
        self.queues = {name: FakeQueue(name, sqs_random, lambda _message: None) for name in names}
        self.queues[UPDATES_QUEUE] = updates = FakeQueue(UPDATES_QUEUE, sqs_random, self._update_deleted)
        updates.visibility_s, updates.duplicates = plan.visibility_s, plan.faults.duplicates
        plan.faults.end_s = self.begin_s + plan.active_s
        for outage in plan.faults.outages:
            outage.begin_s += self.begin_s
            outage.end_s += self.begin_s
        aws_random = Random(f"aws {plan.seed}")
        self.aws = FakeAws(self.loop, aws_random, plan.faults, self.table, self.queues, self.injected, self.trace)
        self.identities = Identities(self.clock.wall, Random(f"identities {plan.seed}"))
        checker = self.checker
        self.door_rules = DoorRules(plan.door, self.loop.time, self.clock.wall, checker.violation, checker.counts)
        self.processes: list[Process] = []
        self.balancer = Balancer(self)
        self.clients = [self._client(index) for index in range(plan.clients)]
        self.streams = [StreamReader(self, f"s{index}", *self._seat(index)) for index in range(plan.door.streams)]
        self.polls = [PollReader(self, f"l{index}", *self._seat(index)) for index in range(plan.door.polls)]
        self.workload = Workload(self)
        self._incidents = Incidents(self)

    def _client(self, index: int) -> Client:
        random = Random(f"client {self.scenario.seed} {index}")
        projects = self.scenario.projects
        wanted = random.sample(projects, random.randint(1, len(projects)))
        return Client(self, f"c{index}", random, wanted, *self._seat(index))

    def _seat(self, index: int) -> tuple[str, str]:
        """The user and the address of a client or a reader."""
        door = self.scenario.door
        return f"user{index % door.users}", f"10.0.0.{index % door.addresses}"

    @property
    def readers(self) -> list[StreamReader | PollReader]:
        """Everyone who reads over HTTP."""
        return [*self.streams, *self.polls]

    # Observing

    def elapsed(self) -> float:
        """Virtual seconds since the schedule began."""
        return self.loop.time() - self.begin_s

    def trace(self, line: str) -> None:
        """Note what happens, for the trace."""
        text = f"{self.elapsed():.6f} {line}"
        self._hash.update(text.encode())
        if self._keeps_trace:
            self.lines.append(text)

    def bug(self, event: str, fault: BaseException) -> None:
        """The product raised an exception that it should not raise."""
        while isinstance(fault, BaseExceptionGroup):
            fault = fault.exceptions[0]
        trace = fault.__traceback__
        while trace is not None and trace.tb_next is not None:
            trace = trace.tb_next
        where = f"{trace.tb_frame.f_code.co_filename}:{trace.tb_lineno}" if trace else ""
        self.checker.violation(f"{event}: {type(fault).__name__}: {fault} {where}")

    def _unhandled(self, loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if not self.loop.is_over:
            self.bug(context.get("message", ""), context.get("exception") or RuntimeError("?"))

    def _written(self, item: Item) -> None:
        partition = item["PK"]["S"]
        if partition.startswith("WS#LOG#"):
            records = [(record[0], record[2] if len(record) > 2 else "") for record in records_in(item["d"]["B"])]
            project, first = partition.removeprefix("WS#LOG#"), int(item["SK"]["S"])
            self.trace(f"committed {project} {item['e']['S']}:{first} +{len(records)}")
            self.checker.committed(project, item["e"]["S"], first, float(item["ttl"]["N"]), records)

    def memory_committed(self, project: str, segment: Segment) -> None:
        """A memory store took a segment."""
        records = [(record.payload, record.key) for record in segment.records]
        self.trace(f"committed {project} {segment.epoch}:{segment.first} +{len(records)}")
        self.checker.committed(project, segment.epoch, segment.first, float("inf"), records)

    def _update_deleted(self, message: Message) -> None:
        self.checker.deleted(uid_in(json.loads(message.body)) if message.body.startswith("{") else message.body)

    def forward_confirmed(self, who: str, asked: dict[str, Any], answer: dict[str, Any]) -> None:
        """A client was told that the queue holds its task."""
        self.checker.counts["forwards confirmed"] += 1
        queue = self.queues[f"{answer['agent']}{'.fifo' if self.scenario.has_fifo else ''}"]
        message = queue.sent.get(answer["receipt"])
        if message is None:
            self.checker.violation(f"{who}: {answer} names a receipt that the queue never gave")
        elif message.attributes["MessageId"]["StringValue"] != asked["message_id"]:
            self.checker.violation(f"{who}: {answer} names the receipt of {message.attributes}")
        elif json.loads(message.body)["data"] != asked["data"]:
            self.checker.violation(f"{who}: {answer} stands for {message.body}, asked for {asked['data']}")

    # Nodes

    def start_node(self) -> Process:
        """Start another process."""
        process = self._process(f"n{len(self.processes)}")
        self.processes.append(process)
        self.trace(f"start {process.name}")
        process.start()
        return process

    def _process(self, name: str) -> Process:
        return Process(self, name)

    @property
    def listening(self) -> list[Process]:
        """The nodes to which the load balancer sends clients."""
        return [process for process in self.processes if process.is_listening and process.left_at is None]

    def may_be_worthless(self, token: Token) -> bool:
        """True if some node may refuse this token."""
        return any(self.door_rules.may_be_worthless(process.name, token) for process in self.processes)

    def crash(self, process: Process, how: str) -> None:
        """Kill a process as `kill -9` does: from now on nothing of it runs."""
        if process.is_frozen:
            return
        self.trace(f"crash {process.name} {how}")
        self.injected[f"crash {how}"] += 1
        self._take_down(process)

    def _take_down(self, process: Process) -> None:
        process.is_listening = False
        process.is_gone = True
        self.loop.freeze(process)
        self.door_rules.gone(process.name)
        for link in process.links:  # what left before belongs to the old log
            link.crash(keeps_outbox=self.random.random() < 0.5)
        for exchange in process.exchanges:
            exchange.die()
        if self.scenario.store == "memory":
            for project in self.scenario.projects:
                self.checker.lost(project)
        self.loop.later(self.random.uniform(0.1, 2.0), self._replace)

    def _replace(self) -> None:
        if not self.listening and not self.workload.is_asleep:
            self.start_node()

    def gone(self, process: Process) -> None:
        """A drained node exits."""
        if process.is_frozen:
            return
        self.trace(f"exit {process.name}")
        if not process.is_cut_short:
            self.door_rules.left(process.name)
        self._take_down(process)

    def node_event(self, event: NodeEvent) -> None:
        """Let the scenario's next event happen."""
        self.injected[f"node: {event.kind}"] += 1
        if event.kind == "start":
            self.start_node()
            return
        running = self.listening
        if not running:
            return
        if event.kind == "crash":
            self.crash(running[0], "from outside")
        elif event.kind == "fuse":
            running[0].fuse = event.effects
        elif len(running) > 1:
            running[0].drain(event.manner)

    # Running

    def run(self) -> Result:
        """Run the whole schedule."""
        try:
            self.loop.run_until_complete(self._run())
        finally:
            self.loop.finish(list(self.processes))
        counts = self.checker.counts
        return Result(
            self.scenario.seed, self.checker.violations, self._hash.hexdigest(), counts, self.injected, self.lines
        )

    async def _run(self) -> None:
        plan = self.scenario
        self.start_node()
        for client in self.clients:
            client.connect()
        for reader in self.readers:
            reader.read_later()
        for event in plan.node_events:
            self.loop.later(event.at_s, self.node_event, event)
        for incident in plan.door.events:
            self.loop.later(incident.at_s, self._incidents.happen, incident)
        for at_s, jump_s in plan.clock_jumps:
            self.loop.later(at_s, self._jump, jump_s)
        self.workload.start()
        watcher = self.loop.create_task(self._watch_memory())
        await asyncio.sleep(plan.active_s)
        if plan.sleeps_s:
            await self._sleep(plan.sleeps_s)
        await self._settle()
        watcher.cancel()

    def _jump(self, jump_s: float) -> None:
        self.injected["clock jump"] += 1
        self.trace(f"the clock jumps by {jump_s}")
        self.door_rules.clock_jumps()
        self.clock.offset_s += jump_s
        self.checker.jumps.append(self.elapsed())

    async def _sleep(self, seconds: float) -> None:
        """There is no node for longer than the log is retained. Time passes on both clocks, but no timer runs."""
        self.injected["sleep"] += 1
        self.workload.is_asleep = True
        for process in self.processes:
            if not process.is_gone:
                self.crash(process, "before a sleep")
        for client in self.clients:
            client.is_away = True
        await asyncio.sleep(10)
        self.clock.offset_s += seconds
        self.checker.jumps.append(self.elapsed())
        self.table.expire(self.clock.wall(), lambda: self.random.random() < 0.5)
        self.workload.is_asleep = False
        self.start_node()
        for client in self.clients:
            client.is_away = False
            client.connect()
        self.workload.publish_some(5)
        await asyncio.sleep(3)

    async def _settle(self) -> None:
        """There are no faults any more: soon everybody is level, and everything that was accepted is answered."""
        self.workload.stop()
        self.trace("calm")
        for process in self.listening:
            process.fuse = None
        for process in () if self.scenario.keeps_overlap else self.listening[:-1]:
            process.drain("sigterm")
            await asyncio.sleep(0)
        if len([process for process in self.processes if not process.is_gone]) > 1:
            await asyncio.sleep(12)
        for one in (*self.clients, *self.readers):
            one.calm()
        if len(self.listening) > 1:  # a node that is alone would learn from this publication what it had missed
            self.workload.publish_last()
        has_small_pages = (
            min(self.scenario.outbox_bytes, self.scenario.ring_bytes, self.scenario.faults.page_bytes) < 10_000
        )
        await asyncio.sleep(3 * LEVEL_S if has_small_pages else LEVEL_S)
        ends = {project: self.checker.end_of(project) for project in self.scenario.projects}
        await asyncio.sleep(DELIVERY_S)
        self._check_level("soon after the last fault", ends)
        deadline = self.loop.time() + SETTLED_S
        while self.loop.time() < deadline and not self.workload.is_settled:  # noqa: ASYNC110 - time is virtual
            await asyncio.sleep(1.0)
        await asyncio.sleep(LEVEL_S if has_small_pages else DELIVERY_S)
        self._check_level("at the end", {project: self.checker.end_of(project) for project in self.scenario.projects})
        self.workload.check_end()
        await self._say_goodbye()

    async def _say_goodbye(self) -> None:
        """Everybody leaves, and every place is given back."""
        for one in (*self.clients, *self.readers):
            one.is_away = True
            one.leave()
        await asyncio.sleep(GOODBYE_S)
        self.door_rules.check_empty()
        for process in self.listening:
            if (fault := process.taken()) is not None:
                self.checker.violation(f"{process.name}: {fault}")

    def _check_level(self, when: str, ends: dict[str, End]) -> None:
        for one in (*self.clients, *self.readers):
            fault = one.level_fault(ends)
            if fault is not None:
                self.checker.violation(f"{when}: {fault}")

    async def _watch_memory(self) -> None:
        while True:
            await asyncio.sleep(0.5)
            self.door_rules.look()
            for process in self.listening:
                for project in process.core.node.projects:
                    queue, log = project.journal.queue, project.journal.log
                    waiting = sum(waiting.publication.size for waiting in queue.waiting)
                    if waiting != queue.bytes or waiting > PENDING_BYTES:
                        self.checker.violation(f"{waiting} bytes wait, counted as {queue.bytes}")
                    if log.bytes > self.scenario.ring_bytes or len(log) > self.scenario.ring_messages:
                        self.checker.violation(f"the ring holds {len(log)}, {log.bytes} bytes")


def records_in(blob: bytes) -> list[list[Any]]:
    """The records of a segment as the table has them."""
    decoded: list[list[Any]] = msgspec.msgpack.decode(blob)
    return decoded


def run_seed(seed: int, *, keeps_trace: bool = False) -> Result:
    """Run one schedule."""
    return World(scenario(seed), keeps_trace=keeps_trace).run()
