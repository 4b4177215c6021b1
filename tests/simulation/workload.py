"""What happens in a schedule besides faults: people and agents work, readers read, networks come and go."""

import json
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

from tests.simulation.checker import End
from tests.simulation.clients import Client
from tests.simulation.fake_sqs import Message
from tests.simulation.fold_rules import fields_of
from tests.simulation.node import UPDATES_QUEUE, Process
from tests.simulation.order_rules import FIRST_OF
from websocket_handler.protocol.codes import CommandError
from websocket_handler.protocol.messages import Position

if TYPE_CHECKING:
    from tests.simulation.world import World

MALFORMED = ("no JSON", "[1]", '{"project_id":"..","x":1}', '{"projectId":"p0","x":1}')


class Workload:
    """Draws the next action again and again, until it is told to stop."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.random = Random(f"workload {world.scenario.seed}")
        self._deltas = Random(f"deltas {world.scenario.seed}")
        self.is_over = False
        self.is_asleep = False
        self._uids = 0
        self._http: dict[str, tuple[str, str, str]] = {}
        """Publications over HTTP without an answer yet: uid to project, body and key."""
        self._recent_keys: list[tuple[str, str, float]] = []
        self._updates: list[str] = []
        self._malformed: list[str] = []

    def start(self) -> None:
        """Begin."""
        self._next()

    def stop(self) -> None:
        """Begin no new work; what is under way continues."""
        self.is_over = True

    def _next(self) -> None:
        if self.is_over:
            return
        if not self.is_asleep:
            self._act()
        wait_s = self.random.expovariate(self.world.scenario.actions_per_s)
        self.world.loop.later(wait_s, self._next)

    def _act(self) -> None:
        dice = self.random.random()
        client = self.random.choice(self.world.clients)
        if dice < 0.5:
            self.publish_some(self.random.choice((1, 1, 1, 2, 8)))
        elif dice < 0.6:
            self._update()
        elif dice < 0.7:
            self._forward(client)
        elif dice < 0.78:
            self._disturb(client)
        elif dice < 0.86:
            self._follow(client)
        elif dice < 0.95:
            self._read(client)
        elif dice < 0.98:
            self._conflict(client)
        else:
            self._broadcast()

    # Publishing

    def _body(self, project: str, key: str, **more: Any) -> tuple[str, str]:
        self._uids += 1
        uid = f"u{self._uids}"
        seed, padding = self.world.scenario.seed, self.world.scenario.padding
        size = padding if self.random.random() < 0.3 else min(padding, 20)
        fields = {"u": uid, **more, "x": "x" * size} if more else fields_of(self._deltas, seed, uid, size)
        body = json.dumps(fields, separators=(",", ":"))
        self.world.checker.intends(uid, project, body, key)
        return uid, body

    def publish_some(self, count: int) -> None:
        """Publish in any of the ways, one publication or several at once."""
        client = self.random.choice(self.world.clients)
        for _ in range(count):
            project = self.random.choice(self.world.scenario.projects)
            key = f"k{self._uids + 1}" if self.random.random() < 0.6 else ""
            uid, body = self._body(project, key)
            if self.random.random() < 0.6:
                client.chores.publish(project, body, uid, key)
            elif self.random.random() < 0.5:
                self._publish_inside(uid, project, body, key)
            elif self.random.random() < 0.8:
                self._publish_over_http(uid, project, body, key)
            else:
                self._publish_twice(uid, project, body, key)

    def publish_last(self) -> None:
        """Publish once more on every project, through one node. Readers on the other nodes have to learn of it."""
        for project in self.world.scenario.projects:
            key = f"k{self._uids + 1}"
            uid, body = self._body(project, key)
            self._publish_over_http(uid, project, body, key)

    def _publish_twice(self, uid: str, project: str, body: str, key: str) -> None:
        """The same publication under the same key from two nodes in parallel."""
        self._publish_over_http(uid, project, body, key)
        if key:
            self._publish_over_http(uid, project, body, key)

    def _nodes_for(self, uid: str, project: str, body: str, key: str) -> list[Process]:
        """The nodes that may take a publication. If there are none, it is published later."""
        if key:
            self._http[uid] = (project, body, key)
        nodes = self.world.balancer.reachable(self.random)
        if not nodes:
            self._publish_again(uid, project, body, key)
        return nodes

    def _publish_inside(self, uid: str, project: str, body: str, key: str) -> None:
        """Publish as a program that embeds the server. The publication ends with the node."""
        nodes = self._nodes_for(uid, project, body, key)
        if not nodes:
            return
        process = self.world.balancer.one_of(self.random, nodes)

        def done(answer: Position | CommandError) -> None:
            if process.is_frozen:
                return
            process.owed.pop(uid, None)
            if isinstance(answer, CommandError):
                self.world.checker.counts[f"error {answer.code.value}"] += 1
                self._publish_again(uid, project, body, key)
                return
            self._confirmed(uid, project, key, answer.epoch, answer.offset)

        process.owed[uid] = self.world.loop.time()
        try:
            process.context.run(
                partial(process.core.server.send_to_project, key=key, done=done), project, json.loads(body)
            )
        except CommandError as fault:
            done(fault)
        if key:
            self.world.loop.later(10.0, self._publish_lost, process, uid)

    def _publish_lost(self, process: Process, uid: str) -> None:
        """The node died before it had answered."""
        if uid in self._http and process.is_frozen:
            self._publish_over_http(uid, *self._http[uid])
        elif uid in self._http:
            self.world.loop.later(5.0, self._publish_lost, process, uid)

    def _confirmed(self, uid: str, project: str, key: str, epoch: str, offset: int) -> None:
        self._http.pop(uid, None)
        if key:
            self._recent_keys.append((project, key, self.world.elapsed()))
        self.world.trace(f"{uid} is confirmed: {epoch}:{offset}")
        self.world.checker.confirmed(uid, epoch, offset)

    def _publish_over_http(self, uid: str, project: str, body: str, key: str) -> None:
        """Publish over HTTP. There is no connection that could end, so an answer has to come, unless the node ends."""
        nodes = self._nodes_for(uid, project, body, key)
        if not nodes:
            return

        def answered(status: int, answer: dict[str, Any]) -> None:
            if status != 200:
                self._publish_again(uid, project, body, key)
                return
            self._confirmed(uid, project, key, answer["epoch"], answer["offset"])

        def lost() -> None:
            self._publish_again(uid, project, body, key)

        target = f"/api/v1/projects/{project}/messages"
        self.world.balancer.one_of(self.random, nodes).ask("POST", target, answered, lost, body=body.encode(), key=key)

    def _publish_again(self, uid: str, project: str, body: str, key: str) -> None:
        if key:
            wait_s = self.random.uniform(0.1, 1.0)
            self.world.loop.later(wait_s, self._publish_unless_confirmed, uid, project, body, key)

    def _publish_unless_confirmed(self, uid: str, project: str, body: str, key: str) -> None:
        if uid in self._http:
            self._publish_over_http(uid, project, body, key)

    def _conflict(self, client: Client) -> None:
        """Send another body under a key that was confirmed a moment ago."""
        now, checker = self.world.elapsed(), self.world.checker
        recent = [
            (project, key)
            for project, key, at_s in self._recent_keys
            if now - at_s < 60 and not any(at_s - 1 <= jump for jump in checker.jumps)
        ]
        if not recent or self.world.scenario.store == "memory":
            return
        project, key = self.random.choice(recent)
        uid, body = self._body(project, key)
        client.chores.publish(project, body, uid, key, conflicts=True)

    def _update(self) -> None:
        """An agent leaves an update in its queue."""
        if not self.world.scenario.has_updates:
            return
        queue, project = self.world.queues[UPDATES_QUEUE], self.random.choice(self.world.scenario.projects)
        now = self.world.loop.time()
        if self.random.random() < 0.08:
            self._malformed.append(queue.put(self.random.choice(MALFORMED), {}, now))
            return
        attributes = {"ProjectId": {"DataType": "String", "StringValue": project}}
        if self.random.random() < 0.5:
            for body in self._numbered(project):
                queue.put(body, attributes, now)
            return
        uid, body = self._body(project, f"sqs:{UPDATES_QUEUE}-m{len(queue.sent)}")
        self._updates.append(uid)
        queue.put(body, attributes, now)

    def _numbered(self, project: str) -> list[str]:
        """The next updates of a producer that numbers them; some are sent twice."""
        producer = self.random.choice(list(FIRST_OF))
        bodies: list[str] = []
        for _ in range(self.random.choice((1, 1, 3, 12))):
            sequence = self.world.checker.order.sent(project, producer)
            uid, body = self._body(project, f"{producer} {sequence}", producer=producer, sequence=sequence)
            self._updates.append(uid)
            bodies += [body] * self.random.choice((1, 1, 1, 2))
        return bodies

    def _forward(self, client: Client) -> None:
        self._uids += 1
        project = self.random.choice((None, *self.world.scenario.projects))
        for index in range(self.random.choice((1, 1, 4))):
            data = {"task": self._uids, "part": index}
            client.chores.forward(
                self.random.choice(("pm", "dev", "QA", "ops")), project, data, f"f{self._uids}-{index}"
            )

    def _broadcast(self) -> None:
        if nodes := self.world.listening:
            ask = self.random.choice(nodes).ask
            ask("POST", "/api/v1/broadcast", lambda _status, _answer: None, lambda: None, body=b'{"type":"broadcast"}')

    # Networks

    def _disturb(self, client: Client) -> None:
        """Something goes wrong with the client's network, or with the client itself."""
        session, readers = client.session, self.world.readers
        if readers and self.random.random() < 0.2:
            self.random.choice(readers).disturb()
        if session is None:
            return
        link, dice = session.link, self.random.random()
        if dice < 0.05:
            client.passport.impersonate()
        elif dice < 0.4:
            self.world.injected["cut"] += 1
            told_s, noticed_s = self.random.choice(((0.0, 0.0), (0.0, 1.0), (2.0, 0.0), (0.1, 0.1)))
            link.cut(told_s, noticed_s)
        elif dice < 0.75:
            self.world.injected["stall"] += 1
            link.pace(speed=link.speed, is_stalled=True)
            self.world.loop.later(self.random.choice((0.2, 2.0, 15.0)), lambda: link.pace(speed=0.0, is_stalled=False))
        else:
            self.world.injected["slow"] += 1
            link.pace(speed=self.random.choice((200.0, 2000.0, 0.0)), is_stalled=False)

    # Following and reading

    def _follow(self, client: Client) -> None:
        project, dice = self.random.choice(self.world.scenario.projects), self.random.random()
        if dice < 0.3:
            client.unsubscribe(project)
            if self.random.random() < 0.7:
                client.subscribe(project, self._anywhere(project))
        elif dice < 0.6:
            if client.session is not None and project not in client.wanted:
                client.subscribe(project, self._anywhere(project))
        elif project in client.wanted and client.session is not None and project in client.session.followed:
            client.subscribe(project, self._anywhere(project))

    def _anywhere(self, project: str) -> dict[str, Any]:
        """A position to start from: none, some publications back, one that existed, or one that never existed."""
        end, dice = self.world.checker.end_of(project), self.random.random()
        epochs = self.world.checker.truth(project).epochs
        if dice < 0.3:
            return {}
        if dice < 0.55:
            return {"rewind": self.random.choice((0, 1, 5, 1000))}
        if dice < 0.8 and end.epoch is not None:
            return {"since": {"epoch": end.epoch, "offset": self.random.randint(0, end.head)}}
        if dice < 0.9 and end.epoch is not None:
            return {"since": {"epoch": end.epoch, "offset": end.head + self.random.choice((1, 1000))}}
        epoch = self.random.choice(epochs) if epochs and dice < 0.95 else "elsewhere"
        return {"since": {"epoch": epoch, "offset": self.random.randint(0, 10)}}

    def _read(self, client: Client) -> None:
        project = self.random.choice(self.world.scenario.projects)
        end = self.world.checker.end_of(project)
        after = self.random.choice((0, end.head // 2, end.head, end.head + 3))
        if self.random.random() < 0.6:
            client.history(project, after, self.random.choice((1, 10, 1000)))
        elif self.world.listening:
            self._pull(self.random.choice(self.world.listening), project)

    def _pull(self, process: Process, project: str) -> None:
        """Read a page over HTTP."""
        world, before, known = self.world, self.world.checker.end_of(project), process.head_of(project)
        after = self.random.choice((0, before.head // 2, before.head, before.head + 3))

        def answered(status: int, answer: dict[str, Any]) -> None:
            if status != 200:
                return
            world.checker.page("puller", project, after, before, answer)
            if self.is_over and known is not None:
                self._check_page(project, before, known, answer)

        process.ask("GET", f"/api/v1/projects/{project}/messages?after={after}&limit=1000", answered, lambda: None)

    def _check_page(self, project: str, before: End, known: int, answer: dict[str, Any]) -> None:
        """An empty page does not end before what the node knew. What another node wrote it hears of a second later."""
        if answer["epoch"] == before.epoch and not answer["messages"] and answer["offset"] < min(before.head, known):
            self.world.checker.violation(f"{project}: the end is said to be {answer}, it is {before}")

    # The end

    @property
    def is_settled(self) -> bool:
        """True if nothing is left to wait for."""
        clients = self.world.clients
        is_answered = all(
            client.session and not client.session.pending and not client.chores.work for client in clients
        )
        return is_answered and not self._http and not self._updates_left() and self._state_fault() is None

    def is_malformed(self, message_id: str) -> bool:
        """True if the gateway has to leave this update in the queue."""
        return message_id in self._malformed

    def _updates_left(self) -> list[Message]:
        held = self.world.queues[UPDATES_QUEUE].held.values()
        return [message for message in held if message.message_id not in self._malformed]

    def check_end(self) -> None:
        """Check that every accepted command was answered, every publication with a key is in its log, and the queues
        are empty."""
        violation = self.world.checker.violation
        for client in self.world.clients:
            session = client.session
            if session is not None and session.pending:
                violation(f"{client.name}: never answered: {list(session.pending.values())[:3]}")
            if client.chores.work:
                violation(f"{client.name}: never confirmed: {list(client.chores.work.values())[:3]}")
        if self._http:
            violation(f"never confirmed over HTTP: {list(self._http)[:3]}")
        for uid in self._updates:
            if not self.world.checker.intents[uid].landed:
                violation(f"the update {uid} was never published")
        if left := self._updates_left():
            violation(f"updates that were published are still in the queue: {left[:3]}")
        if fault := self._state_fault():
            violation(fault)
        self._check_forwards()

    def _state_fault(self) -> str | None:
        """What is wrong in the table; None if it says exactly who is connected to the last node, and what they follow.
        A write that arrives late may bring back a record that was deleted, until the record expires."""
        if self.world.scenario.faults.rates["dynamodb"].late:
            return None
        wanted: list[str] = []
        for process in self.world.listening:
            for connection in process.core.node.connections.values():
                wanted += [f"{connection.connection_id} META"]
                wanted += [f"{connection.connection_id} SUB#{project}" for project in connection.subscriptions]
        prefixes = tuple(f"WS#CONN#{process.name}-" for process in self.world.listening)
        found = [
            f"{partition.removeprefix('WS#CONN#')} {sort}"
            for partition, items in self.world.table.partitions.items()
            if partition.startswith(prefixes)
            for sort in items
        ]
        return None if sorted(found) == sorted(wanted) else f"the state table has {found}, the node {wanted}"

    def _check_forwards(self) -> None:
        """Check that every task is in its FIFO queue once."""
        for name, queue in self.world.queues.items():
            if not queue.is_fifo:
                continue
            seen: dict[str, str] = {}
            for message in queue.sent.values():
                task = message.attributes["MessageId"]["StringValue"]
                if task in seen:
                    self.world.checker.violation(f"{name} holds {task} twice")
                seen[task] = message.message_id
