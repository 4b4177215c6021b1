"""Whoever opens a log hears of it, and whoever writes tells the others."""

from tests.support.doubles import HandStore, tail
from websocket_handler.adapters.announced import AnnouncedLogStore
from websocket_handler.ports.backplane import NoBackplane
from websocket_handler.ports.log_store import Behind, Committed, Record, Segment, Tail, TooLarge, Unavailable


class NotedBackplane(NoBackplane):
    """Notes what it is asked."""

    def __init__(self, said: list[object]) -> None:
        self._said = said

    def follow(self, project_id: str) -> None:
        self._said.append(("follow", project_id))

    def announce(self, project_id: str, epoch: str, head: int) -> None:
        self._said.append((project_id, epoch, head))


def segment(first: int) -> Segment:
    return Segment("e", first, "w", (Record(b"a", 1.0, offset=first), Record(b"b", 1.0, offset=first + 1)))


def said_after(answer: Committed | Behind | TooLarge | Unavailable) -> list[object]:
    """What happens, in order, when the store answers a write so."""
    said: list[object] = []
    hand = HandStore()
    store = AnnouncedLogStore(hand, NotedBackplane(said))
    store.append("p", segment(3), said.append)
    hand.appended(answer)
    return said


def test_a_segment_is_announced_once_it_is_committed() -> None:
    committed = Committed()
    assert said_after(committed) == [("p", "e", 4), committed]


def test_a_moved_segment_is_announced_where_it_stands() -> None:
    moved = Committed((), segment(7))
    assert said_after(moved) == [("p", "e", 8), moved]


def test_what_is_not_committed_is_not_announced() -> None:
    for answer in (Behind(), TooLarge(), Unavailable("down")):
        assert said_after(answer) == [answer]


def test_a_log_is_followed_before_it_is_read() -> None:
    said: list[object] = []
    hand = HandStore()
    end: Tail = tail(1, 3)
    AnnouncedLogStore(hand, NotedBackplane(said)).open("p", said.append)
    hand.opened(end)
    assert said == [("follow", "p"), end]
