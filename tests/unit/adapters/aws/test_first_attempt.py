"""What the gate hears of a first attempt, and who goes on after it: in virtual time."""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

import pytest

from tests.support.clock import loop_time
from tests.support.virtual_time import be_busy, in_virtual_time
from websocket_handler.adapters.aws.errors import AwsError, Fault
from websocket_handler.adapters.aws.first_attempt import FirstAttempt
from websocket_handler.adapters.aws.table import Table
from websocket_handler.adapters.overload.gate import GateOptions
from websocket_handler.adapters.overload.limit import LimitOptions
from websocket_handler.ports.backoff import Backoff

THROTTLED = AwsError(Fault.TRANSIENT, "ThrottlingException", "slow down")


class Begun:
    """A call on the short way. The test ends it."""

    def __init__(self, timeout_s: float, ended: Callable[[Any], None]) -> None:
        self.timeout_s = timeout_s
        self.result: dict[str, Any] | None = None
        self.is_abandoned = False
        self._ended = ended

    def end(self, result: dict[str, Any] | None) -> None:
        self.result = result
        self._ended(self)

    def abandon(self) -> None:
        self.is_abandoned = True


class Store:
    """A DynamoDB with a short way. Its long way raises the faults in turn, and then answers."""

    def __init__(self, *faults: AwsError, **options: Any) -> None:
        self.begun: list[Begun] = []
        self.calls: list[dict[str, Any]] = []
        self.faults = list(faults)
        self.is_open = True
        gate = GateOptions(LimitOptions(calls_min=1, calls_first=16))
        self.table = Table("t", self._call, self._begin, gate=gate, backoff=Backoff(Random(1).random), **options)

    def _begin(self, _service: str, _operation: str, timeout_s: float, parameters: Any, ended: Any, /) -> Any:
        assert parameters == {"TableName": "t", "Item": {}}
        if not self.is_open:
            return None
        self.begun.append(Begun(timeout_s, ended))
        return self.begun[-1]

    async def _call(self, service: str, operation: str, timeout_s: float, **parameters: Any) -> dict[str, Any]:
        assert (service, operation) == ("dynamodb", "put_item")
        self.calls.append({"timeout_s": timeout_s, **parameters})
        if self.faults:
            raise self.faults.pop(0)
        return {}

    def begin(self) -> tuple[FirstAttempt | None, list[FirstAttempt]]:
        ended: list[FirstAttempt] = []
        return self.table.begin("put_item", {"Item": {}}, loop_time(), ended.append), ended

    @property
    def allowed(self) -> int:
        return self.table.gate._limit.allowed


@in_virtual_time
async def test_a_good_answer_is_told_once_and_counts_by_its_latency() -> None:
    store = Store()
    first, ended = store.begin()
    assert first is not None
    await asyncio.sleep(0.5)
    store.begun[0].end({})
    assert ended == [first]
    assert first.has_result
    assert store.allowed == 16
    _, ended = store.begin()
    await asyncio.sleep(1.5)
    store.begun[1].end({})
    assert store.allowed < 16, "it came late"


@in_virtual_time
async def test_an_answer_that_is_late_because_of_the_loop_changes_nothing() -> None:
    store = Store()
    store.begin()
    await asyncio.sleep(0.1)
    be_busy(1.5)
    await asyncio.sleep(0.0)
    store.begun[0].end({})
    assert store.allowed == 16


@in_virtual_time
async def test_without_a_result_the_table_finishes_it_and_tries_again() -> None:
    store = Store(THROTTLED)
    first, ended = store.begin()
    assert first is not None
    await asyncio.sleep(0.1)
    store.begun[0].end(None)
    assert ended == [first]
    assert store.allowed == 16, "nobody has said yet what it means"
    assert await store.table.finish(first, "put_item", Item={}) == {}
    assert store.allowed < 16
    assert store.calls == [
        {"timeout_s": 2.0, "begun": store.begun[0], "TableName": "t", "Item": {}},
        {"timeout_s": 2.0, "TableName": "t", "Item": {}},
    ]


@in_virtual_time
async def test_the_total_deadline_counts_from_its_beginning() -> None:
    store = Store(*[THROTTLED] * 1000, timeout_s=5.0)
    loop = asyncio.get_running_loop()
    began = loop.time()
    first, _ = store.begin()
    assert first is not None
    await asyncio.sleep(1.5)
    store.begun[0].end(None)
    with pytest.raises(AwsError, match="slow down"):
        await store.table.finish(first, "put_item", Item={})
    assert loop.time() - began == pytest.approx(5.0)


@in_virtual_time
async def test_it_has_the_shorter_one_of_both_deadlines() -> None:
    for timeout_s, expected_s in ((5.0, 2.0), (1.0, 1.0)):
        store = Store(timeout_s=timeout_s)
        store.begin()
        assert store.begun[0].timeout_s == expected_s


@in_virtual_time
async def test_what_did_not_begin_leaves_nothing_behind() -> None:
    store, loop = Store(), asyncio.get_running_loop()
    store.is_open = False
    assert store.begin() == (None, [])
    store.is_open = True
    first, ended = store.begin()
    assert first is not None
    first.abandon()
    assert (store.begun[0].is_abandoned, ended) == (True, [])
    assert all(timer.cancelled() for timer in loop._scheduled)  # type: ignore[attr-defined]
