"""Updates of a producer in order again, whatever order they come in. Time is an argument."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

from hypothesis import given
from hypothesis import strategies as st

from websocket_handler.hub.order_window import (
    FIRST_WAIT_S,
    Gap,
    GapReason,
    OrderLimits,
    OrderWindow,
    Released,
    Source,
)
from websocket_handler.hub.producers import NONE_YET

A: Final = Source("p", "a")
B: Final = Source("p", "b")
WAIT_S: Final = 40.0
LOOK_S: Final = 15.0
"""The longest pause between two looks at what is overdue."""


class Bench:
    """A window whose items are pairs of a sequence and when it came."""

    def __init__(self, limits: OrderLimits | None = None) -> None:
        self.window: OrderWindow[tuple[int, float]] = OrderWindow(limits or OrderLimits())
        self.gone: list[Released[tuple[int, float]]] = []

    def offer(
        self, *sequences: int, source: Source = A, logged: int = NONE_YET, now: float = 0.0, size: int = 1
    ) -> list[int]:
        """Offer updates; which go on."""
        released: list[Released[tuple[int, float]]] = []
        for sequence in sequences:
            item = (sequence, now)
            released += self.window.offer(source, sequence, item, size=size, logged=logged, wait_s=WAIT_S, now=now)
        return self._note(released)

    def close(self, now: float) -> list[int]:
        return self._note(self.window.close_overdue(now))

    def advance(self, logged: int, source: Source = A) -> list[int]:
        return self._note(self.window.advance(source, logged))

    def _note(self, released: Sequence[Released[tuple[int, float]]]) -> list[int]:
        self.gone += released
        return [one.item[0] for one in released]

    @property
    def sequences(self) -> list[int]:
        return [one.item[0] for one in self.gone]

    @property
    def gaps(self) -> list[Gap]:
        return [one.gap for one in self.gone if one.gap is not None]

    @property
    def behind(self) -> list[int]:
        return [one.item[0] for one in self.gone if one.is_behind]


def test_what_is_next_goes_on_at_once_and_what_is_ahead_waits_for_it() -> None:
    bench = Bench()
    assert bench.offer(0) == [0]
    assert bench.offer(3, 2) == []
    assert bench.window.count == bench.window.bytes == 2
    assert bench.offer(1) == [1, 2, 3]
    assert bench.window.count == bench.window.bytes == 0
    assert not bench.window.blocked
    assert (bench.gaps, bench.behind) == ([], [])


def test_a_producer_begins_with_0_at_once() -> None:
    assert Bench().offer(0, 1, 2) == [0, 1, 2]


def test_a_producer_may_begin_with_1_which_waits_for_a_0_only_shortly() -> None:
    bench = Bench()
    assert bench.offer(2, 1) == []
    assert bench.close(FIRST_WAIT_S - 0.01) == []
    assert bench.close(FIRST_WAIT_S) == [1, 2]
    assert bench.gaps == []
    early = Bench()
    assert early.offer(1) == []
    assert early.offer(0, now=0.3) == [0, 1]


def test_1_waits_for_its_0_like_any_other_once_the_producer_is_known() -> None:
    bench = Bench()
    assert bench.offer(1, logged=0) == [1]


def test_whoever_begins_elsewhere_waits_and_goes_on_in_order() -> None:
    bench = Bench()
    assert bench.offer(102, 101, 100) == []
    assert bench.close(WAIT_S - 0.01) == []
    assert bench.close(WAIT_S) == [100, 101, 102]
    assert bench.gaps == [Gap(A, 0, 100, GapReason.TIME)]


def test_the_log_tells_how_far_a_producer_has_come() -> None:
    assert Bench().offer(58, logged=57) == [58]
    bench = Bench()
    assert bench.offer(7, 9) == []
    assert bench.advance(5) == []
    assert bench.advance(6) == [7]
    assert bench.advance(20) == [9]
    assert bench.behind == [9], "another node was faster: the log knows if it is a double"
    assert bench.advance(3, B) == []


def test_producers_do_not_wait_for_each_other() -> None:
    bench = Bench()
    assert bench.offer(5) == []
    assert bench.offer(0, 1, source=B) == [0, 1]
    assert bench.offer(0, source=Source("q", "a")) == [0]
    assert bench.window.blocked == [A]


def test_doubles_and_late_ones_go_on_at_once_for_the_log_to_judge() -> None:
    bench = Bench()
    bench.offer(0, 1, 2)
    assert bench.offer(1, 1, 0) == [1, 1, 0]
    assert bench.behind == [1, 1, 0]
    assert bench.offer(4, 4) == []
    assert bench.offer(3) == [3, 4, 4]
    assert bench.behind == [1, 1, 0, 4]


def test_an_update_waits_as_long_as_promised_and_takes_those_before_it_along() -> None:
    bench = Bench()
    bench.offer(0)
    bench.offer(9)
    bench.offer(3, 4, 7, now=20.0)
    assert bench.close(WAIT_S) == [3, 4, 7, 9]
    assert bench.gaps == [
        Gap(A, 1, 3, GapReason.TIME),
        Gap(A, 5, 7, GapReason.TIME),
        Gap(A, 8, 9, GapReason.TIME),
    ]


def test_what_came_later_goes_on_waiting() -> None:
    bench = Bench()
    bench.offer(0)
    bench.offer(3)
    bench.offer(9, now=20.0)
    assert bench.close(WAIT_S) == [3]
    assert bench.close(WAIT_S + 19.9) == []
    assert bench.offer(4, now=WAIT_S + 19.9) == [4]
    assert bench.close(WAIT_S + 20.0) == [9]


def test_at_the_maximum_of_a_producer_all_wait_and_beyond_it_the_first_go_on() -> None:
    bench = Bench(OrderLimits(per_producer=3))
    assert bench.offer(0, 2, 3, 9) == [0]
    assert bench.offer(0, 5, source=B) == [0]
    assert bench.offer(6) == [2, 3]
    assert bench.gaps == [Gap(A, 1, 2, GapReason.PRODUCER)]
    assert bench.window.count == 3


def test_at_the_maximum_of_all_everybody_waits_and_beyond_it_who_waits_longest_goes_on() -> None:
    bench = Bench(OrderLimits(count=3))
    bench.offer(5, 6, source=B)
    assert bench.offer(5) == []
    assert bench.offer(7) == [5, 6]
    assert bench.gaps == [Gap(B, 0, 5, GapReason.TOTAL)]
    assert bench.window.blocked == [A]


def test_at_the_maximum_of_bytes_all_wait_and_beyond_it_who_waits_longest_goes_on() -> None:
    bench = Bench(OrderLimits(bytes=100))
    assert bench.offer(5, source=B, size=60) == []
    assert bench.offer(5, size=40) == []
    assert bench.window.bytes == 100
    assert bench.offer(7, size=1) == [5]
    assert [gap.source for gap in bench.gaps] == [B]
    assert bench.window.bytes == 41
    assert bench.offer(9, size=101) == [5, 7, 9], "nothing is too large to be published"
    assert bench.window.count == 0


def test_beyond_the_maximum_the_producer_of_long_ago_is_forgotten_unless_it_waits() -> None:
    bench = Bench(OrderLimits(known=3))
    bench.offer(0, 2)
    bench.offer(0, source=B)
    bench.offer(0, source=Source("p", "c"))
    assert bench.offer(1, source=B) == [1], "three are known"
    bench.offer(0, source=Source("p", "d"))
    bench.offer(0, source=Source("p", "e"))
    assert bench.offer(1) == [1, 2], "who waits is not forgotten"
    assert bench.offer(1, source=Source("p", "e")) == [1]
    assert bench.offer(1, source=Source("p", "c")) == [], "forgotten: only the log would tell"


def test_after_what_went_on_was_lost_only_the_log_counts() -> None:
    bench = Bench()
    bench.offer(0, 1, 2)
    bench.window.forget(A)
    assert bench.offer(2, logged=0) == []
    assert bench.offer(1, logged=0) == [1, 2]
    bench.window.forget(B)


def test_everything_that_waits_can_be_taken_out() -> None:
    bench = Bench()
    bench.offer(3, 2)
    bench.offer(7, source=B)
    assert [item[0] for item in bench.window.take_all()] == [2, 3, 7]
    assert (bench.window.count, bench.window.bytes, bench.window.blocked) == (0, 0, [])
    assert bench.offer(0, 1) == [0, 1]


@given(st.permutations(range(30)), st.integers(0, 1))
def test_any_order_of_arrival_within_the_window_comes_out_in_order(arrivals: list[int], first: int) -> None:
    bench = Bench()
    for index, sequence in enumerate(arrivals):
        bench.offer(first + sequence, now=0.01 * index)  # all within the short wait of 1 for 0
    bench.close(FIRST_WAIT_S + 0.3)
    assert bench.sequences == list(range(first, first + 30))
    assert (bench.gaps, bench.behind) == ([], [])


arrival = st.tuples(st.sampled_from([A, B]), st.integers(0, 12), st.floats(0, LOOK_S), st.integers(1, 40))
small = st.builds(
    OrderLimits,
    per_producer=st.integers(1, 6),
    count=st.integers(1, 8),
    bytes=st.integers(1, 150),
    known=st.just(10),
)


@given(small, st.lists(arrival, max_size=60), st.lists(st.tuples(st.integers(0, 59), st.integers(0, 12))))
def test_whatever_comes_goes_on_once_in_order_within_the_maxima_and_in_time(
    limits: OrderLimits, arrivals: list[tuple[Source, int, float, int]], logged: list[tuple[int, int]]
) -> None:
    """Doubles, losses, updates of other nodes, any times: nothing is lost or doubled, and disorder is always told."""
    bench, now, number = Bench(limits), 0.0, 0
    offered: list[tuple[Source, int, float]] = []
    window = bench.window
    gone: list[tuple[Source, Released[tuple[int, float]], float]] = []
    logs = dict(logged)
    for number, (source, sequence, pause_s, size) in enumerate(arrivals):
        now += pause_s
        closed = window.close_overdue(now)
        released = window.offer(
            source,
            sequence,
            (number, now),
            size=size,
            logged=logs.get(number, NONE_YET),
            wait_s=WAIT_S,
            now=now,
        )
        offered.append((source, sequence, now))
        gone += [(offered[one.item[0]][0], one, now) for one in (*closed, *released)]
        assert window.count <= limits.count
        assert window.bytes <= limits.bytes
        assert len(window.blocked) <= window.count
    while window.count:
        now += LOOK_S
        gone += [(offered[one.item[0]][0], one, now) for one in window.close_overdue(now)]
    assert sorted(one.item[0] for _, one, _ in gone) == list(range(len(offered)))
    assert (window.count, window.bytes, window.blocked) == (0, 0, [])
    for source in (A, B):
        its = [(offered[one.item[0]][1], one) for of, one, _ in gone if of == source]
        ahead = [sequence for sequence, one in its if not one.is_behind]
        assert all(earlier < later for earlier, later in pairwise(ahead))
    for _, one, at in gone:
        assert at - one.item[1] <= WAIT_S + LOOK_S, "it goes on at the first look after its time"


@given(st.lists(st.tuples(st.integers(0, 20), st.floats(0, 100)), max_size=40))
def test_a_gap_is_told_exactly_where_the_next_one_is_missing(arrivals: list[tuple[int, float]]) -> None:
    bench = Bench()
    for sequence, pause_s in arrivals:
        bench.close(now := (bench.gone[-1].item[1] if bench.gone else 0.0) + pause_s)
        bench.offer(sequence, now=now)
    bench.close(float("inf"))
    reached = NONE_YET
    for one in bench.gone:
        sequence = one.item[0]
        if one.is_behind:
            assert sequence <= reached
            assert one.gap is None
            continue
        is_beginning = reached == NONE_YET and sequence == 1
        is_missing = sequence > reached + 1 and not is_beginning
        assert (one.gap is not None) == is_missing
        if one.gap is not None:
            assert (one.gap.first, one.gap.end) == (reached + 1, sequence)
        reached = sequence
