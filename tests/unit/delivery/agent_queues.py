"""Agents' queues that answer as a test says, and forwarding in front of them, in virtual time."""

import asyncio
from collections import Counter
from collections.abc import Callable, Sequence
from random import Random

from tests.support.clock import SteeredClock, loop_time
from websocket_handler.delivery.forwarding import Forwarding, ForwardLimits
from websocket_handler.ports.forwarder import Accepted, Prepared, Refused
from websocket_handler.protocol.codes import CommandError
from websocket_handler.protocol.messages import ForwardTask
from websocket_handler.protocol.names import Agent
from websocket_handler.telemetry.counters import Counters

Reply = Sequence[Accepted | Refused] | Exception


class Queue:
    """Agents' queues that answer as the test says, after `delay_s`."""

    name = "queue"
    batch_messages_max = 10
    batch_bytes_max = 1_000_000

    def __init__(self, *, is_fifo: bool = False, delay_s: float = 0.1) -> None:
        self.is_fifo = is_fifo
        self.delay_s = delay_s
        self.sent: list[tuple[float, list[str]]] = []
        self.taken: list[str] = []
        self.under_way = 0
        self.under_way_most = 0
        self.reply: Callable[[Sequence[ForwardTask]], Reply] = self.accept
        self.refusal: CommandError | None = None
        self.faults: dict[Agent, Exception] = {}
        """What the look at an agent's queue raises."""
        self.looks: Counter[Agent] = Counter()

    def accept(self, tasks: Sequence[ForwardTask]) -> Reply:
        """Take everything."""
        return [Accepted(f"receipt of {task.message_id}") for task in tasks]

    def prepare(self, task: ForwardTask) -> Prepared:
        if self.refusal is not None:
            raise self.refusal
        return Prepared(task, len(task.data))

    def keeps_order(self, agent: Agent) -> bool:
        return self.is_fifo

    async def check(self, agent: Agent) -> None:
        self.looks[agent] += 1
        await asyncio.sleep(self.delay_s)
        if agent in self.faults:
            raise self.faults[agent]

    async def send(self, agent: Agent, prepared: Sequence[Prepared]) -> Sequence[Accepted | Refused]:
        tasks: list[ForwardTask] = [one.message for one in prepared]
        self.sent.append((asyncio.get_running_loop().time(), [task.message_id for task in tasks]))
        self.under_way += 1
        self.under_way_most = max(self.under_way_most, self.under_way)
        try:
            await asyncio.sleep(self.delay_s)
        finally:
            self.under_way -= 1
        reply = self.reply(tasks)
        if isinstance(reply, Exception):
            raise reply
        self.taken += [
            task.message_id for task, answer in zip(tasks, reply, strict=False) if isinstance(answer, Accepted)
        ]
        return reply

    @property
    def batches(self) -> list[list[str]]:
        """The message ids of every attempt."""
        return [ids for _, ids in self.sent]


class Desk:
    """Forwarding with its queue, and every answer it gave."""

    def __init__(self, queue: Queue | None = None, limits: ForwardLimits | None = None, seed: int = 1) -> None:
        self.queue = queue or Queue()
        self.counters = Counters()
        self.limits = limits or ForwardLimits()
        self.forwarding = Forwarding(self.queue, SteeredClock(loop_time), self.limits, self.counters, Random(seed))
        self.answers: dict[str, list[str | CommandError]] = {}

    def forward(self, message_id: str, data: bytes = b"{}", sender: str = "", agent: Agent = Agent.DEV) -> None:
        """Hand over a task; its answers are gathered under its message id."""
        answers = self.answers.setdefault(message_id, [])
        task = ForwardTask(agent, message_id, data, "T", "c", "p")
        self.forwarding.forward(sender, task, answers.append)

    async def settled(self) -> None:
        """Wait until everything was answered."""
        async with asyncio.timeout(3600):
            while not self.forwarding.is_settled:  # noqa: ASYNC110 - virtual time
                await asyncio.sleep(0.01)
