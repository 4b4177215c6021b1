"""Tasks on their way to the agents' queues: limited in number, sent in batches, retried, and confirmed only once a
queue has them.

Tasks of one turn of the loop leave in one batch. With `linger_s`, further tasks gather after a batch has left, because
a queue may have a price per request. If a queue does not take a task, the gateway tries again with full jitter, until
the task's deadline. It does not try again if the queue says that the sender is at fault, or if only an operator can end
the fault. A retry carries the same message id.

When the node starts, it looks up each queue once, so that a wrong setting is reported before the first task needs it.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from itertools import takewhile
from random import Random

from websocket_handler.ports.backoff import Backoff
from websocket_handler.ports.clock import Clock
from websocket_handler.ports.forwarder import Accepted, Forwarder, Prepared, QueueUnavailable, QueueUnusable, Refused
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.messages import ForwardTask
from websocket_handler.protocol.names import Agent
from websocket_handler.telemetry.counters import Counters

Forwarded = Callable[[str | CommandError], None]
"""Called once: with the queue's receipt, or with the reason why no queue took the task."""


@dataclass(frozen=True, slots=True)
class ForwardLimits:
    """How much work may wait, and for how long."""

    waiting_messages: int = 10_000
    """How many tasks of one agent may wait or be under way. The answer to more of them is `overloaded`."""
    waiting_bytes: int = 16_777_216
    batches_under_way: int = 8
    linger_s: float = 0.0
    """For how many seconds after a batch has left the tasks of its agent gather for the next one, unless they fill it
    before. 0: they do not, so a batch leaves at the end of its turn."""
    timeout_s: float = 30.0
    """For how many seconds a task is tried before its client gets `forward_failed`."""
    attempt_timeout_s: float = 10.0
    backoff_base_s: float = 0.05
    backoff_max_s: float = 2.0
    receipts: int = 50_000
    """How many message ids keep their receipt, so that a repeated forward does not become a second task."""
    receipt_seconds: float = 300.0
    look_again_s: float = 3.0
    """How many seconds pass between two look-ups of a queue that cannot be used. So it heals without a task."""


@dataclass(frozen=True, slots=True)
class _Receipt:
    """The answer to a message id that was forwarded before."""

    receipt: str
    data_digest: bytes
    expires_at: float


class _WaitingTask:
    """A task that waits for its confirmation."""

    __slots__ = ("data_digest", "deadline", "dones", "prepared", "started_at")

    def __init__(
        self, prepared: Prepared, data_digest: bytes, now: float, deadline: float, dones: list[Forwarded]
    ) -> None:
        self.prepared = prepared
        self.data_digest = data_digest
        self.started_at = now
        self.deadline = deadline
        self.dones = dones


class Forwarding:
    """Takes tasks from clients, and answers each of them exactly once."""

    def __init__(
        self, forwarder: Forwarder, clock: Clock, limits: ForwardLimits, counters: Counters, random: Random
    ) -> None:
        self._queues = {agent: _AgentQueue(agent, forwarder, clock, limits, counters, random) for agent in Agent}
        self._forwarder = forwarder
        self._clock = clock
        self._limits = limits
        self._receipts: OrderedDict[tuple[str, str], _Receipt] = OrderedDict()
        self._under_way: dict[tuple[str, str], _WaitingTask] = {}

    def forward(self, sender: str, task: ForwardTask, done: Forwarded) -> None:
        """Hand a task over. `sender` is the user to whom the message id belongs. The same id of the same sender, within
        the time that receipts are kept, is the same task and gets the same receipt. Raises CommandError if the task is
        refused."""
        identity = (sender, f"{task.agent.value} {task.message_id}")
        digest = blake2b(task.data, digest_size=8).digest()
        known = self._receipts.get(identity)
        if known is not None and known.expires_at > self._clock.monotonic():
            _check_same(known.data_digest, digest)
            done(known.receipt)
            return
        same = self._under_way.get(identity)
        if same is not None:
            _check_same(same.data_digest, digest)
            same.dones.append(done)
            return
        prepared = self._forwarder.prepare(task)
        remember = partial(self._answered, identity, digest)
        self._under_way[identity] = self._queues[task.agent].add(prepared, digest, [remember, done])

    def _answered(self, identity: tuple[str, str], digest: bytes, answer: str | CommandError) -> None:
        del self._under_way[identity]
        if isinstance(answer, CommandError):
            return
        now = self._clock.monotonic()
        self._receipts.pop(identity, None)
        self._receipts[identity] = _Receipt(answer, digest, now + self._limits.receipt_seconds)
        while len(self._receipts) > self._limits.receipts or next(iter(self._receipts.values())).expires_at < now:
            self._receipts.popitem(last=False)

    @property
    def is_settled(self) -> bool:
        """True if every task was answered."""
        return not self._under_way

    @property
    def waiting(self) -> dict[Agent, int]:
        """How many tasks wait or are under way, by agent."""
        return {agent: queue.count for agent, queue in self._queues.items()}

    def failure(self) -> str | None:
        """Why no task can be handed over at the moment, for `/ready`; None if tasks can. If an operator has to mend a
        single queue, that is no reason, because the tasks of the other agents go on."""
        queues = self._queues.items()
        faults = [f"{agent.value}: {queue.fault}" for agent, queue in queues if queue.fault and not queue.is_unusable]
        if all(queue.is_unusable for queue in self._queues.values()):
            faults = self.unusable()
        return "; ".join(faults) or None

    def unknown(self) -> str | None:
        """The queues that are being looked up for the first time, for `/ready`; None if there are none."""
        agents = [agent.value for agent, queue in self._queues.items() if queue.is_unknown]
        return f"not looked up yet: {', '.join(agents)}" if agents else None

    def unusable(self) -> list[str]:
        """The queues that only an operator can make usable, each with the reason."""
        faults = {agent: q.fault if q.is_unusable else q.denied for agent, q in self._queues.items()}
        return [f"{agent.value}: {fault}" for agent, fault in faults.items() if fault]

    async def look_up(self) -> None:
        """Look up every queue until it is known. Look up the queues that cannot be used again and again, until
        cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for queue in self._queues.values():
                tasks.create_task(queue.look_up())

    async def close(self) -> None:
        """Stop at once. Tasks that still wait are answered with `forward_failed`."""
        for queue in self._queues.values():
            await queue.close()


class _AgentQueue:
    """The tasks for one agent."""

    def __init__(
        self,
        agent: Agent,
        forwarder: Forwarder,
        clock: Clock,
        limits: ForwardLimits,
        counters: Counters,
        random: Random,
    ) -> None:
        self._agent = agent
        self._forwarder = forwarder
        self._clock = clock
        self._limits = limits
        self._counters = counters
        self._backoff = Backoff(random.random, limits.backoff_base_s, limits.backoff_max_s)
        self._waiting: deque[_WaitingTask] = deque()
        self._batches: set[asyncio.Task[None]] = set()
        self._bytes = 0
        self.count = 0
        self.fault: str | None = None
        self.is_unknown = False
        """True from the first look-up until the queue answered, or until it is known that only an operator can help."""
        self.is_unusable = False
        """True if only an operator can end the fault, and a look-up can tell that it is over."""
        self.denied: str | None = None
        """Why the last batch was not permitted, until one is. The queue counts as usable: only a task can tell."""
        self._failures = 0
        self._is_start_planned = False
        self._left_at = float("-inf")
        """When the last batch left."""
        self._gathering: asyncio.TimerHandle | None = None
        """Ends the time in which the next batch gathers; None if no batch gathers."""
        self._unanswered: dict[_WaitingTask, None] = {}
        """The oldest deadline is the first, because every task has the same time."""
        self._deadline: asyncio.TimerHandle | None = None

    def add(self, prepared: Prepared, data_digest: bytes, dones: list[Forwarded]) -> _WaitingTask:
        """Let a task wait for its batch. Raises CommandError: `overloaded`."""
        size = prepared.size
        limits = self._limits
        if self.count >= limits.waiting_messages or self._bytes + size > limits.waiting_bytes:
            self._counters.forwards[self._agent.value, "overloaded"] += 1
            raise CommandError(ErrorCode.OVERLOADED, f"too much work waits for the {self._agent.value} queue")
        now = self._clock.monotonic()
        waiting = _WaitingTask(prepared, data_digest, now, now + limits.timeout_s, dones)
        self._waiting.append(waiting)
        self._unanswered[waiting] = None
        if self._deadline is None:
            self._deadline = asyncio.get_running_loop().call_later(limits.timeout_s, self._expire)
        self.count += 1
        self._bytes += size
        if not self._is_start_planned:
            self._is_start_planned = True
            asyncio.get_running_loop().call_soon(self._start)
        return waiting

    def _start(self) -> None:
        """Start as many batches of waiting tasks as may be under way. While the queue fails, one batch at a time tries
        it."""
        self._is_start_planned = False
        keeps_order = self._forwarder.keeps_order(self._agent)
        batches_max = 1 if keeps_order or self._failures else self._limits.batches_under_way
        while len(self._batches) < batches_max and not self._is_gathering() and (batch := self._take()):
            self._left_at = self._clock.monotonic()
            task = asyncio.get_running_loop().create_task(self._run(batch))
            self._batches.add(task)
            task.add_done_callback(partial(self._ended, batch))

    def _is_gathering(self) -> bool:
        """True while the next batch waits for more tasks. Then `_start` is called again when that time is over."""
        linger_s = self._limits.linger_s
        if not linger_s or not self._waiting or len(self._waiting) >= self._forwarder.batch_messages_max:
            return False
        left_s = self._left_at + linger_s - self._clock.monotonic()
        if left_s <= 0:
            return False
        if self._gathering is None:
            self._gathering = asyncio.get_running_loop().call_later(left_s, self._gathered)
        return True

    def _gathered(self) -> None:
        self._gathering = None
        self._start()

    def _expire(self) -> None:
        """Answer the tasks whose deadline has come, also those under way: a queue may still take these."""
        now, self._deadline = self._clock.monotonic(), None
        for waiting in list(takewhile(lambda task: task.deadline <= now, self._unanswered)):
            self._answer(waiting, _failed("the queue did not take it in time"), "failed")
        self._oldest()
        if self._unanswered:
            delay_s = next(iter(self._unanswered)).deadline - now
            self._deadline = asyncio.get_running_loop().call_later(delay_s, self._expire)

    def _ended(self, batch: Sequence[_WaitingTask], task: asyncio.Task[None]) -> None:
        """A batch has ended, for whatever reason. Each of its tasks is answered, or waits again."""
        self._batches.discard(task)
        fault = None if task.cancelled() else task.exception()
        if fault is not None:
            self._answer_all(batch, _failed("a fault of the gateway"))
        elif task.cancelled():
            self._answer_all(batch, _failed("the gateway is stopping"))
        self._start()
        if fault is not None:
            raise fault

    def _take(self) -> list[_WaitingTask]:
        """The next batch; empty if nothing waits."""
        batch: list[_WaitingTask] = []
        size = 0
        while len(batch) < self._forwarder.batch_messages_max and (waiting := self._oldest()):
            size += waiting.prepared.size
            if batch and size > self._forwarder.batch_bytes_max:
                break
            batch.append(self._waiting.popleft())
        return batch

    def _oldest(self) -> _WaitingTask | None:
        """The task that waits for the next batch; None if none waits. Drops those that were answered meanwhile."""
        while self._waiting and not self._waiting[0].dones:
            self._waiting.popleft()
        return self._waiting[0] if self._waiting else None

    async def _run(self, batch: list[_WaitingTask]) -> None:
        """Try a batch once. Each of its tasks is answered, or waits again after a while."""
        answers = await self._attempt(batch)
        retries = [waiting for waiting, answer in zip(batch, answers, strict=True) if self._is_open(waiting, answer)]
        if not retries:
            if self.fault is None:  # a task whose time ran out does not prove that the queue works
                self._failures = 0
            return
        self._counters.forward_retries += len(retries)
        self._failures = self._failures + 1 if len(retries) == len(batch) else 0
        await asyncio.sleep(self._backoff.delay_s(self._failures))
        self._waiting.extendleft(reversed(retries))

    async def _attempt(self, batch: Sequence[_WaitingTask]) -> Sequence[Accepted | Refused | QueueUnusable]:
        left_s = max(waiting.deadline for waiting in batch) - self._clock.monotonic()
        try:
            async with asyncio.timeout(max(0.0, min(self._limits.attempt_timeout_s, left_s))):
                answers = await self._forwarder.send(self._agent, [waiting.prepared for waiting in batch])
        except QueueUnusable as fault:
            self.denied = str(fault) if fault.is_of_one_right else None
            if self.denied is None:
                self._failed(fault)
            return [fault] * len(batch)
        except (QueueUnavailable, TimeoutError) as fault:
            return [Refused(self._failed(fault), is_senders_fault=False)] * len(batch)
        self.denied = None
        self._worked()
        return answers

    def _failed(self, fault: Exception) -> str:
        """Note a fault of the queue. Returns its text."""
        self.fault = str(fault) or "no answer in time"
        self.is_unusable = isinstance(fault, QueueUnusable)
        self.is_unknown = self.is_unknown and not self.is_unusable
        return self.fault

    def _worked(self) -> None:
        self.fault, self.is_unusable, self.is_unknown = None, False, False

    async def look_up(self) -> None:
        """See `Forwarding.look_up`. Never ends."""
        self.is_unknown, failures = True, 0
        while True:
            has_failed = self.fault is not None and (self.is_unusable or not self.count)  # else the tasks tell
            if has_failed or self.is_unknown:
                failures = 0 if await self._has_looked() else failures + 1
            await asyncio.sleep(self._backoff.delay_s(failures) if failures else self._limits.look_again_s)

    async def _has_looked(self) -> bool:
        """Look the queue up. Returns False if the look-up failed and nothing new is known."""
        try:
            async with asyncio.timeout(self._limits.attempt_timeout_s):
                await self._forwarder.check(self._agent)
        except (QueueUnavailable, TimeoutError) as fault:
            self._failed(fault)
            return self.is_unusable
        self._worked()
        return True

    def _is_open(self, waiting: _WaitingTask, answer: Accepted | Refused | QueueUnusable) -> bool:
        """Answer the task. Returns True if it was not answered, and has to be tried again."""
        if not waiting.dones:
            return False  # it was answered at its deadline
        if isinstance(answer, Accepted):
            self._answer(waiting, answer.receipt, "confirmed")
        elif isinstance(answer, QueueUnusable):
            reason = f"the {self._agent.value} queue cannot be used ({answer.code}): an operator has to act"
            self._answer(waiting, CommandError(ErrorCode.FORWARD_REJECTED, reason), "failed")
        elif answer.is_senders_fault:
            refusal = CommandError(ErrorCode.FORWARD_REJECTED, f"the queue refused the message: {answer.reason}")
            self._answer(waiting, refusal, "rejected")
        else:
            return True
        return False

    def _answer(self, waiting: _WaitingTask, answer: str | CommandError, outcome: str) -> None:
        del self._unanswered[waiting]
        self.count -= 1
        self._bytes -= waiting.prepared.size
        self._counters.forwards[self._agent.value, outcome] += 1
        self._counters.forward_seconds += self._clock.monotonic() - waiting.started_at
        dones, waiting.dones = waiting.dones, []
        for done in dones:
            done(answer)

    def _answer_all(self, batch: Sequence[_WaitingTask], fault: CommandError) -> None:
        """Answer the tasks of a batch that were not answered yet."""
        for waiting in batch:
            if waiting.dones:
                self._answer(waiting, fault, "failed")

    async def close(self) -> None:
        for timer in (self._deadline, self._gathering):
            if timer is not None:
                timer.cancel()
        waiting, self._waiting = self._waiting, deque()
        self._answer_all(list(waiting), _failed("the gateway is stopping"))
        batches = list(self._batches)
        for batch in batches:
            batch.cancel()
        await asyncio.gather(*batches, return_exceptions=True)


def _check_same(known: bytes, digest: bytes) -> None:
    if known != digest:
        raise CommandError(ErrorCode.CONFLICT, "this message_id already stands for other work")


def _failed(reason: str) -> CommandError:
    return CommandError(ErrorCode.FORWARD_FAILED, f"the work was not handed over: {reason}; send it again")
