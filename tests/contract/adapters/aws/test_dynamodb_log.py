"""What the DynamoDB log store promises beyond the port: expiry, epochs, outages, two nodes on one table."""

import asyncio
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from demo.resources import DUMMY_CREDENTIALS, TABLE_NAME
from demo.testing import Emulator
from tests.support.clock import BEGIN, SteeredClock
from tests.support.ports_testing import (
    Asked,
    LossyCall,
    Tasks,
    dynamodb_log,
    impatience,
    new_project,
    payloads_of,
    quick_table,
)
from tests.support.ports_testing import segment as made
from websocket_handler.adapters.aws.dynamodb_append import RETENTION_MARGIN_S
from websocket_handler.adapters.aws.dynamodb_ends import KNOWLEDGE_S
from websocket_handler.adapters.aws.dynamodb_log import DynamoDbLogOptions
from websocket_handler.adapters.aws.sdk import Aws
from websocket_handler.adapters.aws.table import Table
from websocket_handler.adapters.aws.wire import AwsWire
from websocket_handler.hub.log import LogLimits
from websocket_handler.ports.log_store import Behind, Committed, Record, Segment, Unavailable

MakeStore = Callable[[], Asked]
LIFETIME_S = 3600.0 + RETENTION_MARGIN_S


@pytest.fixture
def table(aws: Aws, table_name: str) -> Table:
    return quick_table(table_name, AwsWire(aws).call)


@pytest.fixture
def make_store(table: Table, clock: SteeredClock, tasks: Tasks) -> MakeStore:
    return lambda: dynamodb_log(table, clock, tasks)


@pytest.fixture
def store(make_store: MakeStore) -> Asked:
    return make_store()


@pytest.mark.asyncio
async def test_the_item_is_what_is_documented(store: Asked, dynamodb: Any) -> None:
    project = new_project()
    await store.append(project, Segment("e1", 1, "writer", (Record(b"a", BEGIN), Record(b"b", BEGIN))))
    key = {"PK": {"S": f"WS#LOG#{project}"}, "SK": {"S": "00000000000000000001"}}
    item = dynamodb.get_item(TableName=TABLE_NAME, Key=key)["Item"]
    assert item["e"] == {"S": "e1"}
    assert item["n"] == {"N": "2"}
    assert item["w"] == {"S": "writer"}
    assert item["ttl"] == {"N": str(int(BEGIN + LIFETIME_S))}
    assert set(item) == {"PK", "SK", "e", "n", "w", "d", "ttl"}


@pytest.mark.asyncio
async def test_a_lost_answer_is_recognised(aws: Aws, table_name: str, clock: SteeredClock, tasks: Tasks) -> None:
    random = Random(5)
    lossy = LossyCall(AwsWire(aws).call, random)
    store = dynamodb_log(quick_table(table_name, lossy), clock, tasks)
    project = new_project()
    await store.opened(project)
    lossy.after = 0.7
    for first in range(1, 11):
        assert isinstance(await store.append(project, made(first, [b"%d" % first])), Committed)
    lossy.after = 0.0
    assert payloads_of(await store.opened(project)) == [b"%d" % first for first in range(1, 11)]


@pytest.mark.asyncio
async def test_a_repeated_segment_is_committed_by_a_store_that_forgot(make_store: MakeStore) -> None:
    project, written = new_project(), made(1, [b"a"])
    assert isinstance(await make_store().append(project, written), Committed)
    assert isinstance(await make_store().append(project, written), Committed)
    assert isinstance(await make_store().append(project, made(1, [b"a"])), Behind)


@pytest.mark.asyncio
async def test_expired_publications_are_gone_though_the_items_are_there(
    store: Asked, make_store: MakeStore, clock: SteeredClock
) -> None:
    project = new_project()
    await store.append(project, made(1, [b"a", b"b"]))
    clock.advance(7200)
    await store.append(project, made(3, [b"c"], at=clock.wall()))
    clock.move_to(BEGIN + LIFETIME_S)
    for reader in (store, make_store()):
        tail = await reader.opened(project)
        assert (tail.epoch, tail.head, tail.floor, payloads_of(tail)) == ("e1", 3, 2, [b"c"])
        tail = await reader.followed(project, 0)
        assert (tail.epoch, tail.floor, list(tail.segments)) == ("e1", 2, [])
        assert payloads_of(await reader.followed(project, 2)) == [b"c"]


@pytest.mark.asyncio
async def test_a_log_that_expired_begins_anew(store: Asked, make_store: MakeStore, clock: SteeredClock) -> None:
    project, late = new_project(), make_store()
    for first in range(1, 6):
        await store.append(project, made(first, [b"old"]))
    await late.opened(project)
    clock.advance(LIFETIME_S + 1)
    assert (await store.opened(project)).epoch is None
    assert isinstance(await store.append(project, made(1, [b"n1", b"n2"], epoch="e2")), Committed)
    assert isinstance(await late.append(project, made(6, [b"late"])), Behind)
    tail = await late.opened(project)
    assert (tail.epoch, tail.head, tail.floor, payloads_of(tail)) == ("e2", 2, 0, [b"n1", b"n2"])
    for first in range(3, 9):  # over and past what expired
        assert isinstance(await store.append(project, made(first, [b"n"], epoch="e2")), Committed)
    tail = await make_store().followed(project, 1)
    assert payloads_of(tail) == [b"n1", b"n2", *[b"n"] * 6]


@pytest.mark.asyncio
async def test_knowledge_does_not_outlive_the_log(store: Asked, clock: SteeredClock) -> None:
    project = new_project()
    await store.append(project, made(1, [b"a"]))
    clock.advance(LIFETIME_S - 5)
    assert isinstance(await store.append(project, made(2, [b"b"])), Unavailable)
    assert store.store.failure() is None
    clock.advance(10)
    assert isinstance(await store.append(project, made(2, [b"b"])), Behind)


@pytest.mark.asyncio
async def test_a_log_seen_just_before_its_end_is_not_continued_after_it(
    make_store: MakeStore, clock: SteeredClock
) -> None:
    """Another node begins a new epoch there: ours would stand beside it."""
    project, late, next_node = new_project(), make_store(), make_store()
    await late.append(project, made(1, [b"a"]))
    clock.advance(LIFETIME_S - 100)
    await late.opened(project)
    clock.advance(101)
    assert (await next_node.opened(project)).epoch is None
    assert isinstance(await next_node.append(project, made(1, [b"n"], epoch="e2")), Committed)
    assert isinstance(await late.append(project, made(2, [b"b"])), Behind)
    assert payloads_of(await make_store().opened(project)) == [b"n"]


@pytest.mark.asyncio
async def test_an_old_view_is_looked_at_again(
    store: Asked, make_store: MakeStore, clock: SteeredClock, dynamodb: Any
) -> None:
    """It misses what others wrote after our view expired and was deleted: nothing is left that could conflict with
    it."""
    project, other = new_project(), make_store()
    await store.append(project, made(1, [b"a"]))
    await other.opened(project)
    clock.advance(KNOWLEDGE_S + 1)
    for first in (2, 3, 4):
        assert isinstance(await other.append(project, made(first, [b"x"])), Committed)
    key = {"PK": {"S": f"WS#LOG#{project}"}, "SK": {"S": f"{2:020}"}}
    dynamodb.delete_item(TableName=TABLE_NAME, Key={**key, "SK": {"S": f"{1:020}"}})
    dynamodb.delete_item(TableName=TABLE_NAME, Key=key)
    assert isinstance(await store.append(project, made(2, [b"fork"])), Behind)


@pytest.mark.asyncio
async def test_ttl_never_falls_along_a_log(aws: Aws, table_name: str, clock: SteeredClock, tasks: Tasks) -> None:
    """A later segment that expired first would give its offsets away a second time."""
    project = new_project()
    table = quick_table(table_name, AwsWire(aws).call)
    long = dynamodb_log(table, clock, tasks, DynamoDbLogOptions(LogLimits(seconds=86_400 * 7)))
    short = dynamodb_log(table, clock, tasks, DynamoDbLogOptions(LogLimits(seconds=60)))
    await long.append(project, made(1, [b"a"]))
    await short.append(project, made(2, [b"b"]))
    clock.advance(86_400 * 3)
    assert (await short.opened(project)).head == 2


@pytest.mark.asyncio
async def test_a_gap_and_another_epoch_cut(store: Asked, make_store: MakeStore, dynamodb: Any) -> None:
    project = new_project()
    for first in range(1, 7):
        await store.append(project, made(first, [b"%d" % first]))
    dynamodb.delete_item(TableName=TABLE_NAME, Key={"PK": {"S": f"WS#LOG#{project}"}, "SK": {"S": f"{3:020}"}})
    tail = await make_store().opened(project)
    assert (tail.head, tail.floor, payloads_of(tail)) == (6, 3, [b"4", b"5", b"6"])
    assert payloads_of(await make_store().followed(project, 0)) == [b"1", b"2"]
    dynamodb.update_item(
        TableName=TABLE_NAME,
        Key={"PK": {"S": f"WS#LOG#{project}"}, "SK": {"S": f"{4:020}"}},
        UpdateExpression="SET e = :e",
        ExpressionAttributeValues={":e": {"S": "e0"}},
    )
    tail = await make_store().opened(project)
    assert (tail.epoch, tail.floor, payloads_of(tail)) == ("e1", 4, [b"5", b"6"])


@pytest.mark.asyncio
@pytest.mark.parametrize("expired", [0, 1, 7, 39])
async def test_the_floor_is_found_among_many_expired(
    aws: Aws, table_name: str, clock: SteeredClock, tasks: Tasks, expired: int
) -> None:
    project = new_project()
    options = DynamoDbLogOptions(LogLimits(messages=1), key_seconds=0)
    table = quick_table(table_name, AwsWire(aws).call)
    store = dynamodb_log(table, clock, tasks, options)
    for first in range(1, 41):
        if first == expired + 1:
            clock.advance(10_000)
        await store.append(project, made(first, [b"x"], at=clock.wall() - 1))
    clock.move_to(BEGIN + LIFETIME_S + 100)
    fresh = dynamodb_log(table, clock, tasks, options)
    assert (await fresh.opened(project)).floor == expired


@pytest.mark.asyncio
async def test_open_reads_as_far_as_keys_are_remembered(
    aws: Aws, table_name: str, clock: SteeredClock, tasks: Tasks
) -> None:
    project = new_project()
    options = DynamoDbLogOptions(LogLimits(messages=2), key_count=100, key_seconds=300)
    store = dynamodb_log(quick_table(table_name, AwsWire(aws).call), clock, tasks, options)
    for first in range(1, 11):
        clock.advance(100)
        await store.append(project, made(first, [b"x"], at=clock.wall()))
    tail = await store.opened(project)
    assert tail.segments[0].records[0].published_at < clock.wall() - 300
    assert tail.segments[1].records[0].published_at >= clock.wall() - 300


@pytest.mark.asyncio
@pytest.mark.parametrize("mode", ["error", "throttle", "stall"])
async def test_an_outage_is_bounded_and_heals(store: Asked, table: Table, emulator: Emulator, mode: str) -> None:
    """Every caller gets an answer, although the outage does not end."""
    project = new_project()
    assert isinstance(await store.append(project, made(1, [b"a"])), Committed)
    emulator.add_fault("dynamodb", mode, stall_s=300)
    with impatience(table):
        answers = await asyncio.gather(
            store.open(project), store.append(project, made(2, [b"b"])), store.read(project, 0)
        )
        assert all(isinstance(answer, Unavailable) for answer in answers), answers
        assert store.store.failure()
        await store.store.check()
        assert store.store.failure()
    emulator.clear_faults()
    await asyncio.to_thread(emulator.wait_until_under_way, 0, "dynamodb", "PutItem")
    await store.store.check()
    assert store.store.failure() is None
    # What timed out may have been written after all: then the log holds it, once.
    tail = await store.opened(project)
    if tail.head == 1:
        assert isinstance(await store.append(project, made(2, [b"b"])), Committed)
    assert payloads_of(await store.opened(project)) == [b"a", b"b"]


@pytest.mark.asyncio
async def test_a_short_outage_is_not_noticed(store: Asked, emulator: Emulator) -> None:
    project = new_project()
    emulator.add_fault("dynamodb", "throttle", for_requests=2)
    emulator.add_fault("dynamodb", "error", for_requests=2)
    assert isinstance(await store.append(project, made(1, [b"a"])), Committed)
    assert store.store.failure() is None


@pytest.mark.asyncio
async def test_a_failed_write_heals_by_a_write(store: Asked, table: Table, emulator: Emulator) -> None:
    project = new_project()
    emulator.add_fault("dynamodb", "throttle", operation="PutItem")
    with impatience(table):
        assert isinstance(await store.append(project, made(1, [b"a"])), Unavailable)
    await store.store.check()
    assert store.store.failure()
    emulator.clear_faults()
    await store.store.check()
    assert store.store.failure() is None


@pytest.mark.asyncio
async def test_a_missing_table_is_told_at_the_first_attempt(aws: Aws, clock: SteeredClock, tasks: Tasks) -> None:
    call = LossyCall(AwsWire(aws).call, Random(1))
    store = dynamodb_log(quick_table("no-such-table", call), clock, tasks)
    assert isinstance(await store.open("p"), Unavailable)
    assert call.calls == 1
    assert "ResourceNotFoundException" in (store.store.failure() or "")


@pytest.mark.asyncio
async def test_a_cancelled_append_answers_once_and_harms_nothing(
    store: Asked, tasks: Tasks, emulator: Emulator
) -> None:
    project = new_project()
    await store.opened(project)
    emulator.add_fault("dynamodb", "stall", stall_s=300, for_requests=1)
    answers: list[object] = []
    written = made(1, [b"a"])
    store.store.append(project, written, answers.append)
    await asyncio.to_thread(emulator.wait_until_under_way, 1, "dynamodb", "PutItem")
    for task in list(tasks.running):
        task.cancel()
    await asyncio.wait(tasks.running)
    assert len(answers) == 1
    assert isinstance(answers[0], Unavailable)
    emulator.clear_faults()
    assert isinstance(await store.append(project, written), Committed)
    assert payloads_of(await store.opened(project)) == [b"a"]


class _Writer:
    """A node in small: appends after the head it knows, reads what it missed when it is behind."""

    def __init__(self, store: Asked, project: str) -> None:
        self.store = store
        self.project = project
        self.epoch = ""
        self.seen: list[bytes] = []

    async def open(self, epoch: str) -> None:
        tail = await self.store.opened(self.project)
        self.epoch = tail.epoch or epoch
        self.seen = payloads_of(tail)

    async def publish(self, payloads: list[bytes]) -> None:
        while True:
            attempt = made(len(self.seen) + 1, payloads, epoch=self.epoch)
            answer = await self.store.append(self.project, attempt)
            assert not isinstance(answer, Unavailable), answer
            if isinstance(answer, Committed):
                self.seen += payloads
                return
            if await self._is_written(attempt):
                return

    async def _is_written(self, attempt: Segment) -> bool:
        """Read what was missed. Returns True if the attempt is in it."""
        tail = await self.store.followed(self.project, len(self.seen))
        if tail.epoch != self.epoch:
            await self.open(self.epoch)
            return False
        for part in tail.segments:
            self.seen += [record.payload for record in part.records][len(self.seen) + 1 - part.first :]
        return any(part.writer == attempt.writer for part in tail.segments)


@pytest.fixture(scope="module")
def runner(emulator_process: Emulator) -> Iterator[tuple[asyncio.Runner, Aws]]:
    """One event loop and one set of clients for all examples of the property test."""
    with pytest.MonkeyPatch.context() as patch, asyncio.Runner() as runner:
        for name, value in DUMMY_CREDENTIALS.items():
            patch.setenv(name, value)
        aws = Aws("us-east-1", emulator_process.url)
        yield runner, aws
        runner.run(aws.close())


@settings(max_examples=25)
@given(
    plan=st.lists(st.tuples(st.integers(0, 1), st.integers(1, 4)), min_size=1, max_size=10),
    seed=st.integers(0, 2**16),
    is_parallel=st.booleans(),
)
def test_two_nodes_on_one_table_stay_in_one_order(
    runner: tuple[asyncio.Runner, Aws], plan: list[tuple[int, int]], seed: int, *, is_parallel: bool
) -> None:
    """Every confirmed publication is there once, in one order, whoever writes and whatever gets lost."""
    loop, aws = runner

    async def play() -> None:
        project, clock, tasks = new_project(), SteeredClock(), Tasks()
        lossy = LossyCall(AwsWire(aws).call, Random(seed), before=0.1, after=0.1)
        writers = [_Writer(dynamodb_log(quick_table(TABLE_NAME, lossy), clock, tasks), project) for _ in range(2)]
        await asyncio.gather(*(writer.open(f"e{index}") for index, writer in enumerate(writers)))
        orders: list[list[list[bytes]]] = [[], []]
        for step, (node, count) in enumerate(plan):
            orders[node].append([b"%d:%d:%d" % (node, step, index) for index in range(count)])
        if is_parallel:
            await asyncio.gather(*(_publish_all(writers[node], orders[node]) for node in range(2)))
        else:
            for step, (node, _) in enumerate(plan):
                await writers[node].publish(orders[node][[n for n, _ in plan[:step]].count(node)])
        log = payloads_of(await writers[0].store.opened(project))
        for node, order in enumerate(orders):
            ours = [payload for payload in log if payload.startswith(b"%d:" % node)]
            assert ours == [payload for payloads in order for payload in payloads]
            assert writers[node].seen == log[: len(writers[node].seen)]

    loop.run(play())


async def _publish_all(writer: _Writer, order: list[list[bytes]]) -> None:
    for payloads in order:
        await writer.publish(payloads)
