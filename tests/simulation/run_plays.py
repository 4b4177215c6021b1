"""Agents with runs over several nodes with one slow store, from a seed: they start, keep alive, fall silent, come too
late, begin again, and ask people. Nodes give their folds up, and others take their places. What the log and the queue
hold at the end is compared with the promises about leases and decisions. It knows entries as JSON, and shares no rule
with the product."""

import asyncio
import json
from collections import Counter
from contextlib import suppress
from functools import partial
from random import Random
from typing import Any, Final

import msgspec

from tests.support.clock import SteeredClock, loop_time
from tests.support.memory_ports import MemoryForwarder
from tests.support.nodes import RETAINED, core_options, memory_ports
from tests.support.virtual_time import run
from websocket_handler.adapters.memory import MemoryLogStore
from websocket_handler.assembly import Core, assemble
from websocket_handler.delivery.decisions import fold_now
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.logs.queue import Published
from websocket_handler.ports.forwarder import Accepted, Prepared, Refused
from websocket_handler.ports.log_store import Segment
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.messages import Position
from websocket_handler.protocol.names import Agent
from websocket_handler.protocol.publication import read_object

NODES: Final = 3
STEPS: Final = 60
LEASE_S: Final = 40.0
END_S: Final = 50.0
"""After so many seconds of silence a run is lost: a lease and a quarter of it."""
NAMES: Final = ("r0", "r1", "r2")
Event = dict[str, Any]


def _nobody_asks(_answer: Position | CommandError | None) -> None:
    """For what nobody waits for."""


class SlowStore(MemoryLogStore):
    """A store for several nodes. Writes come late, or their answers do."""

    is_shared = True

    def __init__(self, random: Random) -> None:
        super().__init__(SteeredClock(loop_time), RETAINED)
        self._random = random

    def _late(self, call: Any) -> None:
        asyncio.get_running_loop().call_later(self._random.choice((0.001, 0.1, 2.0)), call)

    def append(self, project_id: str, segment: Any, done: Any) -> None:
        write = super().append
        if self._random.random() < 0.5:
            write(project_id, segment, lambda answer: self._late(partial(done, answer)))
        else:
            self._late(partial(write, project_id, segment, done))

    def read(self, project_id: str, after: int, done: Any, at_turn: Any = None) -> None:
        self._late(partial(super().read, project_id, after, done, at_turn))


class LossyQueue(MemoryForwarder):
    """Takes a task once. Sometimes its answer never comes."""

    def __init__(self, random: Random) -> None:
        super().__init__()
        self._random = random

    async def send(self, agent: Agent, tasks: Any) -> list[Accepted | Refused]:
        known = {task.message_id for task in self.queues[agent]}
        fresh: list[Prepared] = [task for task in tasks if task.message.message_id not in known]
        if self._random.random() < 0.3:
            await asyncio.sleep(30.0)
        else:
            await super().send(agent, fresh)
        return [Accepted("receipt") for _ in tasks]


class Play:
    """One schedule."""

    def __init__(self, seed: int) -> None:
        self._random = Random(f"runs {seed}")
        self._store = SlowStore(self._random)
        self._queue = LossyQueue(self._random)
        options = core_options(delivery=DeliveryLimits(log=RETAINED, run_lease_s=LEASE_S, key_count=0))
        self._ports = {"log_store": self._store, "forwarder": self._queue}
        self._options = options
        self._nodes = [self._new_node() for _ in range(NODES)]
        self._attempts = dict.fromkeys(NAMES, 0)
        self._questions = 0
        self.wrong: list[str] = []
        """What agents were told that is not so."""

    def _new_node(self) -> Core:
        return assemble(memory_ports(**self._ports), self._options)

    # What happens

    def _say(self, node: Core, event: Event, done: Published = _nobody_asks) -> None:
        publication = node.node.prepare(read_object(json.dumps(event).encode()), "p")
        with suppress(CommandError):
            node.node.publish(publication, done)

    def _event(self, run_id: str, attempt: int, kind: str, **more: Any) -> Event:
        named = {"runId": run_id, "threadId": "p", "agent": "dev"}
        return {"type": kind, **named, **({"attempt": attempt} if attempt > 1 else {}), **more}

    def _begin(self, node: Core, run_id: str, attempt: int) -> None:
        """A node that has not read the end of the attempt before has to do so. The store may fail it; then the agent
        tries it again."""

        def answered(answer: Position | CommandError) -> None:
            if isinstance(answer, Position):
                self._attempts[run_id] = attempt
            elif answer.code is ErrorCode.RUN_NOT_LOST and not self._has_begun(run_id, attempt):
                self.wrong.append(f"attempt {attempt - 1} at {run_id} is lost, and a node says that it is not")

        self._say(node, self._event(run_id, attempt, "RUN_STARTED"), answered)

    def _step(self) -> None:
        random = self._random
        node, run_id = random.choice(self._nodes), random.choice(NAMES)
        attempt, dice = self._attempts[run_id], random.random()
        if not attempt or (dice < 0.3 and self._is_lost(run_id, attempt)):
            self._begin(node, run_id, attempt + 1)
        elif dice < 0.75:
            said = random.randint(max(1, attempt - 1), attempt)  # perhaps the one that counts as lost
            self._say(node, self._event(run_id, said, "CUSTOM", name="wsh.alive", value={}))
        elif dice < 0.85:
            self._questions += 1
            asking = f"q{self._questions}"
            outcome = {"type": "interrupt", "interrupts": [{"id": f"i{self._questions}", "reason": "approval"}]}
            self._say(node, self._event(asking, 1, "RUN_STARTED"))
            self._say(node, self._event(asking, 1, "RUN_FINISHED", outcome=outcome))
        if random.random() < 0.05:  # it answers what it has accepted, and nobody asks it any more
            self._nodes[random.randrange(NODES)] = self._new_node()
        for each in self._nodes:
            if random.random() < 0.8:
                each.node.end_leases()
            if random.random() < 0.5:
                each.node.project("p").journal.refresh(_nobody_asks)
            if random.random() < 0.5:
                self._decide(each)
            each.decisions.look()
            if random.random() < 0.2:
                each.node.project("p").runs.let_go()

    def _decide(self, node: Core) -> None:
        project = node.node.project("p")
        fold = fold_now(project) if project.journal.call.is_known else None
        for interrupt in list(fold.ends.interrupts.values()) if fold is not None else ():
            value = {"agent": "dev", "by": "ann", "at": "now", "status": "cancelled", "payload": self._random.random()}
            with suppress(CommandError):
                node.decisions.decide(project, interrupt, value, _nobody_asks)

    def _is_lost(self, run_id: str, attempt: int) -> bool:
        return any(
            entry["type"] == "RUN_ERROR" and entry["runId"] == run_id and entry.get("attempt", 1) == attempt
            for entry in self.entries
        )

    def _has_begun(self, run_id: str, attempt: int) -> bool:
        return any(
            entry["type"] == "RUN_STARTED" and entry["runId"] == run_id and entry.get("attempt", 1) >= attempt
            for entry in self.entries
        )

    @property
    def entries(self) -> list[Event]:
        """What the store holds."""
        tails: list[Any] = []
        self._store.open("p", tails.append)
        return [msgspec.json.decode(payload) for segment in tails[0].segments for payload in payloads(segment)]

    @property
    def tasks(self) -> list[str]:
        """The ids of the tasks that the agent's queue got."""
        return [task.message_id for task in self._queue.queues[Agent.DEV]]

    async def play(self) -> None:
        """Play it."""
        for _ in range(STEPS):
            self._step()
            await asyncio.sleep(self._random.choice((0.0, 0.05, 2.0, 15.0, 41.0)))
        for _ in range(40):
            for each in self._nodes:
                each.node.project("p").journal.refresh(_nobody_asks)
                self._decide(each)
            await asyncio.sleep(5.0)
            for each in self._nodes:
                each.node.end_leases()
                each.decisions.look()
            await asyncio.sleep(5.0)


def payloads(segment: Segment) -> list[bytes]:
    """The entries of a segment."""
    return [record.payload for record in segment.records]


def broken(entries: list[Event], tasks: list[str]) -> list[str]:
    """The promises that a log and a queue break."""
    found: list[str] = []
    heard: dict[tuple[str, int], int] = {}
    stalled: set[tuple[str, int]] = set()
    over: set[tuple[str, int]] = set()
    decided: Counter[str] = Counter()
    asked: set[str] = set()
    for entry in entries:
        name, offset = entry.get("name"), entry["offset"]
        if name in ("wsh.decided", "wsh.answered"):
            decided[entry["value"]["interruptId"]] += name == "wsh.decided"
            continue
        asked |= {each["id"] for each in entry.get("outcome", {}).get("interrupts", ())}
        is_stalled = name == "wsh.stalled"
        attempt = entry["value"]["attempt"] if is_stalled else entry.get("attempt", 1)
        lease = (entry["runId"], attempt)
        if lease in over:
            found.append(f"{offset}: {entry['type']} {name} of {lease}, which is over")
        if is_stalled:
            if lease in stalled:
                found.append(f"{offset}: {lease} stalls twice")
            stalled.add(lease)
        elif entry["type"] == "RUN_ERROR":
            silent_s = (entry["published_at"] - heard[lease]) / 1000
            if lease not in stalled or silent_s < END_S - 0.01:
                found.append(f"{offset}: {lease} is lost after {silent_s} s")
            over.add(lease)
        else:
            stalled.discard(lease)
            heard[lease] = entry["published_at"]
            if entry["type"] == "RUN_FINISHED":
                over.add(lease)
    found += [f"{lease} never ends" for lease in heard.keys() - over]
    found += [f"{each} was decided {decided[each]} times" for each in sorted(asked) if decided[each] != 1]
    if len(tasks) != len(asked) or len(set(tasks)) != len(tasks):
        found.append(f"{len(asked)} questions, {len(tasks)} tasks")
    return found


def broken_by(seed: int, seen: Counter[str] | None = None) -> list[str]:
    """What the schedule of a seed breaks. `seen` counts what its log holds."""

    async def playing() -> list[str]:
        play = Play(seed)
        await play.play()
        if seen is not None:
            seen.update(entry.get("name") or entry["type"] for entry in play.entries)
        return play.wrong + broken(play.entries, play.tasks)

    return run(playing())
