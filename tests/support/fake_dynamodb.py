"""DynamoDB in memory: the operations that the gateway uses, as the service answers them."""

import re
from bisect import bisect_left, bisect_right, insort
from collections.abc import Callable, Mapping
from typing import Any

from websocket_handler.adapters.aws.errors import AwsError, Fault

Item = dict[str, Any]
NEW = "attribute_not_exists(PK) OR #ttl <= :now"


def _never(_old: Item, _values: Mapping[str, Any]) -> bool:
    return False


def _is_own(old: Item, values: Mapping[str, Any]) -> bool:
    return bool(old["e"] == values[":epoch"])


def _is_older(old: Item, values: Mapping[str, Any]) -> bool:
    return old["e"] != values[":epoch"] or int(old["o"]["N"]) < int(values[":offset"]["N"])


CONDITIONS: Mapping[str, Callable[[Item, Mapping[str, Any]], bool]] = {
    NEW: _never,
    f"{NEW} OR #e = :epoch": _is_own,
    f"{NEW} OR #e <> :epoch OR #o < :offset": _is_older,
}
"""The conditions of the gateway, and when each of them lets an item that has not expired be replaced."""


class FakeDynamoDb:
    """One table with the keys PK and SK. Every operation is atomic and strongly consistent."""

    def __init__(self, page_bytes: int, written: Callable[[Item], None]) -> None:
        self._page_bytes = page_bytes
        self._written = written
        self.partitions: dict[str, dict[str, Item]] = {}
        self._sorts: dict[str, list[str]] = {}

    def perform(self, operation: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
        """Carry out one operation. Raises AwsError."""
        if operation == "query":
            return self._query(parameters)
        if operation == "put_item":
            return self._put_item(parameters)
        if operation == "batch_write_item":
            return self._batch_write_item(parameters)
        if operation == "delete_item":
            self._remove(parameters["Key"])
            return {}
        if operation == "get_item":
            key = parameters["Key"]
            item = self.partitions.get(key["PK"]["S"], {}).get(key["SK"]["S"])
            return {} if item is None else {"Item": item}
        raise AwsError(Fault.REFUSED, "UnknownOperationException", operation)

    def _put_item(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        item = parameters["Item"]
        condition = parameters.get("ConditionExpression")
        assert condition is None or condition in CONDITIONS, condition
        old = self.partitions.get(item["PK"]["S"], {}).get(item["SK"]["S"])
        if condition and old is not None:
            values = parameters["ExpressionAttributeValues"]
            is_kept = int(old["ttl"]["N"]) > int(values[":now"]["N"])
            if is_kept and not CONDITIONS[condition](old, values):
                answer = {"Error": {"Code": "ConditionalCheckFailedException"}, "Item": old}
                raise AwsError(
                    Fault.REFUSED, "ConditionalCheckFailedException", "The conditional request failed", answer
                )
        self._put(item)
        return {}

    def _batch_write_item(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        (requests,) = parameters["RequestItems"].values()
        assert 0 < len(requests) <= 25
        keys = [_key(request) for request in requests]
        if len(set(keys)) < len(keys):
            raise AwsError(Fault.REFUSED, "ValidationException", "Provided list of item keys contains duplicates")
        for request in requests:
            if "PutRequest" in request:
                self._put(request["PutRequest"]["Item"])
            else:
                self._remove(request["DeleteRequest"]["Key"])
        return {"UnprocessedItems": {}}

    def _put(self, item: Item) -> None:
        partition, sort = item["PK"]["S"], item["SK"]["S"]
        items = self.partitions.setdefault(partition, {})
        if sort not in items:
            insort(self._sorts.setdefault(partition, []), sort)
        items[sort] = item
        self._written(item)

    def _remove(self, key: Mapping[str, Mapping[str, str]]) -> None:
        partition, sort = key["PK"]["S"], key["SK"]["S"]
        if self.partitions.get(partition, {}).pop(sort, None) is not None:
            self._sorts[partition].remove(sort)

    def expire(self, now: float, is_chosen: Callable[[], bool]) -> int:
        """Delete those expired items that `is_chosen` picks. DynamoDB, too, deletes expired items at some later
        time."""
        expired = [
            item
            for items in self.partitions.values()
            for item in items.values()
            if int(item["ttl"]["N"]) < now and is_chosen()
        ]
        for item in expired:
            self._remove(item)
        return len(expired)

    def _query(self, parameters: Mapping[str, Any]) -> dict[str, Any]:
        assert parameters["ConsistentRead"] is True
        values = parameters["ExpressionAttributeValues"]
        partition = values[":partition"]["S"]
        sorts = self._range(partition, parameters, values)
        limit = parameters.get("Limit", 1_000_000)
        now = int(values[":now"]["N"]) if "FilterExpression" in parameters else None
        names = parameters.get("ProjectionExpression")
        chosen = None if names is None else [name.replace("#", "") for name in re.split(r",\s*", names)]
        found: list[Item] = []
        size = 0
        for evaluated, sort in enumerate(sorts):
            item = self.partitions[partition][sort]
            size += 100 + len(item["d"]["B"]) if "d" in item else 100
            if evaluated and size > self._page_bytes:
                return self._page(found, partition, sorts[evaluated - 1])
            if now is None or int(item["ttl"]["N"]) > now:
                found.append(item if chosen is None else {name: item[name] for name in chosen if name in item})
            if evaluated + 1 == limit:
                return self._page(found, partition, sort)
        return {"Items": found, "Count": len(found)}

    def _range(self, partition: str, parameters: Mapping[str, Any], values: Mapping[str, Any]) -> list[str]:
        sorts = self._sorts.get(partition, [])
        if "SK BETWEEN" in parameters["KeyConditionExpression"]:
            first = bisect_left(sorts, values[":first"]["S"])
            sorts = sorts[first : bisect_right(sorts, values[":last"]["S"])]
        else:
            assert parameters["KeyConditionExpression"] == "PK = :partition"
        is_forward = parameters.get("ScanIndexForward", True)
        sorts = sorts if is_forward else sorts[::-1]
        start = parameters.get("ExclusiveStartKey")
        if start is not None:
            after = start["SK"]["S"]
            sorts = [sort for sort in sorts if (sort > after if is_forward else sort < after)]
        return sorts

    def _page(self, found: list[Item], partition: str, last: str) -> dict[str, Any]:
        return {"Items": found, "Count": len(found), "LastEvaluatedKey": {"PK": {"S": partition}, "SK": {"S": last}}}


def _key(request: Mapping[str, Any]) -> tuple[str, str]:
    item = request["PutRequest"]["Item"] if "PutRequest" in request else request["DeleteRequest"]["Key"]
    return item["PK"]["S"], item["SK"]["S"]
