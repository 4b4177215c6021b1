"""Makes moto's DynamoDB cheap enough for proofs that write for minutes. It changes no answer.

moto 5.2.5 sorts the whole table for each Query, and looks up the name of each attribute's type in many ways.
`install()` keeps the sort keys of each partition in order, shows moto's own query no more items than it can need, and
spells attributes as they are.
"""

from __future__ import annotations

import copy
from base64 import b64encode
from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import Callable, Sequence
from typing import Any

from moto.core.serialize import JSONSerializer
from moto.dynamodb.models import table as models
from moto.dynamodb.models.dynamo_type import DynamoType

EDGES = 2
"""Items beside those of a page: one that a `<` or `>` leaves out, and one that tells that there are more."""

_moto_init: Callable[..., None] = models.Table.__init__
_moto_query: Callable[..., Any] = models.Table.query
_moto_serialize: Callable[..., None] = JSONSerializer._serialize


class Partition(dict[DynamoType, Any]):
    """The items of one partition by their sort keys."""

    def __init__(self) -> None:
        super().__init__()
        self.order: list[DynamoType] = []
        """The sort keys, lowest first."""

    def __setitem__(self, key: DynamoType, item: Any) -> None:
        if key not in self:
            insort(self.order, key)
        super().__setitem__(key, item)

    def pop(self, key: DynamoType, *default: Any) -> Any:
        """See `dict`."""
        if key in self:
            del self.order[bisect_left(self.order, key)]
        return super().pop(key, *default)

    def __reduce__(self) -> Any:
        """A copy puts the keys in order by itself."""
        return Partition, (), None, None, iter(self.items())

    def candidates(
        self,
        comparison: str | None,
        operands: Sequence[DynamoType],
        start: DynamoType | None,
        limit: int,
        forward: bool,
    ) -> list[Any]:
        """Every item that a query may answer with, and a few more. `start` is where the page before ended."""
        low, high = _bounds(self.order, comparison, operands)
        if start is not None and forward:
            low = max(low, bisect_right(self.order, start))
        elif start is not None:
            high = min(high, bisect_left(self.order, start))
        if limit and comparison != "BEGINS_WITH":
            if forward:
                high = min(len(self.order), low + limit + EDGES)
            else:
                low = max(0, high - limit - EDGES)
        return [self[key] for key in self.order[low:high]]


def _bounds(order: list[DynamoType], comparison: str | None, operands: Sequence[DynamoType]) -> tuple[int, int]:
    """From and to where the sort keys may be that a condition allows."""
    low, high = 0, len(order)
    if comparison in ("=", "EQ", "BETWEEN", ">=", "GE", ">", "GT", "BEGINS_WITH"):
        low = bisect_left(order, operands[0])
    if comparison in ("=", "EQ", "BETWEEN", "<=", "LE", "<", "LT"):
        high = bisect_right(order, operands[-1])
    return low, high


def install() -> None:
    """Replaces the methods of moto's tables in this process. Call it once, before the first request."""
    corrections: list[tuple[Any, str, Any]] = [
        (models.Table, "__init__", _init),
        (models.Table, "query", _query),
        (JSONSerializer, "_serialize", _serialize),
    ]
    for owner, name, correction in corrections:
        setattr(owner, name, correction)


def _init(self: models.Table, *arguments: Any, **options: Any) -> None:
    _moto_init(self, *arguments, **options)
    if self.range_key_attr:
        self.items = defaultdict(Partition)


def _query(
    self: Any, hash_key: Any, range_comparison: Any, range_objs: Any, limit: Any, exclusive_start_key: Any,
    scan_index_forward: Any, projection_expressions: Any, index_name: Any = None, *more: Any, **options: Any,
) -> Any:  # fmt: skip
    shown = self
    if not index_name and self.range_key_attr:
        start = DynamoType(exclusive_start_key[self.range_key_attr]) if exclusive_start_key else None
        partition = self.items.get(hash_key) or Partition()
        is_forward = scan_index_forward is not False
        found = partition.candidates(range_comparison, range_objs, start, limit or 0, is_forward)
        shown = copy.copy(self)
        shown.all_items = lambda: found
    return _moto_query(
        shown, hash_key, range_comparison, range_objs, limit, exclusive_start_key, scan_index_forward,
        projection_expressions, index_name, *more, **options,
    )  # fmt: skip


def _serialize(self: Any, serialized: Any, value: Any, shape: Any, key: str) -> None:
    if shape.name == "AttributeValue" and type(value) is dict:
        if "S" in value or "N" in value:
            serialized[key] = value
            return
        if isinstance(value.get("B"), bytes):
            serialized[key] = {"B": b64encode(value["B"]).decode()}
            return
    _moto_serialize(self, serialized, value, shape, key)
