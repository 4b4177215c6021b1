"""The DynamoDB table, and what a request to it looks like."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from itertools import chain, repeat
from random import random
from typing import Any, TypeVar

from websocket_handler.adapters.aws.begun_call import AwsBegin, nothing_begins
from websocket_handler.adapters.aws.errors import AwsError, Fault
from websocket_handler.adapters.aws.first_attempt import FirstAttempt
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

    `call_aws` is `Aws.call`, and `begin_aws` its short way. An operation, which may be several calls, begins when it is
    its turn. The attempts of one `call` together take at most `timeout_s` seconds, and all calls share one budget of
    retries.
    """

    def __init__(
        self,
        name: str,
        call_aws: AwsCall,
        begin_aws: AwsBegin = nothing_begins,
        *,
        timeout_s: float = 5.0,
        attempt_timeout_s: float = 2.0,
        gate: GateOptions | None = None,
        budget: BudgetOptions | None = None,
        backoff: Backoff | None = None,
    ) -> None:
        self.name = name
        self._call_aws = call_aws
        self._begin_aws = begin_aws
        self.timeout_s = timeout_s
        self.attempt_timeout_s = attempt_timeout_s
        self._backoff = backoff or Backoff(random)
        self._lag = LoopLag()
        self._loop: asyncio.AbstractEventLoop | None = None
        """The one that uses the table."""
        self.gate = Gate(self._now, self._backoff, gate)
        self._budget = RetryBudget(budget)

    def turn(self, rank: Rank, is_wanted: Callable[[], bool] = always) -> AbstractAsyncContextManager[None]:
        """The turn of an operation: `async with table.turn(rank):` waits until it may begin. Raises NotBegun."""
        return self.gate.turn(rank, is_wanted)

    async def attempt(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """One attempt of an operation on this table. Raises AwsError."""
        return await self._once(operation, {"TableName": self.name, **parameters})

    def begin(
        self, operation: str, parameters: Mapping[str, Any], now: float, ended: Callable[[FirstAttempt], None]
    ) -> FirstAttempt | None:
        """Begin the first attempt of an operation by a plain call, if that is possible: see `AwsBegin`. If it ends
        without a result, `finish` goes on. `now` is the loop's time."""
        timeout_s = min(self.attempt_timeout_s, self.timeout_s)
        first = FirstAttempt(self.gate, self._lag, timeout_s, now, ended)
        whole = {"TableName": self.name, **parameters}
        begun = self._begin_aws("dynamodb", operation, timeout_s, whole, first.call_ended)
        if begun is None:
            return None
        self._budget.first_try()
        first.call = begun
        first.measured.begin()
        return first

    async def finish(self, first: FirstAttempt, operation: str, **parameters: Any) -> dict[str, Any]:
        """The same as `call`, for an operation whose first attempt has ended on the short way without a result."""
        attempts = chain([first], repeat(None))
        whole = {"TableName": self.name, **parameters}
        return await self._retried(lambda: self._once(operation, whole, next(attempts)), first.began)

    async def call(self, operation: str, **parameters: Any) -> dict[str, Any]:
        """An operation on this table, tried again while its fault is transient. Raises AwsError."""
        self._budget.first_try()
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

        self._budget.first_try()
        await self._retried(attempt)

    async def _retried(self, attempt: Callable[[], Awaitable[Answer]], began: float | None = None) -> Answer:
        return await retried(attempt, self.timeout_s, self._backoff, lambda: self._budget.take(self._now()), began)

    def _now(self) -> float:
        """The loop's time. It keeps the loop, because each `get_running_loop` of Python 3.11 is a system call."""
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        return self._loop.time()

    async def _once(
        self, operation: str, parameters: Mapping[str, Any], first: FirstAttempt | None = None
    ) -> dict[str, Any]:
        """One attempt, or the rest of the `first` one."""
        began, timeout_s, measured, begun = self._now(), self.attempt_timeout_s, self._lag.measured(), {}
        if first is not None:
            began, timeout_s, measured, begun = first.began, first.timeout_s, first.measured, {"begun": first.call}
        with measured as late_s:
            try:
                answer = await self._call_aws("dynamodb", operation, timeout_s, **begun, **parameters)
            except AwsError as error:
                self.gate.answered(began, lag_s=late_s(), is_failed=error.fault is Fault.TRANSIENT)
                raise
            self.gate.answered(began, lag_s=late_s(), is_failed=False)
            return answer


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
