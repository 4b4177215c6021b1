"""What a node remembers of its logs, how long it may rely on it, and how much it remembers."""

from tests.support.clock import SteeredClock
from websocket_handler.adapters.aws.dynamodb_ends import KNOWLEDGE_MARGIN_S, KNOWLEDGE_S, LogEnd, LogEnds
from websocket_handler.adapters.aws.dynamodb_segment import SegmentHead
from websocket_handler.hub.log import Publication
from websocket_handler.ports.log_store import Segment


class Desk:
    """What is remembered of two logs, at a moment that the test steers."""

    def __init__(self) -> None:
        self.clock = SteeredClock()
        self.ends = LogEnds(2, self.clock)

    def end(self, head: int, epoch: str | None = "e", lives_s: float = 1_000_000.0) -> LogEnd:
        return LogEnd(epoch, head, int(self.clock.wall() + lives_s), 3)


def segment(first: int, epoch: str = "e") -> Segment:
    return Segment(epoch, first, "w", [Publication(b"{}", 0.0, "", b"", first)])


def test_a_writer_continues_the_end_that_it_saw() -> None:
    desk = Desk()
    end = desk.end(7)
    desk.ends.saw("p", end)
    assert desk.ends.before("p", segment(8)) is end
    assert desk.ends.before("p", segment(9)) is None
    assert desk.ends.before("p", segment(8, "another")) is None
    assert desk.ends.before("q", segment(8)) is None


def test_whatever_epoch_begins_continues_an_empty_log() -> None:
    desk = Desk()
    desk.ends.saw("p", desk.end(0, None, lives_s=0.0))
    assert desk.ends.before("p", segment(1, "new")) is not None


def test_an_end_is_relied_on_for_hours_and_no_longer() -> None:
    desk = Desk()
    desk.ends.saw("p", desk.end(7))
    desk.clock.advance(KNOWLEDGE_S)
    assert desk.ends.before("p", segment(8)) is not None
    desk.clock.advance(1.0)
    assert desk.ends.before("p", segment(8)) is None


def test_a_log_that_expires_soon_is_looked_at_again() -> None:
    desk = Desk()
    desk.ends.saw("p", desk.end(7, lives_s=KNOWLEDGE_MARGIN_S + 1.0))
    assert desk.ends.before("p", segment(8)) is not None
    desk.clock.advance(2.0)
    assert desk.ends.before("p", segment(8)) is None


def test_what_another_node_wrote_makes_an_end_forgotten() -> None:
    desk = Desk()
    desk.ends.saw("p", desk.end(7))
    desk.ends.forget("p")
    desk.ends.forget("p")
    assert desk.ends.before("p", segment(8)) is None


def test_the_floor_is_known_for_its_epoch_only() -> None:
    desk = Desk()
    desk.ends.saw("p", desk.end(7))
    assert desk.ends.floor("p", "e") == 3
    assert desk.ends.floor("p", "another") is None
    assert desk.ends.floor("q", "e") is None


def test_a_page_is_continued_where_the_last_one_was_left_off() -> None:
    desk = Desk()
    last = SegmentHead("e", 5, 7, "w", 0)
    desk.ends.leave_off("p", last)
    assert desk.ends.left_off("p", 7) is last
    assert desk.ends.left_off("p", 6) is None
    assert desk.ends.left_off("q", 7) is None


def test_as_many_logs_are_remembered_as_allowed_and_the_oldest_goes_for_one_more() -> None:
    desk = Desk()
    for project_id in ("p", "q", "p", "r"):
        desk.ends.saw(project_id, desk.end(7))
        desk.ends.leave_off(project_id, SegmentHead("e", 5, 7, "w", 0))
    known = {name: desk.ends.before(name, segment(8)) is not None for name in "pqr"}
    left_off = {name: desk.ends.left_off(name, 7) is not None for name in "pqr"}
    assert known == left_off == {"p": True, "q": False, "r": True}
