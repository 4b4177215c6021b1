"""The scripts on every server: who may write where, what a writer is told, and what is dropped."""

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest
import pytest_asyncio

from tests.support.clock import SteeredClock
from tests.support.ports_testing import Asked, Tasks, new_project, payloads_of
from tests.support.ports_testing import segment as made
from tests.support.valkey_logs import Logs, running_logs
from tests.support.valkeys import KINDS, NEWEST, Valkey, Valkeys
from websocket_handler.adapters.valkey.link import Link
from websocket_handler.adapters.valkey.log_store import ValkeyLogOptions
from websocket_handler.adapters.valkey.scripts import MISSED_BYTES_MAX, MISSED_ENTRIES_MAX
from websocket_handler.hub.log import LogLimits
from websocket_handler.ports.log_store import Behind, Committed, Record, Segment

pytestmark = pytest.mark.asyncio


@pytest.fixture(params=KINDS)
def server(request: pytest.FixtureRequest, valkeys: Valkeys) -> Valkey:
    return valkeys[request.param]


@pytest_asyncio.fixture
async def logs(clock: SteeredClock, tasks: Tasks) -> AsyncIterator[Logs]:
    async with running_logs(clock, tasks) as logs:
        yield logs


def movable(first: int, *texts: str, key: str = "") -> Segment:
    """A segment that the server may move."""
    records = tuple(
        Record(b'{"t":"%b","offset":%d}' % (text.encode(), offset), 1.0, key, b"d" if key else b"", offset)
        for offset, text in enumerate(texts, first)
    )
    return Segment("e1", first, uuid4().hex, records, may_move=True)


async def two_nodes(server: Valkey, logs: Logs, first: Segment) -> tuple[str, Asked, Asked]:
    """Two nodes that both know a log with one segment."""
    project, one, two = new_project(), Asked(logs.log(server)), Asked(logs.log(server))
    assert isinstance(await one.append(project, first), Committed)
    await two.opened(project)
    return project, one, two


async def test_a_writer_that_was_late_is_written_behind_what_it_missed(server: Valkey, logs: Logs) -> None:
    project, one, two = await two_nodes(server, logs, movable(1, "a"))
    assert await one.append(project, movable(2, "b", "c")) == Committed()
    late = movable(2, "d", "e")
    answer = await two.append(project, late)
    assert isinstance(answer, Committed)
    assert answer.moved is not None
    assert (answer.moved.first, answer.moved.writer) == (4, late.writer)
    assert [record.payload for record in answer.moved.records] == [b'{"t":"d","offset":4}', b'{"t":"e","offset":5}']
    assert [(part.first, part.last) for part in answer.missed] == [(2, 3)]
    whole = payloads_of(await one.opened(project))
    assert whole == [b'{"t":"%b","offset":%d}' % (b"abcde"[index : index + 1], index + 1) for index in range(5)]
    assert await two.append(project, movable(6, "f")) == Committed()


@pytest.mark.parametrize(("theirs", "ours", "is_moved"), [("k", "k", False), ("k", "other", True), ("", "k", True)])
async def test_a_key_that_was_missed_forbids_the_move(
    server: Valkey, logs: Logs, theirs: str, ours: str, is_moved: bool
) -> None:
    project, one, two = await two_nodes(server, logs, movable(1, "a"))
    await one.append(project, movable(2, "b", key=theirs))
    answer = await two.append(project, movable(2, "c", key=ours))
    assert isinstance(answer, Committed if is_moved else Behind)


async def test_a_segment_that_may_not_move_is_behind(server: Valkey, logs: Logs) -> None:
    project, one, two = await two_nodes(server, logs, movable(1, "a"))
    await one.append(project, movable(2, "b"))
    assert isinstance(await two.append(project, made(2, [b"c"])), Behind)


async def test_as_many_missed_segments_as_allowed_and_one_more(valkeys: Valkeys, logs: Logs) -> None:
    server = valkeys[NEWEST]
    for extra, expected in ((0, Committed), (1, Behind)):
        project, one, two = await two_nodes(server, logs, movable(1, "a"))
        for index in range(MISSED_ENTRIES_MAX + extra):
            await one.append(project, movable(2 + index, "b"))
        assert isinstance(await two.append(project, movable(2, "c")), expected)


async def test_as_many_missed_bytes_as_allowed_and_more(valkeys: Valkeys, logs: Logs) -> None:
    server = valkeys[NEWEST]
    for size, expected in ((MISSED_BYTES_MAX - 100, Committed), (MISSED_BYTES_MAX, Behind)):
        project, one, two = await two_nodes(server, logs, movable(1, "a"))
        await one.append(project, movable(2, "b" * size))
        assert isinstance(await two.append(project, movable(2, "c")), expected)


async def test_a_segment_whose_answer_was_lost_is_committed_once(server: Valkey, logs: Logs) -> None:
    """It never stands twice, even if the server moved it."""
    project, one, two = await two_nodes(server, logs, movable(1, "a"))
    first, late = movable(2, "b"), movable(2, "c")
    again = Asked(logs.log(server))
    await again.opened(project)  # knows the log as it was before
    third = Asked(logs.log(server))
    await third.opened(project)
    await one.append(project, first)
    assert await again.append(project, first) == Committed()
    await two.append(project, late)
    assert isinstance(await third.append(project, late), Behind)
    assert [part.writer for part in (await one.opened(project)).segments][1:] == [first.writer, late.writer]


async def test_a_log_is_trimmed_by_count(server: Valkey, logs: Logs) -> None:
    project, store = new_project(), Asked(logs.log(server, ValkeyLogOptions(LogLimits(messages=10))))
    for first in range(1, 129):
        await store.append(project, made(first, [b"%d" % first]))
    tail = await store.opened(project)
    assert (tail.floor, payloads_of(tail)[0]) == (118, b"119")
    reached = await store.followed(project, 5)
    assert (list(reached.segments), reached.floor) == ([], 118)


async def test_a_log_is_trimmed_by_bytes(valkeys: Valkeys, logs: Logs) -> None:
    options = ValkeyLogOptions(LogLimits(bytes=10_000))
    project, store = new_project(), Asked(logs.log(valkeys[NEWEST], options))
    for first in range(1, 65):
        await store.append(project, made(first, [b"x" * 1000]))
    assert (await store.opened(project)).floor == 54


async def test_a_log_is_trimmed_by_age(valkeys: Valkeys, logs: Logs, clock: SteeredClock) -> None:
    options = ValkeyLogOptions(LogLimits(seconds=60))
    project, store = new_project(), Asked(logs.log(valkeys[NEWEST], options))
    for first in range(1, 65):
        await store.append(project, made(first, [b"x"]))
        clock.advance(2)
    assert (await store.opened(project)).floor == 33


async def test_young_keys_stay_as_long_as_the_log_is_small(valkeys: Valkeys, logs: Logs, clock: SteeredClock) -> None:
    options = ValkeyLogOptions(LogLimits(messages=1, bytes=40_000), key_seconds=10, keyed_bytes=10_000)
    project, store = new_project(), Asked(logs.log(valkeys[NEWEST], options))
    for first in range(1, 65):
        await store.append(project, movable(first, "a", key=f"k{first}"))
    assert (await store.opened(project)).floor == 0
    clock.advance(11)
    for first in range(65, 129):
        await store.append(project, movable(first, "a", key=f"k{first}"))
    assert (await store.opened(project)).floor == 64
    for first in range(129, 193):
        await store.append(project, movable(first, "a" * 1000, key=f"k{first}"))
    assert (await store.opened(project)).floor == 182


async def test_the_end_and_the_stream_expire(server: Valkey, logs: Logs) -> None:
    project, store = new_project(), logs.log(server)
    link: Link = logs.link(server)
    await Asked(store).append(project, made(1, [b"a"]))
    for key in store.keys(project):
        ttl = await link.ask("TTL", key)
        assert isinstance(ttl, int)
        assert 3600 < ttl <= 2 * 86_400
