"""The loop of an agent: takes as many tasks as it has free slots, and works on them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import SystemRandom
from typing import Any, Final

from websocket_handler_client.core.backoff import delay_s
from websocket_handler_client.errors import ClientError
from websocket_handler_client.publishing.outlet import Outlet
from websocket_handler_client.tasks.envelope import Facts, MalformedTaskError, read_task
from websocket_handler_client.tasks.groups import Groups
from websocket_handler_client.tasks.lease import keep
from websocket_handler_client.tasks.ledger import Ledger
from websocket_handler_client.tasks.outbox import Outbox
from websocket_handler_client.tasks.queue import LeaseLostError, QueueUnavailableError, Received, TaskQueue
from websocket_handler_client.tasks.stops import Stops
from websocket_handler_client.tasks.task import Task
from websocket_handler_client.tasks.voice import Voice

Work = Callable[[Task], Awaitable[Any]]
Accept = Callable[[Task], dict[str, Any]]
"""Gives the fields of the update `<agent>_accepted`."""
RECEIVE_MAX: Final = 10
"""SQS gives no more at once."""
QUEUE_TRIES_MAX: Final = 5
log = logging.getLogger("websocket_handler_client.agent")


@dataclass(frozen=True, slots=True)
class WorkerOptions:
    """How an agent works."""

    slots: int = 4
    """Tasks at a time."""
    poll_s: float = 20.0
    """How long one question to the queue waits. SQS allows up to 20."""
    grace_s: float = 10.0
    """How long tasks may go on after SIGTERM before they are handed back."""
    retry_base_s: float = 5.0
    """About so long a task that failed waits for its second try; then twice as long, and so on."""
    retry_max_s: float = 900.0
    alive_s: float = 15.0
    """So often the gateway hears that a run is being worked on. Its RUN_LEASE_S is at least twice as long."""


class _Stopped(Exception):
    """Somebody wants the work to stop."""


class Worker:
    """Works until `stop`."""

    def __init__(
        self,
        name: str,
        work: Work,
        queue: TaskQueue,
        outlet: Outlet,
        options: WorkerOptions,
        accept: Accept | None = None,
        stops: Stops | None = None,
    ) -> None:
        self._name = name
        self._work = work
        self._stops = stops
        self._accept = accept
        self._queue = queue
        self._options = options
        self._outbox = Outbox(outlet)
        self._ledger = Ledger()
        self._groups = Groups()
        self._chance = SystemRandom().random
        self._is_looked_up = False
        self._stopping = asyncio.Event()
        self._has_slot = asyncio.Event()
        self._has_slot.set()
        self._taken: dict[Received, asyncio.Task[None]] = {}
        """Every message that takes a slot, with what keeps it hidden."""
        self._running: dict[asyncio.Task[None], Received] = {}

    def stop(self) -> None:
        """Take no more tasks; those that do not end within `grace_s` are handed back."""
        self._stopping.set()

    async def run(self) -> None:
        """Work. Returns after `stop`, when everything is done or handed back."""
        sending = asyncio.create_task(self._outbox.run())
        stopped = asyncio.create_task(self._stopping.wait())
        polling: asyncio.Task[list[Received]] | None = None
        try:
            while await self._either(self._has_slot.wait(), stopped):
                polling = asyncio.create_task(self._receive())
                if not await self._either(polling, stopped):
                    break
                for received in polling.result():
                    self._take(received)
                polling = None
            await self._end(polling)
        finally:
            for task in (sending, stopped, *self._running, *self._taken.values()):
                task.cancel()
            await asyncio.gather(sending, stopped, *self._running, *self._taken.values(), return_exceptions=True)

    async def _either(self, event: Awaitable[Any], stopped: "asyncio.Task[Any]") -> bool:
        """Wait for an event. Returns False if the agent is stopped before."""
        waiting = asyncio.ensure_future(event)
        await asyncio.wait({waiting, stopped}, return_when=asyncio.FIRST_COMPLETED)
        if not stopped.done():
            return True
        if not isinstance(event, asyncio.Task):
            waiting.cancel()
        return False

    # Receiving

    async def _receive(self) -> list[Received]:
        """Ask the queue for as many messages as there are free slots."""
        tries = 0
        while True:
            try:
                if not self._is_looked_up:
                    await self._queue.look_up()
                    self._is_looked_up = True
                free = self._options.slots - len(self._taken)
                return await self._queue.receive(min(RECEIVE_MAX, free), self._options.poll_s)
            except (QueueUnavailableError, LeaseLostError) as fault:
                log.warning("%s cannot read its queue, trying again: %s", self._name, fault)
                await asyncio.sleep(delay_s(tries, self._chance(), 1.0, 20.0))
                tries += 1

    def _take(self, received: Received) -> None:
        self._taken[received] = asyncio.create_task(keep(self._queue, received))
        if len(self._taken) >= self._options.slots:
            self._has_slot.clear()
        if self._groups.may_begin(received):
            self._begin(received)

    def _begin(self, received: Received) -> None:
        working = asyncio.create_task(self._handle(received))
        self._running[working] = received
        self._taken[received].add_done_callback(lambda lease: lease.cancelled() or working.cancel())
        working.add_done_callback(self._running.pop)

    def _let_go(self, received: Received) -> None:
        """A slot is free again."""
        lease = self._taken.pop(received, None)
        if lease is not None:
            lease.cancel()
        self._has_slot.set()

    # One task

    async def _handle(self, received: Received) -> None:
        """Work on a message, and then on the next of its group; if it is not done, those are handed back unseen."""
        is_done = False
        try:
            is_done = await self._do(received)
        except asyncio.CancelledError:
            log.info("%s no longer works on a task: it was stopped, or its lease is lost", self._name)
        finally:
            self._let_go(received)
            following = self._groups.next_after(received) if is_done else None
            if following is not None:
                self._begin(following)
            elif not is_done:
                for other in self._groups.give_up(received):
                    await self._hand_back(other)

    async def _do(self, received: Received) -> bool:
        """Returns True if the message is done and deleted."""
        try:
            facts = read_task(received)
        except MalformedTaskError as fault:
            log.warning("%s leaves a message to the redrive policy: %s", self._name, fault)
            return False
        if self._ledger.begin(facts.message_id):
            is_finished = False
            try:
                is_finished = await self._run(received, facts)
            finally:
                self._ledger.end(facts.message_id, is_finished=is_finished)
        if not self._ledger.is_finished(facts.message_id):
            return False
        return await self._delete(received)

    async def _run(self, received: Received, facts: Facts) -> bool:
        voice = Voice(self._outbox, self._name, facts.message_id, facts.project_id)
        task = Task(self._name, facts, received.receives, voice)
        log.info("%s works on %s", self._name, facts.message_id)
        try:
            accepted = {} if self._accept is None else self._accept(task)
            await voice.say({"type": f"{self._name}_accepted", **accepted})
            if task.run.is_asked_for:
                await task.run.begin()
            result = await self._while_alive(task)
            await voice.flush()
            await voice.say_once(self._result(result), "result")
            await task.run.finish(result)
            await voice.flush()
            for given in task.handed_over:
                await self._queue.send(given.agent, given.message_id, facts.project_id, given.body)
        except _Stopped:
            log.info("%s was asked to stop its work on %s", self._name, facts.message_id)
            return await self._cancelled(task, voice)
        except Exception as fault:
            if isinstance(fault, ClientError) and fault.code == "lease_lost":
                log.warning("%s no longer works on %s: the gateway has ended its run", self._name, facts.message_id)
                return False
            log.exception("%s failed at %s", self._name, facts.message_id)
            await self._failed(received, task, voice, fault)
            return False
        return True

    async def _while_alive(self, task: Task) -> Any:
        """Do the work, and let the gateway hear meanwhile that its run goes on. Raises what `_unless_stopped` does, and
        ClientError if nothing can be said any more."""
        working: asyncio.Future[Any] = asyncio.ensure_future(self._unless_stopped(task))
        beating = asyncio.create_task(self._beat(task))
        try:
            await asyncio.wait({working, beating}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done():
                beating.result()
            return await working
        finally:
            for part in (working, beating):
                part.cancel()
            await asyncio.gather(working, beating, return_exceptions=True)

    async def _beat(self, task: Task) -> None:
        while True:
            await task.run.keep_alive()
            await asyncio.sleep(self._options.alive_s)

    async def _unless_stopped(self, task: Task) -> Any:
        """Do the work. Raises _Stopped if somebody wants it to stop before it is done. Only AG-UI clients can."""
        if self._stops is None or task.project is None or not task.run.is_asked_for:
            return await self._work(task)
        working: asyncio.Future[Any] = asyncio.ensure_future(self._work(task))
        stop = asyncio.create_task(self._stops.wanted(task.project, task.message_id, task.data.get("since")))
        try:
            await asyncio.wait({working, stop}, return_when=asyncio.FIRST_COMPLETED)
            if not working.done() and stop.exception() is None:
                raise _Stopped
            if not working.done():
                log.warning("%s cannot hear if somebody stops its work: %s", self._name, stop.exception())
            return await working
        finally:
            for part in (working, stop):
                part.cancel()
            await asyncio.gather(working, stop, return_exceptions=True)

    async def _cancelled(self, task: Task, voice: Voice) -> bool:
        """Say that the work was stopped. Returns True if it is said: then the task is done."""
        try:
            await task.run.cancel()
            await voice.flush()
        except ClientError as unsaid:
            log.warning("%s cannot say that it stopped: %s", self._name, unsaid)
            return False
        return True

    def _result(self, result: Any) -> dict[str, Any]:
        fields = result if isinstance(result, dict) else {} if result is None else {"result": result}
        return {"type": f"{self._name}_result", **fields}

    async def _failed(self, received: Received, task: Task, voice: Voice, fault: Exception) -> None:
        """Say so, and let the queue give the task again after a pause, or move it away if this was the last try."""
        attempts_max = self._queue.receives_max
        is_last = attempts_max is not None and received.receives >= attempts_max
        failure: dict[str, Any] = {
            "type": f"{self._name}_failed",
            "text": f"{type(fault).__name__}: {fault}",
            "attempt": received.receives,
            "attempts_max": attempts_max,
            "is_last": is_last,
        }
        try:
            await voice.say_once(failure, f"failed:{received.receives}")
            if is_last:
                await task.run.fail(failure["text"])
            else:
                await task.run.give_back()
            await voice.flush()
        except Exception as unsaid:  # noqa: BLE001 - the way out may be what failed the task
            log.warning("%s cannot say that a task failed: %s", self._name, unsaid)
        pause_s = self._options.retry_base_s * 2.0 ** min(received.receives - 1, 20)
        pause_s = 0.0 if is_last else min(self._options.retry_max_s, pause_s) * (0.5 + self._chance() / 2)
        self._taken[received].cancel()
        await self._tell_queue(lambda: self._queue.hide(received.handle, pause_s))

    async def _delete(self, received: Received) -> bool:
        return await self._tell_queue(lambda: self._queue.delete(received.handle))

    async def _tell_queue(self, tell: Callable[[], Awaitable[None]]) -> bool:
        """Try a few times. Returns False if the queue did not answer: then it gives the message again."""
        for tries in range(QUEUE_TRIES_MAX):
            try:
                await tell()
            except LeaseLostError:
                return False
            except QueueUnavailableError as fault:
                log.warning("%s: the queue does not answer: %s", self._name, fault)
                await asyncio.sleep(delay_s(tries, self._chance(), 0.5, 5.0))
            else:
                return True
        return False

    # The end

    async def _end(self, polling: "asyncio.Task[list[Received]] | None") -> None:
        """Let tasks end, hand back the others, and what a question that is still under way brings."""
        late = asyncio.create_task(self._hand_back_late(polling))
        if self._running:
            await asyncio.wait(list(self._running), timeout=self._options.grace_s)
        unfinished = dict(self._running)
        for task in unfinished:
            task.cancel()
        if unfinished:
            await asyncio.wait(unfinished)
        for received in [*unfinished.values(), *self._taken]:
            await self._hand_back(received)
        await late

    async def _hand_back_late(self, polling: "asyncio.Task[list[Received]] | None") -> None:
        if polling is None:
            return
        done, _ = await asyncio.wait({polling}, timeout=self._options.poll_s)
        polling.cancel()
        for received in polling.result() if done else []:
            await self._hand_back(received)

    async def _hand_back(self, received: Received) -> None:
        self._let_go(received)
        await self._tell_queue(lambda: self._queue.hide(received.handle, 0))
