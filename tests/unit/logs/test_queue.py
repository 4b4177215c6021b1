"""Publications that wait: bounded, in order, each answered once."""

import pytest

from tests.support.publications import prepared
from websocket_handler.hub.keys import KeyWindow
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.logs.queue import RECORD_OVERHEAD_BYTES, PublicationQueue, Waiting, without_known
from websocket_handler.ports.log_store import SegmentLimits
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.messages import Position

SIZE = prepared().size
Answers = list[Position | CommandError]


def waiting(answers: Answers, body: bytes = b"{}", key: str = "") -> Waiting:
    """A publication whose answers are noted."""
    return Waiting(prepared(body, key), answers.append)


def full(count: int) -> PublicationQueue:
    """A queue with so many."""
    queue = PublicationQueue(DeliveryLimits(pending_messages=count, pending_bytes=count * SIZE))
    for _ in range(count):
        queue.add(waiting([]))
    return queue


@pytest.mark.parametrize(("count", "size"), [(1, 0), (0, 1)])
def test_at_its_maximum_a_queue_is_overloaded(count: int, size: int) -> None:
    queue = full(3)
    queue.check_room(0, 0)
    with pytest.raises(CommandError) as caught:
        queue.check_room(count, size)
    assert caught.value.code is ErrorCode.OVERLOADED


def test_a_segment_takes_as_many_as_it_may_and_as_many_bytes() -> None:
    each = SIZE + RECORD_OVERHEAD_BYTES
    assert len(full(5).take(SegmentLimits(3, 10_000))) == 3
    assert len(full(5).take(SegmentLimits(10, 3 * each))) == 3
    assert len(full(5).take(SegmentLimits(10, 3 * each - 1))) == 2
    assert len(full(5).take(SegmentLimits(10, 1))) == 1, "one that is larger than a segment goes alone"


def test_what_is_put_back_stands_in_front_in_its_order() -> None:
    queue = full(4)
    batch = queue.take(SegmentLimits(2, 10_000))
    queue.add(waiting([]))
    queue.put_back(batch)
    assert (len(queue), queue.bytes) == (5, 5 * SIZE)
    assert queue.take_again(2) == batch
    assert (len(queue), queue.bytes) == (3, 3 * SIZE)
    assert len(queue.take_all()) == 3
    assert (len(queue), queue.bytes) == (0, 0)


def test_ten_thousand_publishers_of_one_key_are_all_answered() -> None:
    answers: Answers = []
    batch = [waiting(answers, key="k") for _ in range(10_000)]
    (first,), later = without_known(batch, KeyWindow(10, 60.0), "e", 0.0)
    assert later == ()
    assert answers == []
    first.answer(Position("e", 1))
    assert answers == [Position("e", 1)] * 10_000


def test_a_known_key_is_answered_and_a_conflict_is_told() -> None:
    keys = KeyWindow(10, 60.0)
    keys.remember("k", prepared(b'{"a":1}', "k").digest, 7, 0.0)
    same: Answers = []
    other: Answers = []
    new: Answers = []
    batch = [waiting(same, b'{"a":1}', "k"), waiting(other, b'{"a":2}', "k"), waiting(new, b'{"a":2}', "l")]
    assert without_known(batch, keys, "e", 1.0) == ([batch[2]], ())
    assert same == [Position("e", 7)]
    assert isinstance(other[0], CommandError)
    assert other[0].code is ErrorCode.CONFLICT
    assert new == []


def test_a_second_body_under_a_key_waits_for_the_first_with_all_behind_it() -> None:
    answers: Answers = []
    batch = [
        waiting(answers, b'{"a":1}', "k"),
        waiting(answers, b'{"a":1}', "k"),
        waiting(answers, b'{"a":2}', "k"),
        waiting(answers, b'{"b":1}'),
    ]
    assert without_known(batch, KeyWindow(10, 60.0), "e", 0.0) == ([batch[0]], batch[2:])
    assert answers == []
