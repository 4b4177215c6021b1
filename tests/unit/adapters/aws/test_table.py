"""The way of every call on the table: its turn, its retries, and what its latency does to the limit."""

import asyncio
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest

from tests.support.clock import SteeredClock, loop_time
from tests.support.virtual_time import be_busy, in_virtual_time, settle
from websocket_handler.adapters.aws.dynamodb_log import DynamoDbLogStore
from websocket_handler.adapters.aws.dynamodb_peers import DynamoDbPeers
from websocket_handler.adapters.aws.dynamodb_state import WRITTEN_MAX, DynamoDbStateStore
from websocket_handler.adapters.aws.errors import AwsError, Fault
from websocket_handler.adapters.aws.table import Table
from websocket_handler.adapters.overload.budget import BudgetOptions
from websocket_handler.adapters.overload.gate import RETRY_AFTER_S_MIN, GateOptions, NotBegun
from websocket_handler.adapters.overload.limit import LimitOptions
from websocket_handler.adapters.overload.queue import Rank
from websocket_handler.ports.backoff import Backoff
from websocket_handler.ports.log_store import Tail, Unavailable
from websocket_handler.ports.peers import PeersUnavailable
from websocket_handler.ports.state_store import ConnectionRecord, StatePostponed

ONE = LimitOptions(calls_min=1, calls_first=1, calls_max=1)
THROTTLED = AwsError(Fault.TRANSIENT, "ThrottlingException", "slow down")


class Store:
    """A DynamoDB that answers after a while, or fails."""

    def __init__(self, latency_s: float = 0.01, fault: AwsError | None = None) -> None:
        self.latency_s = latency_s
        self.fault = fault
        self.calls: list[str] = []
        self.items: list[Any] = []

    async def call(self, service: str, operation: str, timeout_s: float, **parameters: Any) -> dict[str, Any]:
        self.calls.append(operation)
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.sleep(self.latency_s)
        except TimeoutError:
            raise AwsError(Fault.TRANSIENT, "Timeout", "no answer") from None
        if self.fault is not None:
            raise self.fault
        if operation == "batch_write_item":
            (requests,) = parameters["RequestItems"].values()
            self.items.extend(requests)
        return {"Items": []}

    def table(self, **options: Any) -> Table:
        return Table("t", self.call, backoff=Backoff(Random(1).random), **options)


def gate(limit: LimitOptions = ONE, **options: Any) -> GateOptions:
    return GateOptions(limit=limit, **options)


async def hold(table: Table, seconds: float) -> None:
    """Have the only turn for a while."""
    async with table.turn(Rank.LOG):
        await asyncio.sleep(seconds)


@in_virtual_time
async def test_a_store_that_fails_every_call_is_asked_again_within_the_budget_only() -> None:
    store = Store(fault=THROTTLED)
    table = store.table(budget=BudgetOptions(share=0.1, per_second=0.0, most=3.0))
    for _ in range(50):
        with pytest.raises(AwsError, match="slow down"):
            await table.call("query")
    assert len(store.calls) - 50 in (3 + 4, 3 + 5), "what was saved up, and a tenth of fifty first tries"


@in_virtual_time
async def test_batches_are_tried_again_within_the_same_budget() -> None:
    store = Store(fault=THROTTLED)
    table = store.table(budget=BudgetOptions(share=0.0, per_second=0.0, most=3.0))
    with pytest.raises(AwsError, match="slow down"):
        await table.write_batch([{"PutRequest": {}}])
    with pytest.raises(AwsError, match="slow down"):
        await table.call("query")
    assert store.calls == ["batch_write_item"] * 4 + ["query"]


@in_virtual_time
async def test_a_fault_that_cannot_heal_spends_nothing() -> None:
    store = Store(fault=AwsError(Fault.REFUSED, "ValidationException", "no"))
    table = store.table(budget=BudgetOptions(share=0.0, per_second=0.0, most=1.0))
    for _ in range(5):
        with pytest.raises(AwsError, match="no"):
            await table.call("query")
    store.fault = THROTTLED
    store.calls.clear()
    with pytest.raises(AwsError, match="slow down"):
        await table.call("query")
    assert len(store.calls) == 2


async def places(table: Table) -> int:
    """How many operations may be under way."""
    tasks = [asyncio.create_task(hold(table, 1.0)) for _ in range(50)]
    await settle()
    under_way = table.gate.under_way
    for task in tasks:
        task.cancel()
    await settle()
    return under_way


@in_virtual_time
async def test_late_answers_failures_and_timeouts_shrink_the_limit_and_quick_ones_let_it_grow() -> None:
    store = Store()
    table = store.table(gate=gate(LimitOptions(calls_first=16)), attempt_timeout_s=2.0)
    assert await places(table) == 16
    store.latency_s = 1.5
    await table.attempt("query")
    late = await places(table)
    store.latency_s = 10.0
    with pytest.raises(AwsError, match="Timeout"):
        await table.attempt("query")
    timed_out = await places(table)
    store.latency_s, store.fault = 0.01, THROTTLED
    with pytest.raises(AwsError, match="slow down"):
        await table.attempt("query")
    failed = await places(table)
    assert 16 > late > timed_out > failed
    store.fault = None
    for _ in range(20):
        await table.attempt("query")
    assert await places(table) > failed


@in_virtual_time
async def test_an_answer_that_is_late_because_the_event_loop_was_busy_leaves_the_limit_as_it_is() -> None:
    table = Store(latency_s=0.5).table(gate=gate(LimitOptions(calls_first=16)))
    asyncio.get_running_loop().call_later(0.1, be_busy, 1.5)
    await table.attempt("query")
    assert await places(table) == 16


@in_virtual_time
async def test_a_refusal_is_no_sign_of_overload() -> None:
    store = Store(fault=AwsError(Fault.REFUSED, "ConditionalCheckFailedException", "no"))
    table = store.table(gate=gate(LimitOptions(calls_first=16)))
    for _ in range(20):
        with pytest.raises(AwsError):
            await table.attempt("put_item")
    assert await places(table) == 17


@in_virtual_time
async def test_a_log_that_does_not_get_its_turn_is_unavailable_with_a_hint_and_the_store_is_not_called_down() -> None:
    store = Store()
    table = store.table(gate=gate(wait_max_s=2.0))
    log = DynamoDbLogStore(table, asyncio.get_running_loop().create_task, SteeredClock(loop_time))
    answers: list[Tail | Unavailable] = []
    known = log.failure()
    holding = asyncio.create_task(hold(table, 3.0))
    await settle()
    log.open("p", answers.append)
    await asyncio.sleep(2.5)
    (answer,) = answers
    assert isinstance(answer, Unavailable)
    assert (answer.retry_after_s, answer.is_unwanted) == (RETRY_AFTER_S_MIN, False)
    assert log.failure() == known
    assert store.calls == []
    await holding
    log.open("p", answers.append)
    await asyncio.sleep(1.0)
    assert answers[1:] == [Tail(None, 0, 0, ())]
    assert log.failure() is None


@in_virtual_time
async def test_a_store_that_fails_says_when_to_come_back_unless_only_an_operator_can_help() -> None:
    store = Store(fault=THROTTLED)
    table = store.table(budget=BudgetOptions(most=0.0))
    log = DynamoDbLogStore(table, asyncio.get_running_loop().create_task, SteeredClock(loop_time))
    answers: list[Any] = []
    log.open("p", answers.append)
    await asyncio.sleep(1.0)
    store.fault = AwsError(Fault.DENIED, "AccessDeniedException", "no")
    log.open("p", answers.append)
    await asyncio.sleep(1.0)
    assert [answer.retry_after_s for answer in answers] == [RETRY_AFTER_S_MIN, 0.0]
    assert log.failure() is not None


@in_virtual_time
async def test_a_log_and_a_page_that_nobody_waits_for_any_more_are_not_read() -> None:
    store = Store()
    table = store.table(gate=gate())
    log = DynamoDbLogStore(table, asyncio.get_running_loop().create_task, SteeredClock(loop_time))
    answers: list[Any] = []
    holding = asyncio.create_task(hold(table, 1.0))
    await settle()
    log.open("p", answers.append, lambda: False)
    log.read("p", 7, answers.append, lambda: None)
    await holding
    await settle()
    assert [answer.is_unwanted for answer in answers] == [True, True]
    assert store.calls == []


@in_virtual_time
async def test_a_page_is_read_after_the_offset_that_is_wanted_when_its_turn_comes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = Store()
    table = store.table(gate=gate())
    log = DynamoDbLogStore(table, asyncio.get_running_loop().create_task, SteeredClock(loop_time))
    asked: list[int] = []

    async def read(_project_id: str, after: int) -> Tail:
        asked.append(after)
        return Tail(None, 0, 0, ())

    monkeypatch.setattr(log, "_read", read)
    holding = asyncio.create_task(hold(table, 1.0))
    await settle()
    log.read("p", 7, lambda _answer: None, lambda: 3)
    await holding
    await settle()
    log.read("p", 9, lambda _answer: None, lambda: 4)
    await settle()
    assert asked == [3, 9], "who begins at once is not asked again"


def record(name: str) -> ConnectionRecord:
    return ConnectionRecord(name, "n", 0.0, {"p": 1.0})


@in_virtual_time
async def test_records_are_postponed_while_logs_need_the_store_and_written_whole_later() -> None:
    store = Store()
    table = store.table(gate=gate(wait_max_s=1.0))
    state = DynamoDbStateStore(table, SteeredClock(loop_time))
    holding = asyncio.create_task(hold(table, 1.5))
    await settle()
    with pytest.raises(StatePostponed):
        await state.write([record("c")], [], 0.0)
    assert store.calls == []
    await holding
    await state.write([record("c")], [], 0.0)
    assert len(store.items) == 3


@in_virtual_time
async def test_a_state_store_remembers_so_many_connections_and_not_one_more(monkeypatch: pytest.MonkeyPatch) -> None:
    assert WRITTEN_MAX > 100_000
    monkeypatch.setattr("websocket_handler.adapters.aws.dynamodb_state.WRITTEN_MAX", 2)
    store = Store()
    state = DynamoDbStateStore(store.table(), SteeredClock(loop_time))

    async def written(*names: str, gone: Sequence[str] = ()) -> int:
        store.items.clear()
        await state.write([record(name) for name in names], gone, 0.0)
        return len(store.items)

    assert [await written("a"), await written("b"), await written("a", "b")] == [3, 3, 0]
    assert await written("c") == 3
    assert await written("b", "c") == 0
    assert await written(gone=["a"]) == 0, "its items are left to expire"
    assert await written(gone=["c"]) == 3


@in_virtual_time
async def test_nodes_that_do_not_get_their_turn_do_not_see_each_other() -> None:
    store = Store()
    table = store.table(gate=gate(wait_max_s=1.0))
    holding = asyncio.create_task(hold(table, 5.0))
    await settle()
    with pytest.raises(PeersUnavailable, match="too much to do"):
        await DynamoDbPeers(table).announce("n", 0.0)
    with pytest.raises(PeersUnavailable, match="too much to do"):
        await DynamoDbPeers(table).leave("n")
    with pytest.raises(NotBegun):
        await hold(table, 0.0)
    await holding
    assert store.calls == []
