"""Watches what a node takes from the updates queue: an outage of the log store must not cost a receive."""

from collections import Counter
from typing import TYPE_CHECKING, Any, Final

from tests.simulation.faults import Rates

if TYPE_CHECKING:
    from tests.simulation.node import Process

KNOWN_S: Final = 8.0
"""How many seconds it takes a node to know of an outage: a call from before it is answered, then a pause and a
deadline."""


class WatchedReceives:
    """A node's calls to AWS for its updates queue."""

    def __init__(self, process: "Process") -> None:
        self._process = process
        self._call = process.world.aws.of(process.may_act)
        self._received: Counter[str] = Counter()
        faults = process.world.scenario.faults
        sqs = faults.rates["sqs"]
        has_outage = any(outage.service == "sqs" for outage in faults.outages)
        self._keeps_hidden = sqs == Rates(latency_s=sqs.latency_s) and not has_outage and not faults.duplicates
        """True if SQS itself gives no message twice to a node that hides it in time."""

    async def __call__(self, service: str, operation: str, timeout_s: float, **parameters: Any) -> dict[str, Any]:
        if operation == "receive_message":
            self._begins()
        answer = await self._call(service, operation, timeout_s, **parameters)
        for message in answer.get("Messages", ()):
            self._got(message["MessageId"])
        return answer

    def _begins(self) -> None:
        world = self._process.world
        now = world.loop.time()
        if world.door_rules.door(self._process.name).draining_since <= now and not self._process.is_frozen:
            world.checker.violation(f"{self._process.name} receives updates though it drains")
        outage = None if now >= world.scenario.faults.end_s else world.scenario.faults.outage("dynamodb", now)
        if outage is not None and world.scenario.store == "dynamodb" and now > outage.begin_s + KNOWN_S:
            world.checker.violation(f"{self._process.name} receives {now - outage.begin_s:.1f} s into an outage")

    def _got(self, message_id: str) -> None:
        self._received[message_id] += 1
        world = self._process.world
        if self._received[message_id] > 1 and self._keeps_hidden and not world.workload.is_malformed(message_id):
            world.checker.violation(f"{self._process.name} spends a second receive of {message_id}")
