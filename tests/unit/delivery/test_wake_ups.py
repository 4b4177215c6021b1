"""What a node reads when it hears of a log."""

from tests.support.doubles import DOWN, HandStore, segment, tail
from tests.unit.delivery.desk import Desk
from websocket_handler.delivery.wake_ups import LOOKS_UNDER_WAY_MAX, WakeUps
from websocket_handler.ports.backplane import NoBackplane
from websocket_handler.ports.log_store import Committed, Tail


class NotedBackplane(NoBackplane):
    """Notes what is no longer followed."""

    def __init__(self) -> None:
        self.unfollowed: list[str] = []

    def unfollow(self, project_id: str) -> None:
        self.unfollowed.append(project_id)


def hearing(projects: int) -> tuple[Desk, HandStore, WakeUps, NotedBackplane]:
    """A node with a client on each of so many projects."""
    store, backplane = HandStore(), NotedBackplane()
    desk = Desk(store=store)
    connection = desk.connect()
    for number in range(projects):
        desk.subscribe(connection, f"p{number}")
        store.opened(tail(1, 3))
    return desk, store, WakeUps(backplane, desk.node), backplane


def test_a_log_that_went_on_is_read() -> None:
    _, store, wake_ups, _ = hearing(1)
    wake_ups.heard("p0", "e", 5)
    assert store.answer_read(tail(4, 5, floor=0)) == 3
    assert store.reads == []


def test_what_is_known_already_is_not_read() -> None:
    _, store, wake_ups, _ = hearing(1)
    wake_ups.heard("p0", "e", 3)
    assert store.reads == []
    wake_ups.heard("p0", "another", 3)
    assert len(store.reads) == 1


def test_what_is_heard_during_a_read_is_read_after_it() -> None:
    _, store, wake_ups, _ = hearing(1)
    for head in (4, 5, 6):
        wake_ups.heard("p0", "e", head)
    assert len(store.reads) == 1
    store.answer_read(tail(4, 4, floor=0))
    assert store.answer_read(tail(5, 6, floor=0)) == 4
    assert store.reads == []


def test_a_write_is_no_answer_to_what_was_heard_while_it_was_under_way() -> None:
    """Its answer may be older than the message."""
    desk, store, wake_ups, _ = hearing(1)
    desk.publish("p0")
    wake_ups.heard("p0", "e", 5)
    assert store.reads == []
    store.appended(Committed())
    assert store.answer_read(Tail("e", 5, 0, (segment(5, 5),))) == 4
    assert store.reads == []


def test_a_project_that_is_not_open_is_no_longer_followed() -> None:
    _, store, wake_ups, backplane = hearing(0)
    wake_ups.heard("p9", "e", 5)
    assert (backplane.unfollowed, store.reads) == (["p9"], [])


def test_as_many_logs_are_read_at_once_as_allowed_and_not_one_more() -> None:
    _, store, wake_ups, _ = hearing(LOOKS_UNDER_WAY_MAX + 1)
    for number in range(LOOKS_UNDER_WAY_MAX + 1):
        wake_ups.heard(f"p{number}", "", 0)
    assert len(store.reads) == LOOKS_UNDER_WAY_MAX
    store.answer_read(tail(4, 3))
    assert len(store.reads) == LOOKS_UNDER_WAY_MAX
    while store.reads:
        store.answer_read(tail(4, 3))
    assert store.asked == LOOKS_UNDER_WAY_MAX + 1


def test_a_failed_read_is_left_to_the_regular_look() -> None:
    _, store, wake_ups, _ = hearing(1)
    wake_ups.heard("p0", "e", 5)
    store.answer_read(DOWN)
    assert store.reads == []
    wake_ups.heard("p0", "e", 6)
    assert len(store.reads) == 1
