"""What waits for the end of a turn is sent once, in order, to those who were level, whatever happens before."""

from collections.abc import Callable

from tests.support.doubles import NEVER_OLD, Bench, client_of
from tests.support.publications import prepared
from websocket_handler.adapters.memory import MemoryLogStore
from websocket_handler.delivery.connection import Connection
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.protocol.codes import CommandError
from websocket_handler.protocol.messages import Position


class Scene:
    """A project in a store that answers at once, and one client that follows it."""

    def __init__(self) -> None:
        self.bench = Bench()
        self.bench = Bench(DeliveryLimits(log=NEVER_OLD), MemoryLogStore(self.bench.clock, NEVER_OLD))
        self.first, _ = self.bench.follow()

    def publish(self, confirmed: Callable[[], object] = lambda: None) -> None:
        """Publish. `confirmed` is called between the commit and the end of the turn."""

        def done(_answer: Position | CommandError) -> None:
            confirmed()

        self.bench.project.journal.publish(prepared(), done)

    def turn(self) -> None:
        self.bench.scheduler.settle()


def offsets(connection: Connection) -> list[int]:
    return client_of(connection).offsets


def test_nobody_is_sent_anything_before_all_logs_have_written() -> None:
    scene, seen = Scene(), list[list[int]]()
    scene.publish(lambda: seen.append(offsets(scene.first)))
    scene.turn()
    assert (seen, offsets(scene.first)) == ([[]], [1])


def test_who_subscribes_in_between_begins_behind_what_waits() -> None:
    scene, later = Scene(), list[Connection]()
    scene.publish(lambda: later.append(scene.bench.follow()[0]))
    scene.publish(lambda: later.append(scene.bench.follow(Position(scene.bench.project.reader.epoch, 0))[0]))
    scene.turn()
    scene.publish()
    scene.turn()
    assert [offsets(connection) for connection in (scene.first, *later)] == [[1, 2, 3], [3], [1, 2, 3]]


def test_who_leaves_pauses_or_comes_back_in_between_gets_each_publication_at_most_once() -> None:
    scene = Scene()
    left, paused, back = (scene.bench.follow()[0] for _ in range(3))
    back.pause()

    def change() -> None:
        project, cursor = left.subscriptions["p"]
        project.fan_out.end_cursor(cursor)
        paused.pause()
        back.resume()

    scene.publish(change)
    scene.turn()
    assert [offsets(connection) for connection in (scene.first, left, paused, back)] == [[1], [], [], [1]]
    paused.resume()
    scene.publish()
    scene.turn()
    assert [offsets(connection) for connection in (scene.first, left, paused, back)] == [[1, 2], [], [1, 2], [1, 2]]


def test_a_log_that_is_replaced_in_between_is_sent_first() -> None:
    scene = Scene()
    scene.publish(lambda: scene.bench.project.replaced(Position("other", 7), 7))
    scene.turn()
    kinds = [message.get("type", message.get("offset")) for message in client_of(scene.first).messages]
    assert kinds == [1, "subscription_reset"]
