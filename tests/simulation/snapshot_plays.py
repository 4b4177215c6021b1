"""`python -m tests.simulation.snapshot_plays --seeds 1000` plays schedules of two nodes on one slow store with a short
log, in which agents tell runs; `--seed N --trace` plays one of them again and prints all that happens.

Nodes are killed in the middle of what they write, others start in their places, folds are given up, projects are
closed, the log is lost. Whoever begins with a snapshot and goes on with what follows has to show what the whole log
says, or be told that something is missing: fold(all) = fold(snapshot at N, then the tail). The same holds for each
snapshot that is kept, and for the AG-UI clients that join.
"""

import asyncio
import json
import sys
from collections import Counter
from contextlib import suppress
from hashlib import blake2b
from itertools import count
from random import Random
from typing import Any, Final

from tests.simulation.command import Simulation, run_command
from tests.simulation.planted_snapshots import PLANTS
from tests.simulation.snapshot_store import Shelf, Way
from tests.simulation.snapshot_story import Agent
from tests.simulation.snapshot_truth import Event, Shown, Truth, texts_of
from tests.simulation.world import Result
from tests.support.doubles import Client
from tests.support.nodes import core_options, memory_ports
from tests.support.virtual_time import run
from websocket_handler.api.agui_stream import agui_form
from websocket_handler.api.run_view import View
from websocket_handler.api.streams import PAGE
from websocket_handler.assembly import Core, assemble
from websocket_handler.hub.log import LogLimits
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.logs.runs import snapshot as snapshots
from websocket_handler.logs.runs.fold import Fold
from websocket_handler.logs.runs.vocabulary import Generation
from websocket_handler.ports.log_store import Snapshot
from websocket_handler.protocol.codes import CommandError
from websocket_handler.protocol.messages import Position, Subscribe

NODES: Final = 2
AGENTS: Final = 2
RUNS: Final = 2
"""So many runs each agent tells."""
STEPS: Final = 40
CLIENTS_MAX: Final = 6
PAUSES_S: Final = (0.01, 0.3, 1.0, 4.0)


class Node:
    """A node, and its way to the store."""

    def __init__(self, name: str, way: Way, options: Any) -> None:
        self.name = name
        self.way = way
        logs = count(1)
        self.core: Core = assemble(memory_ports(log_store=way, new_log_id=lambda: f"{name}-{next(logs)}"), options)

    @property
    def project(self) -> Any:
        return self.core.node.project("p")


class Follower:
    """A client that begins with the snapshot, and shows what follows."""

    def __init__(self, node: Node, name: str, high_water: int) -> None:
        self.node = node
        self.name = name
        self.shown = Shown()
        self.position: Position | None = None
        """None until the snapshot is there."""
        self.is_truncated = False
        self.is_over = False
        """True once it has to begin anew."""
        self._client = Client(high_water)
        self._client.connection = node.core.server.register_connection(self._client)
        node.core.server.begin(self._client.connection, [Subscribe(project_id="p", from_="snapshot")])

    def look(self) -> str | None:
        """Read what has come. Returns what is wrong with it."""
        messages, fault = self._client.messages, None
        self._client.forget()
        self._client.drain()
        for message in messages:
            if not self.is_over:
                fault = fault or self._take(message)
        return fault

    def _take(self, message: Event) -> str | None:
        if message["type"] in ("subscription_reset", "error"):
            self.is_over = True
        elif message["type"] == "snapshot":
            self.position = Position(message["epoch"], message["offset"])
            self.is_truncated = message["truncated"]
            self.shown.begin(message)
        elif "offset" in message and "epoch" not in message:
            if self.position is None or message["offset"] != self.position.offset + 1:
                return f"{message['offset']} comes behind {self.position}"
            self.position = Position(self.position.epoch, message["offset"])
            self.shown.see(message)
        return None

    def leave(self) -> None:
        """It goes."""
        self.is_over = True
        self.node.core.server.unregister_connection(self._client.connection)


class Play:
    """One schedule."""

    def __init__(self, seed: int) -> None:
        self.random = Random(f"snapshots {seed}")
        self.violations: list[str] = []
        self.counts: Counter[str] = Counter()
        self.injected: Counter[str] = Counter()
        self.lines: list[str] = []
        self._seed = seed
        few, many = self.random.choice(((16, 16), (24, 24), (16, 48)))
        self._faults = self.random.choice((0.0, 0.0, 0.03))
        self._loses_logs = self.random.random() < 0.4
        self._loses_snapshots = self.random.random() < 0.3
        self._snapshot_faults = self.random.choice((0.0, 0.0, 0.0, 0.7))
        self.shelf = Shelf(LogLimits(messages=many, seconds=1e9), self._kept)
        limits = DeliveryLimits(
            log=LogLimits(messages=few, seconds=1e9), run_lease_s=0.0, key_count=100, project_idle_s=3.0
        )
        self._options = core_options(delivery=limits)
        self._names = count(1)
        self.nodes = [self._new_node() for _ in range(NODES)]
        self.followers: list[Follower] = []
        self._truths: dict[str, Truth] = {}
        self._folds: dict[str, Fold] = {}
        """By epoch: the fold of the log, as far as the newest snapshot goes."""

    def _new_node(self) -> Node:
        name = f"node{next(self._names)}"
        way = Way(self.shelf, self.random, self.injected)
        way.faults, way.snapshot_faults = self._faults, self._snapshot_faults
        return Node(name, way, self._options)

    def _say(self, text: str) -> None:
        self.lines.append(f"{asyncio.get_running_loop().time() - 1000:8.3f} {text}")

    def _violation(self, text: str) -> None:
        self.violations.append(text)
        self._say(f"VIOLATION {text[:300]}")

    # What happens

    async def play(self) -> None:
        """Play it."""
        asyncio.get_running_loop().set_exception_handler(self._unhandled)
        agents = [Agent(f"a{number}", self._seed, RUNS, self._some_node) for number in range(AGENTS)]
        telling = [asyncio.create_task(agent.work()) for agent in agents]
        for _ in range(STEPS):
            await self._step()
            await asyncio.sleep(self.random.choice(PAUSES_S))
        self._faults = self._snapshot_faults = 0.0
        for node in self.nodes:
            node.way.faults = node.way.snapshot_faults = 0.0
        for fault in await asyncio.gather(*telling, return_exceptions=True):
            if fault is not None:
                self._violation(repr(fault))
        await self._end()

    def _unhandled(self, _loop: Any, context: Event) -> None:
        self._violation(f"not handled: {context['message']}: {context.get('exception')!r}")

    def _some_node(self) -> Core:
        return self.random.choice(self.nodes).core

    async def _step(self) -> None:
        random = self.random
        for node in self.nodes:
            if random.random() < 0.6:
                node.project.journal.refresh(lambda _fault: None)
        dice = random.random()
        if dice < 0.12:
            self._crash(random.randrange(NODES))
        elif dice < 0.18:
            self._injected("folds given up", random.choice(self.nodes).project.runs.let_go)
        elif dice < 0.22:
            self._injected("sweeps", random.choice(self.nodes).core.node.sweep)
        elif dice < 0.24 and self._loses_logs and all(node.project.journal.log.head for node in self.nodes):
            self._injected("logs lost", lambda: self.shelf.lose_the_log("p"))  # no node takes its log for an empty one
        elif dice < 0.27 and self._loses_snapshots:
            self._injected("snapshots lost", self.shelf.lose_the_snapshot)
        elif dice < 0.60 and len(self.followers) < CLIENTS_MAX:
            self._join(random.choice(self.nodes))
        elif dice < 0.75:
            await self._join_by_agui(random.choice(self.nodes))
        elif dice < 0.82 and self.followers:
            random.choice(self.followers).leave()
        self._look()

    def _injected(self, what: str, act: Any) -> None:
        self.injected[what] += 1
        self._say(what)
        act()

    def _crash(self, place: int) -> None:
        dead = self.nodes[place]
        self._look()
        dead.way.die()
        self.injected["crashes"] += 1
        self.followers = [each for each in self.followers if each.node is not dead]
        self.nodes[place] = self._new_node()
        self._say(f"{dead.name} is killed, and {self.nodes[place].name} takes its place")

    def _join(self, node: Node) -> Follower:
        follower = Follower(node, f"client{next(self._names)}", self.random.choice((1500, 1_000_000)))
        self.followers.append(follower)
        return follower

    async def _end(self) -> None:
        """Nothing goes wrong any more. Everybody who comes now gets everything, and so does a node that starts."""
        self.nodes.append(self._new_node())
        await asyncio.sleep(30.0)
        for node in self.nodes:
            node.project.journal.refresh(lambda _fault: None)
        await asyncio.sleep(10.0)
        last = [self._join(node) for node in self.nodes]
        for _ in range(10):
            await asyncio.sleep(1.0)
            self._look()
        for node in self.nodes:
            await self._join_by_agui(node)
        head = len(self.shelf.written[self.shelf.newest_epoch])
        for follower in last:
            if follower.position != Position(self.shelf.newest_epoch, head):
                self._violation(f"{follower.name} is at {follower.position}, and the log ends at {head}")

    # What has to hold

    def _truth(self, position: Position) -> Event:
        epoch = position.epoch
        return self._truths.setdefault(epoch, Truth(self.shelf.written.setdefault(epoch, []))).at(position.offset)

    def _look(self) -> None:
        for follower in self.followers:
            before, fault = follower.position, follower.look()
            who = f"{follower.name} of {follower.node.name} at {follower.position}"
            if fault is not None:
                self._violation(f"{who}: {fault}")
                follower.is_over = True
            elif follower.position is not None and follower.position != before:
                self._compare(who, follower.position, follower.shown.all, is_truncated=follower.is_truncated)
        self.followers = [each for each in self.followers if not each.is_over]

    def _compare(self, who: str, position: Position, shown: Event, *, is_truncated: bool) -> None:
        if is_truncated:
            self.counts["truncated"] += 1
            return
        self.counts["whole"] += 1
        truth = {name: value for name, value in self._truth(position).items() if name in shown}
        if shown != truth:
            wrong = {name: (shown[name], truth[name]) for name in shown if shown[name] != truth[name]}
            self._violation(f"{who} shows, instead of what the log says: {json.dumps(wrong)}")

    async def _join_by_agui(self, node: Node) -> None:
        """A front end connects, and shows the thread."""
        view = View("p", agui_form(Generation.V1))
        with suppress(CommandError), node.core.node.feed("p", limits=PAGE) as feed:
            try:
                await asyncio.wait_for(view.catch_up(feed, None), 30.0)
            except TimeoutError:
                self._violation(f"{node.name}: an AG-UI client waits for ever")
                return
            events = [json.loads(frame.partition(b"data: ")[2]) for frame in view.join()]
            found = [event["messages"] for event in events if event["type"] == "MESSAGES_SNAPSHOT"]
            texts = texts_of(found[0]) if found else {}
            who = f"an AG-UI client of {node.name} at {feed.position}"
            is_truncated = await self._is_truncated(node)  # front ends are not told
            self._compare(who, feed.position, {"texts": list(texts.items())}, is_truncated=is_truncated)
            self.counts["agui"] += 1

    async def _is_truncated(self, node: Node) -> bool:
        """True if what can be known of the runs is not all of it, or if nobody says what can be known."""
        found: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        node.project.saved_runs.find(found.set_result)
        return await found is not None or node.project.runs.newest().truncated

    def _kept(self, kept: Snapshot) -> None:
        """A snapshot is kept: it has to be the fold of the whole log until there."""
        self._say(f"a snapshot is kept at {kept.epoch}:{kept.offset}")
        entries, fold = self.shelf.written.get(kept.epoch, []), self._folds.get(kept.epoch)
        if fold is None or fold.offset > kept.offset:  # a newer one was lost
            fold = self._folds[kept.epoch] = Fold("p")
        if kept.offset > len(entries):
            self._violation(f"a snapshot is kept at {kept.epoch}:{kept.offset}, and the log ends at {len(entries)}")
            return
        for entry in entries[fold.offset : kept.offset]:
            fold.fields(entry)
        found = json.loads(kept.data)
        if found["truncated"]:
            self.counts["truncated snapshots"] += 1
            return
        self.counts["snapshots"] += 1
        wanted = json.loads(snapshots.dump(fold))
        if found != wanted:
            wrong = {name: (found.get(name), wanted.get(name)) for name in wanted if found.get(name) != wanted[name]}
            self._violation(f"the snapshot at {kept.epoch}:{kept.offset} is not the fold: {json.dumps(wrong)[:600]}")


def run_snapshot_seed(seed: int, *, keeps_trace: bool = False) -> Result:
    """Play the schedule of a seed."""

    async def playing() -> Result:
        play = Play(seed)
        await play.play()
        play.counts["entries"] = sum(map(len, play.shelf.written.values()))
        told = blake2b("\n".join(play.lines).encode(), digest_size=12).hexdigest()
        lines = play.lines if keeps_trace else []
        return Result(seed, play.violations, told, play.counts, play.injected, lines)

    return run(playing())


SNAPSHOTS: Final = Simulation("python -m tests.simulation.snapshot_plays", run_snapshot_seed, PLANTS)

if __name__ == "__main__":
    sys.exit(run_command(SNAPSHOTS, __doc__))
