"""What a node remembers of logs, and how much at most."""

import pytest

from websocket_handler.adapters.valkey.ends import ENTRIES_MAX, LOG_BYTES_MAX, KnownEnds
from websocket_handler.adapters.valkey.entry import Entry


def entry(last: int, size: int = 10) -> Entry:
    """A segment with one publication."""
    return Entry(last, last, f"w{last}", f"w{last - 1}", b"x" * size, "")


@pytest.fixture
def ends() -> KnownEnds:
    return KnownEnds(logs_max=2, bytes_max=10 * LOG_BYTES_MAX)


def saw(ends: KnownEnds, last: int, *entries: Entry, project: str = "p", epoch: str = "e") -> None:
    ends.saw(project, epoch, last, f"w{last}", entries)


def kept(ends: KnownEnds, project: str = "p") -> list[int]:
    known = ends.get(project)
    assert known is not None
    return [each.last for each in known.entries]


def test_the_newest_segments_are_kept_without_a_hole(ends: KnownEnds) -> None:
    saw(ends, 3, entry(2), entry(3))
    saw(ends, 4, entry(3), entry(4))
    assert kept(ends) == [2, 3, 4]
    saw(ends, 7, entry(6), entry(7))
    assert kept(ends) == [6, 7]
    saw(ends, 9, entry(8))  # the end is further on than what was read
    assert kept(ends) == []
    assert ends.bytes == 0


def test_what_follows_a_segment_of_a_certain_writer(ends: KnownEnds) -> None:
    saw(ends, 4, entry(2), entry(3), entry(4))
    known = ends.get("p")
    assert known is not None
    assert known.tail_after(2, "w2") == [entry(3), entry(4)]
    assert known.tail_after(1, "w1") == [entry(2), entry(3), entry(4)]
    assert known.tail_after(2, "another") is None
    assert known.tail_after(0, "") is None
    assert known.tail_after(4, "w4") is None


def test_another_epoch_and_a_lower_head_begin_anew(ends: KnownEnds) -> None:
    saw(ends, 4, entry(3), entry(4))
    saw(ends, 4, entry(4), epoch="f")
    assert kept(ends) == [4]
    saw(ends, 2, entry(2), epoch="f")
    assert kept(ends) == [2]
    assert ends.bytes == 10


def test_as_many_segments_as_allowed_and_one_more(ends: KnownEnds) -> None:
    saw(ends, ENTRIES_MAX, *[entry(last) for last in range(1, ENTRIES_MAX + 1)])
    assert len(kept(ends)) == ENTRIES_MAX
    saw(ends, ENTRIES_MAX + 1, entry(ENTRIES_MAX + 1))
    assert kept(ends)[0] == 2


def test_as_many_bytes_of_a_log_as_allowed_and_one_more(ends: KnownEnds) -> None:
    saw(ends, 2, entry(1, LOG_BYTES_MAX - 1), entry(2, 1))
    assert kept(ends) == [1, 2]
    saw(ends, 3, entry(3, 1))
    assert kept(ends) == [2, 3]
    saw(ends, 4, entry(4, LOG_BYTES_MAX + 1))
    assert kept(ends) == [4]


def test_as_many_logs_as_allowed_and_one_more(ends: KnownEnds) -> None:
    for project in ("a", "b"):
        saw(ends, 1, entry(1), project=project)
    saw(ends, 2, entry(2), project="a")
    saw(ends, 1, entry(1), project="c")
    assert (len(ends), ends.get("b"), ends.bytes) == (2, None, 30)


def test_as_many_bytes_in_all_as_allowed_and_one_more() -> None:
    """The end itself stays known."""
    ends = KnownEnds(logs_max=9, bytes_max=20)
    saw(ends, 1, entry(1), project="a")
    saw(ends, 1, entry(1), project="b")
    assert (kept(ends, "a"), kept(ends, "b")) == ([1], [1])
    saw(ends, 1, entry(1, 1), project="c")
    assert (kept(ends, "a"), kept(ends, "b"), kept(ends, "c")) == ([], [1], [1])
