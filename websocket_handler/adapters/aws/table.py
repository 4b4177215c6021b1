"""The DynamoDB table, and what a request to it looks like."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from random import random
from typing import Any, TypeVar

from websocket_handler.adapters.aws.errors import AwsError, Fault
from websocket_handler.adapters.aws.retries import retried
from websocket_handler.adapters.aws.sdk import AwsCall
from websocket_handler.adapters.overload.budget import BudgetOptions, RetryBudget
from websocket_handler.adapters.overload.gate import Gate, GateOptions
from websocket_handler.adapters.overload.lag import LoopLag
from websocket_handler.adapters.overload.queue import Rank
from websocket_handler.ports.backoff import Backoff
from websocket_handler.ports.log_store import always

Answer = TypeVar("Answer")


class Table:
    """A DynamoDB table with the string keys `PK` and `SK` and the TTL attribute `ttl`.

    `call_aws` is `Aws.call`. An operation, which may be several calls, begins when it is its turn. The attempts of one
    `call` together take at most `timeout_s` seconds, and all calls share one budget of retries.
    """

    def __init__(
        self,
        name: str,
        call_aws: AwsCall,
        *,
        timeout_s: float = 5.0,
        attempt_timeout_s: float = 2.0,
        gate: GateOptions | None = None,
        budget: BudgetOptions | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self.name = name
        self._call_aws = call_aws
        self.timeout_s = timeout_s
        self.attempt_timeout_s = attempt_timeout_s
        self._backoff = backoff or Backoff(random)
        self._lag = LoopLag()
        self.gate = Gate(_now, self._backoff, gate)
        self._budget = RetryBudget(budget)

    def turn(self, rank: Rank, is_wanted: Callable[[], bool] = always) -> AbstractAsyncContextManager[None]:
        """The turn of an operation: `async with table.turn(rank):` waits until it may begin. Raises NotBegun."""
        return self.gate.turn(rank, is_wanted)

    async def attempt(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """One attempt of an operation on this table. Raises AwsError."""
        return await self._once(operation, {"TableName": self.name, **parameters})

    async def call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """An operation on this table, tried again while its fault is transient. Raises AwsError."""
        return await self._retried(lambda: self.attempt(operation, **parameters))

    async def write_batch(self, requests: Sequence[Mapping[str, Any]]) -> None:
        """Puts and deletions, at most 25, until DynamoDB has taken all of them. Raises AwsError."""
        pending = requests

        async def attempt() -> None:
            nonlocal pending
            answer = await self._once("batch_write_item", {"RequestItems": {self.name: pending}})
            pending = answer.get("UnprocessedItems", {}).get(self.name, ())
            if pending:
                raise AwsError(Fault.TRANSIENT, "UnprocessedItems", f"{len(pending)} items were not written")

        await self._retried(attempt)

    async def _retried(self, attempt: Callable[[], Awaitable[Answer]]) -> Answer:
        self._budget.first_try()
        return await retried(attempt, self.timeout_s, self._backoff, lambda: self._budget.take(_now()))

    async def _once(self, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        began = _now()
        with self._lag.measured() as late_s:
            try:
                answer = await self._call_aws("dynamodb", operation, self.attempt_timeout_s, **parameters)
            except AwsError as error:
                self.gate.answered(began, lag_s=late_s(), is_failed=error.fault is Fault.TRANSIENT)
                raise
            self.gate.answered(began, lag_s=late_s(), is_failed=False)
            return answer


def _now() -> float:
    return asyncio.get_running_loop().time()


def item_key(partition: str, sort: str) -> dict[str, dict[str, str]]:
    """The primary key of an item."""
    return {"PK": {"S": partition}, "SK": {"S": sort}}


def range_query(
    partition: str,
    first: str,
    last: str,
    *,
    is_descending: bool,
    now: int | None = None,
    limit: int | None = None,
    projection: str | None = None,
) -> dict[str, Any]:
    """The parameters of a consistent `query` for a partition's items with sort keys from `first` to `last`.

    `now` (wall-clock seconds) leaves out what has expired; `projection` names the attributes to read, `#ttl`
    for the expiry.
    """
    query: dict[str, Any] = {
        "KeyConditionExpression": "PK = :partition AND SK BETWEEN :first AND :last",
        "ExpressionAttributeValues": {
            ":partition": {"S": partition},
            ":first": {"S": first},
            ":last": {"S": last},
        },
        "ConsistentRead": True,
        "ScanIndexForward": not is_descending,
    }
    if now is not None:
        query["FilterExpression"] = "#ttl > :now"
        query["ExpressionAttributeValues"][":now"] = {"N": str(now)}
    if projection is not None:
        query["ProjectionExpression"] = projection
    if now is not None or projection is not None:
        query["ExpressionAttributeNames"] = {"#ttl": "ttl"}
    if limit is not None:
        query["Limit"] = limit
    return query
