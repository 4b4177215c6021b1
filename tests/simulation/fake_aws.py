"""`AwsCall` over the fakes. It decides when a call arrives, when its answer arrives, and if either arrives at all."""

import asyncio
from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any, Final

from tests.simulation.fake_sqs import FakeQueue
from tests.simulation.faults import FaultPlan, Rates
from tests.simulation.loop import SimulationLoop
from tests.support.fake_dynamodb import FakeDynamoDb
from websocket_handler.adapters.aws.begun_call import AwsBegin
from websocket_handler.adapters.aws.errors import AwsError, Fault
from websocket_handler.adapters.aws.sdk import AwsCall

LATE_S_MAX: Final = 8.0
CALM: Final = Rates(latency_s=0.005)
Future = asyncio.Future[dict[str, Any]]


class BegunInFake:
    """A call on the short way: see `BegunCall`."""

    def __init__(self, answer: Future, ended: Callable[["BegunInFake"], None]) -> None:
        self.answer = answer
        self.result: dict[str, Any] | None = None
        self._ended = ended
        answer.add_done_callback(self._answered)

    def _answered(self, answer: Future) -> None:
        if not answer.cancelled():
            self.result = answer.result() if answer.exception() is None else None
            self._ended(self)

    def abandon(self) -> None:
        self.answer.cancel()


class FakeAws:
    """Both services, and the network between them and the nodes."""

    def __init__(
        self,
        loop: SimulationLoop,
        random: Random,
        plan: FaultPlan,
        table: FakeDynamoDb,
        queues: dict[str, FakeQueue],
        injected: Counter[str],
        trace: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._random = random
        self._plan = plan
        self._table = table
        self._queues = queues
        self._injected = injected
        self._trace = trace
        self.calls: Counter[str] = Counter()
        self._short_ways = 0

    def of(self, may_act: Callable[[], bool]) -> AwsCall:
        """The function that one node's adapters call. It asks `may_act` at every call, because a crashed node calls
        nobody."""

        async def call(
            service: str, operation: str, timeout_s: float, begun: "BegunInFake | None" = None, **parameters: Any
        ) -> dict[str, Any]:
            if begun is not None:
                return await begun.answer
            future: Future = self._loop.create_future()
            if may_act():
                self._begin(future, service, operation, timeout_s, parameters)
            return await future

        return call

    def short_way_of(self, may_act: Callable[[], bool]) -> AwsBegin:
        """The same as `of` for calls on the short way. To every fourth one there is no idle connection."""

        def begin(service: str, operation: str, timeout_s: float, parameters: Any, ended: Any, /) -> Any:
            self._short_ways += 1
            if self._short_ways % 4 == 0:
                return None
            future: Future = self._loop.create_future()
            if may_act():
                self._begin(future, service, operation, timeout_s, parameters)
            return BegunInFake(future, ended)

        return begin

    def _begin(self, future: Future, service: str, operation: str, timeout_s: float, parameters: Any) -> None:
        now = self._loop.time()
        self.calls[operation] += 1
        is_calm = now >= self._plan.end_s
        rates = CALM if is_calm else self._plan.rates.get(service, CALM)
        if operation == "receive_message":
            arrives = now + self._random.uniform(0, rates.latency_s)
        else:
            arrives = now + self._random.uniform(0.2, 1.8) * rates.latency_s
        answered = arrives + self._random.uniform(0.2, 1.8) * rates.latency_s
        fate = "answered"
        outage = None if is_calm else self._plan.outage(service, now)
        if outage is not None:
            fate = "dropped" if outage.is_silent else "throttled"
        elif not is_calm:
            fate = self._fate(rates)
        if fate != "answered":
            self._injected[f"{service}: {fate}"] += 1
        if fate == "slow":
            stretch = self._random.uniform(0.1, 0.9) * min(timeout_s, 5.0)
            arrives, answered = arrives + stretch * self._random.random(), answered + stretch
        self._trace(f"{operation} {fate}")
        deadline = now + timeout_s
        if fate == "throttled":
            fault = AwsError(Fault.TRANSIENT, "ThrottlingException", "slow down")
            self._at(answered, _fail, future, fault)
            return
        if fate in ("unanswered", "dropped", "late"):
            if operation == "receive_message" and not is_calm:
                deadline = min(deadline, now + self._random.uniform(0.1, 3.0))
            self._at(deadline, _fail, future, AwsError(Fault.TRANSIENT, "Timeout", "no answer"))
        if fate == "dropped":
            return
        if fate == "late":
            latest = max(now, self._plan.end_s - 0.01)
            arrives = min(deadline + self._random.uniform(0, LATE_S_MAX), latest)
        is_told = fate in ("answered", "slow", "broken")
        self._at(arrives, self._arrive, future, service, operation, parameters, is_told, fate, answered, deadline)

    def _fate(self, rates: Rates) -> str:
        dice = self._random.random()
        for fate in ("throttled", "unanswered", "broken", "dropped", "late", "slow"):
            dice -= getattr(rates, fate)
            if dice < 0:
                return fate
        return "answered"

    def _at(self, when: float, callback: Callable[..., None], *args: Any) -> None:
        self._loop.later(max(0.0, when - self._loop.time()), callback, *args)

    def _arrive(
        self,
        future: Future,
        service: str,
        operation: str,
        parameters: dict[str, Any],
        is_told: bool,
        fate: str,
        answered: float,
        deadline: float,
    ) -> None:
        if operation == "receive_message":
            self._receive(future, parameters, self._loop.time() + parameters["WaitTimeSeconds"], is_told)
            return
        try:
            answer: dict[str, Any] | AwsError = self._perform(service, operation, parameters)
        except AwsError as error:
            answer = error
        if fate == "broken":
            answer = AwsError(Fault.TRANSIENT, "InternalServerError", "failed")
        if not is_told:
            return
        if answered >= deadline:
            self._at(deadline, _fail, future, AwsError(Fault.TRANSIENT, "Timeout", "no answer"))
        elif isinstance(answer, AwsError):
            self._at(answered, _fail, future, answer)
        else:
            self._at(answered, _answer, future, answer)

    def _perform(self, service: str, operation: str, parameters: dict[str, Any]) -> dict[str, Any]:
        self._trace(f"{operation} arrives")
        if service == "dynamodb":
            return self._write_some(operation, parameters) or self._table.perform(operation, parameters)
        queue = self._queues[parameters["QueueUrl"]]
        now = self._loop.time()
        partial = 0.0 if now >= self._plan.end_s else self._plan.rates.get("sqs", CALM).partial
        if operation == "send_message_batch":
            return queue.send_batch(parameters["Entries"], now, partial)
        if operation == "delete_message_batch":
            return queue.delete_batch(parameters["Entries"], partial)
        if operation == "change_message_visibility_batch":
            return queue.change_visibility_batch(parameters["Entries"], now, partial)
        if operation == "get_queue_attributes":
            return {"Attributes": {"VisibilityTimeout": str(queue.visibility_s)}}
        raise AwsError(Fault.REFUSED, "InvalidAction", operation)

    def _write_some(self, operation: str, parameters: dict[str, Any]) -> dict[str, Any] | None:
        """A batch of which DynamoDB sometimes writes only a part."""
        partial = self._plan.rates.get("dynamodb", CALM).partial
        if operation != "batch_write_item" or self._loop.time() >= self._plan.end_s or self._random.random() >= partial:
            return None
        ((name, requests),) = parameters["RequestItems"].items()
        count = self._random.randrange(len(requests))
        if count:
            self._table.perform(operation, {"RequestItems": {name: requests[:count]}})
        self._injected["dynamodb: part of a batch"] += 1
        return {"UnprocessedItems": {name: requests[count:]}}

    def _receive(self, future: Future, parameters: dict[str, Any], until: float, is_told: bool) -> None:
        """A long poll: it waits until there is a message, or until its time is over."""
        queue = self._queues[parameters["QueueUrl"]]
        now = self._loop.time()
        if future.done() and is_told:
            return  # the caller has cancelled the poll
        messages = queue.receive(parameters["MaxNumberOfMessages"], parameters["VisibilityTimeout"], now)
        if messages or now >= until:
            if is_told:
                self._at(now + 0.001, _answer, future, {"Messages": messages} if messages else {})
            return
        is_waiting = True

        def look() -> None:
            nonlocal is_waiting
            if is_waiting:
                is_waiting = False
                self._receive(future, parameters, until, is_told)

        queue.when_filled(lambda: self._at(self._loop.time(), look))
        soonest = min((message.visible_at for message in queue.held.values()), default=until)
        self._at(min(until, max(soonest, now + 0.05)), look)


def _answer(future: Future, answer: dict[str, Any]) -> None:
    if not future.done():
        future.set_result(answer)


def _fail(future: Future, fault: AwsError) -> None:
    if not future.done():
        future.set_exception(fault)
