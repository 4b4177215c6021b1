"""What every log store promises: the same tests for memory, DynamoDB, and every server that speaks RESP."""

import pytest

from tests.support.clock import BEGIN
from tests.support.ports_testing import (
    Asked,
    MakeStore,
    new_project,
    payloads_of,
)
from tests.support.ports_testing import segment as made
from tests.support.publications import PUBLISHED_AT_MS
from websocket_handler.hub.log import LogLimits
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.logs.queue import PublicationQueue, Waiting
from websocket_handler.ports.log_store import Behind, Committed, Record, Segment
from websocket_handler.protocol.names import OFFSET_MAX
from websocket_handler.protocol.publication import finish, prepare, read_object

pytestmark = pytest.mark.asyncio


async def test_an_unknown_project_is_empty(store: Asked) -> None:
    project = new_project()
    for tail in (await store.opened(project), await store.followed(project, 0)):
        assert (tail.epoch, tail.head, tail.floor, list(tail.segments)) == (None, 0, 0, [])
    assert store.store.failure() is None


async def test_all_nodes_begin_an_empty_log_with_the_epoch_of_the_first(make_store: MakeStore) -> None:
    one, project = make_store(LogLimits()), new_project()
    assert await one.begin(project, "e1") == "e1"
    assert await one.begin(project, "e2") == "e1"
    assert await one.begin(new_project(), "e2") == "e2"
    tail = await one.opened(project)
    assert (tail.epoch in (None, "e1"), tail.head, list(tail.segments)) == (True, 0, [])
    assert isinstance(await one.append(project, made(1, [b"a"])), Committed)
    assert await one.begin(project, "e2") == "e1"
    assert payloads_of(await one.opened(project)) == [b"a"]


async def test_a_log_may_begin_with_another_epoch_than_the_agreed_one(store: Asked) -> None:
    """Nobody depends on the agreement: one writer wins, and it is said which log there is."""
    project = new_project()
    assert await store.begin(project, "e1") == "e1"
    answer = await store.append(project, made(1, [b"a"], epoch="e2"))
    tail = await store.opened(project)
    assert (payloads_of(tail), tail.epoch) in (([b"a"], "e2"), ([], "e1"))
    assert isinstance(answer, Committed if tail.head else Behind)


async def test_what_was_appended_is_read(store: Asked) -> None:
    project = new_project()
    assert isinstance(await store.append(project, made(1, [b"a", b"b"])), Committed)
    assert isinstance(await store.append(project, made(3, [b"c"])), Committed)
    tail = await store.opened(project)
    assert (tail.epoch, tail.head, tail.floor) == ("e1", 3, 0)
    assert payloads_of(tail) == [b"a", b"b", b"c"]
    tail = await store.followed(project, 2)
    assert tail.epoch == "e1"
    assert payloads_of(tail)[-1:] == [b"c"]


async def test_segments_are_consecutive(store: Asked) -> None:
    project = new_project()
    for first in range(1, 8):
        await store.append(project, made(first, [b"%d" % first]))
    tail = await store.followed(project, 3)
    assert tail.segments[0].first <= 4
    for before, after in zip(tail.segments, tail.segments[1:], strict=False):
        assert before.last + 1 == after.first
    assert tail.segments[-1].last == 7


async def test_level_reader_keeps_the_epoch(store: Asked) -> None:
    project = new_project()
    await store.append(project, made(1, [b"a", b"b"]))
    tail = await store.followed(project, 2)
    assert (tail.epoch, tail.head, list(tail.segments)) == ("e1", 2, [])
    assert tail.floor == 0


async def test_a_place_in_the_future_is_empty(store: Asked) -> None:
    project = new_project()
    await store.append(project, made(1, [b"a"]))
    tail = await store.followed(project, 90)
    assert (tail.epoch, tail.head, list(tail.segments)) == ("e1", 1, [])


@pytest.mark.parametrize("first", [1, 2, 4, 900])
async def test_a_writer_with_another_head_is_behind(store: Asked, first: int) -> None:
    project = new_project()
    await store.append(project, made(1, [b"a", b"b"]))
    assert isinstance(await store.append(project, made(first, [b"x"])), Behind)
    assert payloads_of(await store.opened(project)) == [b"a", b"b"]


@pytest.mark.parametrize("first", [1, 3])
async def test_a_writer_with_another_epoch_is_behind(store: Asked, first: int) -> None:
    project = new_project()
    await store.append(project, made(1, [b"a", b"b"]))
    assert isinstance(await store.append(project, made(first, [b"x"], epoch="e2")), Behind)


async def test_a_lost_log_is_not_continued(store: Asked) -> None:
    assert isinstance(await store.append(new_project(), made(17, [b"a"])), Behind)


async def test_projects_do_not_mix(store: Asked) -> None:
    one, other = new_project(), new_project()
    await store.append(one, made(1, [b"one"]))
    await store.append(other, made(1, [b"other"], epoch="e2"))
    assert payloads_of(await store.opened(one)) == [b"one"]
    assert payloads_of(await store.followed(other, 0)) == [b"other"]


async def test_the_largest_segment(store: Asked) -> None:
    project, most = new_project(), store.store.limits.messages
    payloads = [b"%03d" % index + b"x" * 500 for index in range(most)]
    assert isinstance(await store.append(project, made(1, payloads)), Committed)
    assert isinstance(await store.append(project, made(most + 1, [b"next"])), Committed)
    assert payloads_of(await store.opened(project)) == [*payloads, b"next"]
    tail = await store.followed(project, most - 1)
    assert payloads_of(tail)[-2:] == [payloads[-1], b"next"]
    tail = await store.followed(project, most)
    assert payloads_of(tail)[-1] == b"next"


async def test_level_after_the_largest_segment(store: Asked) -> None:
    project, most = new_project(), store.store.limits.messages
    await store.append(project, made(1, [b"x"] * most))
    tail = await store.followed(project, most)
    assert (tail.epoch, tail.head, list(tail.segments)) == ("e1", most, [])


async def test_bytes_come_back_as_they_were(store: Asked) -> None:
    project = new_project()
    payloads = ['{"t":"é😀\u2028"}'.encode(), b'{"n":1.0 , "z":"\\u0000"}', b"y" * 65_536, bytes(range(256))]
    await store.append(project, made(1, payloads))
    assert payloads_of(await store.opened(project)) == payloads


async def test_keys_digests_and_times_come_back(store: Asked) -> None:
    project = new_project()
    written = made(1, [b"a"], at=BEGIN - 0.25)
    record = type(written.records[0])(b"a", BEGIN - 0.25, "key:1", b"\x00digest", 1)
    await store.append(project, type(written)("e1", 1, "writer", (record,)))
    assert (await store.opened(project)).segments[0].records[0] == record


async def test_open_reaches_as_far_as_the_history(make_store: MakeStore) -> None:
    store = make_store(LogLimits(messages=10))
    project = new_project()
    for first in range(1, 31):
        await store.append(project, made(first, [b"%d" % first]))
    tail = await store.opened(project)
    assert payloads_of(tail)[-10:] == [b"%d" % offset for offset in range(21, 31)]
    assert tail.floor <= tail.segments[0].first - 1


async def test_a_read_is_bounded_and_goes_on(store: Asked) -> None:
    project = new_project()
    payload = b"z" * 60_000
    for first in range(1, 101, 5):
        assert isinstance(await store.append(project, made(first, [payload] * 5)), Committed)
    after, reads = (await store.opened(project)).floor, 0
    while after < 100:
        tail = await store.followed(project, after)
        assert 0 < sum(map(len, payloads_of(tail))) <= 1_500_000
        after, reads = tail.segments[-1].last, reads + 1
    assert after == 100


async def test_the_largest_object_is_taken_whatever_its_project_and_key_are(make_store: MakeStore) -> None:
    store, project = make_store(LogLimits(bytes=10_000_000)), new_project().ljust(128, "p")
    size = store.store.limits.object_bytes
    body = b'{"t":"%b"}' % (b"x" * (size - 8))
    assert len(body) == size
    publication = prepare(read_object(body), project, "k" * 131)
    payload = finish(publication, OFFSET_MAX, PUBLISHED_AT_MS)
    record = Record(payload, BEGIN, publication.key, publication.digest, 1)
    assert isinstance(await store.append(project, Segment("e" * 64, 1, "w" * 64, [record])), Committed)
    assert payloads_of(await store.opened(project)) == [payload]
    assert store.store.failure() is None


async def test_the_fullest_segment_is_taken(make_store: MakeStore) -> None:
    """As the queue of a project fills it, with the smallest objects and the longest keys."""
    store, project = make_store(LogLimits(bytes=10_000_000)), new_project().ljust(128, "p")
    queue = PublicationQueue(DeliveryLimits(pending_bytes=100_000_000))
    for number in range(3000):
        key = f"{number}".ljust(131, "k")
        queue.add(Waiting(prepare(read_object(b"{}"), project, key), lambda _answer: None))
    batch = queue.take(store.store.limits)
    first = OFFSET_MAX - len(batch)
    records = [
        Record(
            finish(each.publication, offset, PUBLISHED_AT_MS),
            BEGIN,
            each.publication.key,
            each.publication.digest,
            offset,
        )
        for offset, each in enumerate((waiting for waiting in batch), first)
    ]
    assert len(batch) > 100
    assert isinstance(await store.append(project, Segment("e" * 64, 1, "w" * 64, records)), Committed)
