"""The publications that are being written: confirmed, put back, divided or refused, each answered once."""

import pytest

from tests.support.publications import prepared
from websocket_handler.logs.batch import RACES_MAX, Batch
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.logs.queue import PublicationQueue, Waiting
from websocket_handler.ports.log_store import SegmentLimits
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.messages import Position

SIZE = prepared().size
Answers = list[Position | CommandError]


class Desk:
    """A queue with `count` publications, for which there is room for one more, and the batch in front of it."""

    def __init__(self, count: int, limits: SegmentLimits | None = None) -> None:
        self.answers: Answers = []
        self.queue = PublicationQueue(DeliveryLimits(pending_messages=count + 1))
        for _ in range(count):
            self.queue.add(Waiting(prepared(), self.answers.append))
        self.batch = Batch(self.queue, limits or SegmentLimits(100, 1_000_000))

    def begin(self) -> list[Waiting]:
        """Begin to write what fits into the next segment."""
        written = self.batch.next_ones()
        self.batch.begin(written)
        return written


def test_what_is_being_written_counts_as_waiting() -> None:
    desk = Desk(3, SegmentLimits(2, 1_000_000))
    desk.begin()
    assert (len(desk.batch), len(desk.queue)) == (2, 1)
    desk.batch.check_room(1, SIZE)
    with pytest.raises(CommandError) as caught:
        desk.batch.check_room(2, SIZE)
    assert caught.value.code is ErrorCode.OVERLOADED
    desk.batch.commit()
    desk.batch.check_room(3, SIZE)


def test_what_lost_the_race_waits_in_front_and_may_turn_out_to_be_written_after_all() -> None:
    desk = Desk(3, SegmentLimits(2, 1_000_000))
    written = desk.begin()
    assert desk.batch.lose()
    assert (len(desk.batch), len(desk.queue)) == (0, 3)
    desk.batch.begin_again(2)
    assert desk.batch.commit() == written
    assert desk.answers == [], "the answers are given by who knows the offsets"


def test_races_are_lost_as_often_as_allowed_and_not_once_more_until_a_commit() -> None:
    desk = Desk(1)
    for _ in range(2):
        for _ in range(RACES_MAX):
            desk.begin()
            assert desk.batch.lose()
        desk.begin()
        assert not desk.batch.lose()
    desk.begin()
    assert desk.batch.lose()
    desk.begin()
    desk.batch.commit()
    assert len(desk.queue) == 0


def test_a_segment_that_is_too_large_is_halved_until_one_is_to_blame() -> None:
    desk = Desk(4)
    sizes = []
    while desk.answers == []:
        sizes.append(len(desk.begin()))
        desk.batch.divide()
    assert sizes == [4, 2, 1]
    [fault] = desk.answers
    assert isinstance(fault, CommandError)
    assert fault.code is ErrorCode.MESSAGE_TOO_LARGE
    assert len(desk.begin()) == 3, "the next segment may be as large as usual"


def test_everyone_is_refused_with_a_fault_of_their_own() -> None:
    desk = Desk(3, SegmentLimits(2, 1_000_000))
    desk.begin()
    faults = [CommandError(ErrorCode.STORE_UNAVAILABLE, f"{number}") for number in range(3)]
    rest = iter(faults)
    desk.batch.refuse_all(lambda: next(rest))
    assert desk.answers == faults
    assert (len(desk.batch), len(desk.queue)) == (0, 0)
