"""A log that nodes write for each other: who is told what, and when."""

from collections.abc import Sequence

from tests.support.doubles import DOWN, EMPTY, NEVER_OLD, Bench, HandStore, code_of, segment, tail
from websocket_handler.hub.log import Publication
from websocket_handler.logs.common_log import CommonLog, common_engine
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.ports.log_store import Committed, Segment, Tail
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.messages import Position


class Told:
    """Notes what it is told: the kind, and the offsets."""

    def __init__(self) -> None:
        self.events: list[tuple[str, list[int]]] = []

    def began(self, entries: Sequence[Publication]) -> None:
        self.events.append(("began", [entry.offset for entry in entries]))

    def went_on(self, entries: Sequence[Publication]) -> None:
        self.events.append(("went on", [entry.offset for entry in entries]))


def met(at: Tail | None = None) -> tuple[HandStore, Bench, Told, CommonLog]:
    """A node that has asked for a common log, and got it if `at` says how it looks."""
    bench, told = Bench(), Told()
    store = HandStore()
    log = CommonLog("~common", common_engine(bench.engine, store, NEVER_OLD), told)
    if at is not None:
        store.opened(at)
    return store, bench, told, log


def test_entries_never_gather_as_publications_may() -> None:
    bench = Bench(DeliveryLimits(commit_linger_s=0.5))
    assert bench.engine.pace is not None
    assert common_engine(bench.engine, HandStore(), NEVER_OLD).pace is None


def test_what_was_there_is_told_apart_from_what_comes() -> None:
    store, _, told, log = met(tail(1, 3))
    assert told.events == [("began", [1, 2, 3])]
    log.look()
    store.answer_read(tail(4, 5, floor=0))
    assert told.events[1:] == [("went on", [4, 5])]


def test_an_own_entry_is_told_once_the_store_has_it_and_before_its_writer_is_answered() -> None:
    store, bench, told, log = met(tail(1, 3))
    answers: list[Position | CommandError] = []

    def answered(answer: Position | CommandError) -> None:
        answers.append(answer)
        told.events.append(("answered", []))

    log.write(b"as it came", answered)
    bench.scheduler.settle()
    assert len(told.events) == 1
    written = store.appended(Committed())
    assert [record.payload for record in written.records] == [b"as it came"]
    assert told.events[1:] == [("went on", [4]), ("answered", [])]
    assert answers == [Position("e", 4)]
    assert (bench.counters.publications, bench.counters.segments) == (0, 0), "it is no publication"


def test_after_a_hole_each_entry_that_is_left_is_told_once() -> None:
    store, _, told, log = met(tail(1, 3))
    log.look()
    store.answer_read(Tail("e", 9, 6, ()))
    store.opened(Tail("e", 9, 1, (segment(2, 9),)))
    assert told.events[1:] == [("went on", [4, 5, 6, 7, 8, 9])]


def test_another_log_is_told_from_its_beginning() -> None:
    store, _, told, log = met(tail(1, 3))
    log.look()
    store.answer_read(Tail("f", 2, 0, ()))
    store.opened(Tail("f", 2, 0, (Segment("f", 1, "other", segment(1, 2).records),)))
    assert told.events[1:] == [("began", [1, 2])]


def test_nothing_is_old_in_a_log_that_was_empty_when_this_node_met_it() -> None:
    """Several nodes that start together each begin an epoch; that of the first entry stays."""
    store, _, told, log = met(EMPTY)
    assert (told.events, log.is_known) == ([("began", [])], True)
    log.look()
    store.answer_read(Tail("f", 1, 0, (Segment("f", 1, "other", segment(1, 1).records),)))
    store.opened(Tail("f", 1, 0, (Segment("f", 1, "other", segment(1, 1).records),)))
    assert told.events[1:] == [("went on", [1])]


def test_the_log_is_asked_for_again_until_the_store_answers() -> None:
    store, _, told, log = met()
    store.opened(DOWN)
    assert (log.is_known, log.is_followed, log.is_idle, told.events) == (False, True, False, [])
    log.look()
    store.opened(tail(1, 2))
    assert (log.is_known, told.events) == (True, [("began", [1, 2])])


def test_an_entry_that_could_not_be_written_is_refused() -> None:
    store, bench, told, log = met(tail(1, 3))
    answers: list[Position | CommandError] = []
    log.write(b"{}", answers.append)
    bench.scheduler.settle()
    store.appended(DOWN)
    assert [code_of(answer) for answer in answers] == [ErrorCode.STORE_UNAVAILABLE]
    assert len(told.events) == 1
