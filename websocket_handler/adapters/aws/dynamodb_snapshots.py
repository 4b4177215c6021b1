"""Snapshots of runs in DynamoDB: one item for each project.

Key `WS#RUNS#{project}` / `SNAPSHOT`; `e` epoch, `o` offset, `d` the snapshot, `ttl` when the item expires.
"""

from collections.abc import Callable, Coroutine
from contextlib import AbstractAsyncContextManager
from typing import Any, Final, TypeVar

from websocket_handler.adapters.aws.dynamodb_append import BROKEN_OFF, RETENTION_MARGIN_S, unavailable
from websocket_handler.adapters.aws.errors import AwsError
from websocket_handler.adapters.aws.table import Table, item_key, range_query
from websocket_handler.adapters.overload.gate import NotBegun
from websocket_handler.adapters.overload.queue import Rank
from websocket_handler.ports.clock import Clock, StartTask
from websocket_handler.ports.log_store import Snapshot, Unavailable, always

SORT: Final = "SNAPSHOT"
NEWER: Final = "attribute_not_exists(PK) OR #ttl <= :now OR #e <> :epoch OR #o < :offset"
Answer = TypeVar("Answer")


class DynamoDbSnapshots:
    """Keeps snapshots in a table. Needs the rights `Query` and `PutItem`. Saving goes behind everything that somebody
    waits for."""

    def __init__(self, table: Table, start: StartTask, clock: Clock, history_s: float) -> None:
        """`start` runs a coroutine in the background. A log lives for `history_s` seconds and a day after its last
        write."""
        self._table = table
        self._start = start
        self._clock = clock
        self._lifetime_s = history_s + RETENTION_MARGIN_S

    def keep(self, project_id: str, snapshot: Snapshot, done: Callable[[bool | Unavailable], None]) -> None:
        """See the port."""
        turn = self._table.turn(Rank.RECORDS)
        self._start(self._answer(turn, lambda: self._keep(project_id, snapshot), done))

    def newest(
        self,
        project_id: str,
        done: Callable[[Snapshot | Unavailable | None], None],
        is_wanted: Callable[[], bool] = always,
    ) -> None:
        """See the port."""
        turn = self._table.turn(Rank.LOG, is_wanted)
        self._start(self._answer(turn, lambda: self._newest(project_id), done))

    async def _answer(
        self,
        turn: AbstractAsyncContextManager[None],
        work: Callable[[], Coroutine[Any, Any, Answer]],
        done: Callable[[Answer | Unavailable], None],
    ) -> None:
        answer: Answer | Unavailable = Unavailable(BROKEN_OFF)
        try:
            async with turn:
                answer = await work()
        except NotBegun as busy:
            answer = unavailable(busy)
        except AwsError as error:
            answer = Unavailable(str(error))
        finally:
            done(answer)

    async def _keep(self, project_id: str, snapshot: Snapshot) -> bool:
        now = int(self._clock.wall())
        item = {
            **item_key(_partition(project_id), SORT),
            "e": {"S": snapshot.epoch},
            "o": {"N": str(snapshot.offset)},
            "d": {"B": snapshot.data},
            "ttl": {"N": str(int(now + self._lifetime_s))},
        }
        values = {
            ":now": {"N": str(now)},
            ":epoch": {"S": snapshot.epoch},
            ":offset": {"N": str(snapshot.offset)},
        }
        try:
            await self._table.call(
                "put_item",
                Item=item,
                ConditionExpression=NEWER,
                ExpressionAttributeNames={"#ttl": "ttl", "#e": "e", "#o": "o"},
                ExpressionAttributeValues=values,
            )
        except AwsError as error:
            if error.code != "ConditionalCheckFailedException":
                raise
            return False
        return True

    async def _newest(self, project_id: str) -> Snapshot | None:
        now = int(self._clock.wall())
        query = range_query(_partition(project_id), SORT, SORT, is_descending=False, now=now)
        items = (await self._table.call("query", **query))["Items"]
        if not items:
            return None
        return Snapshot(items[0]["e"]["S"], int(items[0]["o"]["N"]), bytes(items[0]["d"]["B"]))


def _partition(project_id: str) -> str:
    return f"WS#RUNS#{project_id}"
