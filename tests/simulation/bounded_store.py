"""A DynamoDB that carries out so many calls in a second, one after the other, in the order in which they arrive.

It goes on with a call whose caller has given up: that is what makes an overload feed itself. If it `refuses`, it
throttles what it has no time for instead.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Any

from tests.support.fake_dynamodb import FakeDynamoDb, Item
from websocket_handler.adapters.aws.errors import AwsError, Fault
from websocket_handler.adapters.overload.lag import patient_timeout

Future = asyncio.Future[dict[str, Any]]
ANSWER_S = 0.005
"""How long it takes to throttle a call."""


class BoundedDynamoDb:
    """Its `call` is an `AwsCall`. `page_bytes` is how much one query gives."""

    def __init__(self, calls_per_s: float, page_bytes: int, *, refuses: bool = False) -> None:
        self.table = FakeDynamoDb(page_bytes, _ignore)
        self.calls_per_s = calls_per_s
        self.calls: Counter[str] = Counter()
        """By kind: see `kind_of`."""
        self.retries = 0
        """Those among them that repeated a call which had failed."""
        self.unanswered = 0
        """Calls that were carried out after their caller had given up."""
        self.under_way_most = 0
        self.wait_most_s = 0.0
        """How long a call that arrived at the worst moment had to wait for its answer."""
        self._refuses = refuses
        self._free_at = 0.0
        self._under_way = 0
        self._seen: dict[int, object] = {}
        """What a call is about, by its identity: a retry has the same."""

    async def call(self, service: str, operation: str, timeout_s: float, **parameters: Any) -> dict[str, Any]:
        """See `AwsCall`."""
        assert service == "dynamodb"
        self._count(operation, parameters)
        loop = asyncio.get_running_loop()
        now = loop.time()
        if self._refuses and self._free_at > now:
            await asyncio.sleep(ANSWER_S)
            raise AwsError(Fault.TRANSIENT, "ThrottlingException", "slow down")
        self._free_at = max(now, self._free_at) + 1 / self.calls_per_s
        self.wait_most_s = max(self.wait_most_s, self._free_at - now)
        future: Future = loop.create_future()
        loop.call_at(self._free_at, self._carry_out, future, operation, parameters)
        self._under_way += 1
        self.under_way_most = max(self.under_way_most, self._under_way)
        try:
            async with patient_timeout(timeout_s):
                return await future
        except TimeoutError:
            raise AwsError(Fault.TRANSIENT, "Timeout", f"no answer in {timeout_s:g} s") from None

    def _count(self, operation: str, parameters: Mapping[str, Any]) -> None:
        kind = kind_of(operation, parameters)
        self.calls[kind] += 1
        if kind != "nodes" and "ExclusiveStartKey" not in parameters:
            about = parameters.get("ExpressionAttributeValues", parameters.get("RequestItems"))
            self.retries += self._seen.get(id(about)) is about
            self._seen[id(about)] = about

    def _carry_out(self, future: Future, operation: str, parameters: Mapping[str, Any]) -> None:
        self._under_way -= 1
        try:
            answer: dict[str, Any] | AwsError = self.table.perform(operation, parameters)
        except AwsError as error:
            answer = error
        if future.done():
            self.unanswered += 1
        elif isinstance(answer, AwsError):
            future.set_exception(answer)
        else:
            future.set_result(answer)


def kind_of(operation: str, parameters: Mapping[str, Any]) -> str:
    """What a call is for: `openings` and `pages` of logs, other `looks` at them, `records`, or `nodes`."""
    if operation == "batch_write_item":
        return "records"
    if operation != "query" or not _partition(parameters).startswith("WS#LOG#"):
        return "nodes"
    if "ProjectionExpression" in parameters:
        return "looks"
    return "pages" if parameters["ScanIndexForward"] else "openings"


def _partition(query: Mapping[str, Any]) -> str:
    partition: str = query["ExpressionAttributeValues"][":partition"]["S"]
    return partition


def _ignore(_item: Item) -> None:
    """Nobody looks at what was written."""
