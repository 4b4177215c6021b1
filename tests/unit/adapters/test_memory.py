"""What the memory adapters promise beyond their ports: a bound for all logs together, and nodes of one process."""

import asyncio
from collections.abc import Sequence

from tests.support.clock import SteeredClock
from tests.support.doubles import NEVER_OLD, WALL, records
from websocket_handler.adapters.memory import READ_BYTES_MAX, MemoryLogStore, MemoryPeers
from websocket_handler.hub.log import PUBLICATION_OVERHEAD_BYTES, LogLimits, Publication
from websocket_handler.ports.log_store import Behind, Committed, Segment, Snapshot, Tail
from websocket_handler.ports.peers import PEER_LIFETIME_S

SIZE = 1000
ONE = SIZE + PUBLICATION_OVERHEAD_BYTES
"""What a publication of this size takes in memory."""
LARGE = LogLimits(messages=1000, bytes=100_000_000, seconds=1e9)


class Shelf:
    """A store that answers at once."""

    def __init__(self, bytes_max: int = 1_000_000, limits: LogLimits = NEVER_OLD) -> None:
        self.clock = SteeredClock(wall=WALL)
        self.store = MemoryLogStore(self.clock, limits, bytes_max)

    def append(self, project_id: str, first: int, count: int = 1, *, epoch: str = "e", size: int = SIZE) -> object:
        """What the store says to a segment."""
        wall = self.clock.wall()
        made = [Publication(b"x" * size, wall, "", b"", offset) for offset in range(first, first + count)]
        answers: list[object] = []
        self.store.append(project_id, Segment(epoch, first, "w", made), answers.append)
        (answer,) = answers
        return answer

    def open(self, project_id: str) -> Tail:
        """The tail that the store gives for an open."""
        answers: list[object] = []
        self.store.open(project_id, answers.append)
        (answer,) = answers
        assert isinstance(answer, Tail)
        return answer

    def read(self, project_id: str, after: int) -> Tail:
        """What follows an offset."""
        answers: list[object] = []
        self.store.read(project_id, after, answers.append)
        (answer,) = answers
        assert isinstance(answer, Tail)
        return answer


def offsets(tail: Tail) -> Sequence[int]:
    return [record.offset for segment in tail.segments for record in segment.records]


def test_at_the_bound_every_log_stays_and_beyond_it_the_one_that_was_written_longest_ago_goes() -> None:
    shelf = Shelf(bytes_max=3 * ONE)
    for project_id in "abc":
        assert shelf.append(project_id, 1) == Committed()
    assert [shelf.open(project_id).head for project_id in "abc"] == [1, 1, 1]
    shelf.append("a", 2)
    assert [shelf.open(project_id).epoch for project_id in "abc"] == ["e", None, "e"]


def test_the_log_that_is_written_stays_however_large_it_is() -> None:
    shelf = Shelf(bytes_max=2 * ONE)
    shelf.append("b", 1)
    shelf.append("a", 1, count=10)
    assert [shelf.open(project_id).epoch for project_id in "ab"] == ["e", None]
    assert offsets(shelf.open("a")) == list(range(1, 11)), "an open reads up to the head"


def test_a_log_that_was_let_go_of_is_not_continued_but_begun_anew() -> None:
    shelf = Shelf(bytes_max=ONE)
    shelf.append("a", 1)
    shelf.append("b", 1)
    assert shelf.append("a", 2) == Behind()
    assert shelf.append("a", 1, epoch="f") == Committed()
    assert (shelf.open("a").epoch, shelf.open("a").head) == ("f", 1)


def test_what_a_log_lets_go_of_by_itself_makes_room_for_others() -> None:
    shelf = Shelf(bytes_max=2 * ONE, limits=LogLimits(messages=1, bytes=1_000_000, seconds=10))
    for offset in range(1, 6):
        shelf.append("a", offset)
    shelf.append("b", 1)
    assert (offsets(shelf.open("a")), offsets(shelf.open("b"))) == ([5], [1])
    shelf.clock.advance(11)
    assert (offsets(shelf.open("a")), shelf.open("a").floor, shelf.open("a").head) == ([], 5, 5)
    shelf.append("c", 1, count=1)
    assert shelf.open("b").epoch == "e", "what is too old in one log is counted no more"


def test_a_read_gives_a_page_and_the_next_read_goes_on() -> None:
    shelf = Shelf(bytes_max=100_000_000, limits=LARGE)
    size = READ_BYTES_MAX // 4
    shelf.append("p", 1, count=6, size=size)
    assert offsets(shelf.read("p", 0)) == [1, 2, 3, 4]
    assert offsets(shelf.read("p", 4)) == [5, 6]
    assert shelf.read("p", 6).segments == ()
    shelf.append("q", 1, count=MemoryLogStore.limits.messages, size=1)
    shelf.append("q", MemoryLogStore.limits.messages + 1, size=1)
    assert len(offsets(shelf.read("q", 0))) == MemoryLogStore.limits.messages


def test_a_publication_larger_than_a_page_is_read_alone() -> None:
    shelf = Shelf(bytes_max=100_000_000, limits=LARGE)
    shelf.append("p", 1, size=READ_BYTES_MAX + 1)
    shelf.append("p", 2, size=1)
    assert offsets(shelf.read("p", 0)) == [1]


def test_what_is_no_longer_there_is_told_by_the_floor() -> None:
    shelf = Shelf(limits=LogLimits(messages=2, bytes=1_000_000, seconds=1e9))
    shelf.append("p", 1, count=2)
    shelf.append("p", 3)
    tail = shelf.read("p", 0)
    assert (tail.head, tail.floor, offsets(tail)) == (3, 1, [])
    assert offsets(shelf.read("p", 1)) == [2, 3]


def test_the_node_reads_the_log_in_place_and_what_it_removes_makes_room() -> None:
    shelf = Shelf(bytes_max=3 * ONE)
    answers: list[object] = []
    shelf.store.append("a", Segment("e", 1, "w", records(1, 1)), answers.append)
    (first,) = answers
    assert isinstance(first, Committed)
    log = first.log
    assert log is not None
    shelf.append("a", 2)
    shelf.append("a", 3)
    assert (log.head, len(log), shelf.open("a").log) == (3, 3, log)
    log.shrink(0)
    shelf.append("a", 4)
    shelf.append("b", 1, count=2)
    assert [shelf.open(project_id).epoch for project_id in "ab"] == ["e", "e"], "the total knows what was removed"
    shelf.append("b", 3)
    assert [shelf.open(project_id).epoch for project_id in "ab"] == [None, "e"]


def test_logs_of_several_nodes_are_not_given_away() -> None:
    shelf = Shelf()
    shelf.store.is_shared = True
    shelf.append("a", 1)
    assert shelf.open("a").log is None


def test_a_store_in_memory_is_always_there_and_this_nodes_alone() -> None:
    store = Shelf().store
    asyncio.run(store.check())
    assert (store.failure(), store.is_shared) == (None, False)


def test_what_was_read_is_what_was_written() -> None:
    shelf = Shelf()
    written = records(1, 3, key="k")
    shelf.store.append("p", Segment("e", 1, "w", written), lambda _answer: None)
    (segment,) = shelf.read("p", 0).segments
    assert list(segment.records) == written


def test_a_node_counts_as_alive_until_its_announcement_is_too_old() -> None:
    async def scenario() -> None:
        peers = MemoryPeers()
        await peers.announce("one", 100.0)
        assert await peers.announce("two", 100.0 + PEER_LIFETIME_S - 0.001) == ["one"]
        assert await peers.announce("two", 100.0 + PEER_LIFETIME_S) == []
        await peers.leave("nobody")

    asyncio.run(scenario())


def test_a_snapshot_counts_with_its_log_and_goes_with_it() -> None:
    shelf = Shelf(bytes_max=3 * ONE)
    assert not shelf.store.keep("a", Snapshot("e", 1, b"x"))
    shelf.append("a", 1)
    assert not shelf.store.keep("a", Snapshot("other", 1, b"x"))
    assert not shelf.store.keep("a", Snapshot("e", 2, b"x"))
    assert shelf.store.keep("a", Snapshot("e", 1, b"x" * ONE))
    assert shelf.store.snapshot("a") == Snapshot("e", 1, b"x" * ONE)
    shelf.append("b", 1)
    assert shelf.open("a").head == 1
    shelf.append("c", 1)
    assert (shelf.open("a").head, shelf.open("b").head) == (0, 1)
    assert shelf.store.snapshot("a") is None
