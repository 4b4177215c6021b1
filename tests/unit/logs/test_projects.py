"""The open projects of a node: how many, for how long, and how much of them is kept."""

from collections.abc import Callable
from functools import partial

import pytest

from tests.support.clock import SteeredClock
from tests.support.doubles import NEVER_OLD, WALL, HandScheduler, engine_over
from tests.support.publications import prepared
from websocket_handler.adapters.memory import MemoryLogStore
from websocket_handler.hub.log import LogLimits
from websocket_handler.logs.feed import Feed, PageLimits
from websocket_handler.logs.limits import DeliveryLimits
from websocket_handler.logs.local_log import AGAIN_S
from websocket_handler.logs.projects import EPOCHS_PER_SWEEP, Projects
from websocket_handler.ports.log_store import Unavailable
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.telemetry.counters import Counters

PAGE = PageLimits(messages=100, bytes=1_000_000)


class Store(MemoryLogStore):
    """Notes which empty logs it was asked to begin."""

    def __init__(self, clock: SteeredClock, limits: LogLimits, *, is_shared: bool) -> None:
        super().__init__(clock, limits)
        self.is_shared = is_shared
        self.begun: list[str] = []

    def begin(self, project_id: str, epoch: str, done: Callable[[str | Unavailable], None]) -> None:
        self.begun.append(project_id)
        super().begin(project_id, epoch, done)


class Shelf:
    """The projects of a node with a memory store."""

    def __init__(self, limits: DeliveryLimits | None = None, *, has_peers: bool = False) -> None:
        self.clock = SteeredClock(wall=WALL)
        self.scheduler = HandScheduler(self.clock)
        self.limits = limits or DeliveryLimits(log=NEVER_OLD)
        self.store = Store(self.clock, self.limits.log, is_shared=has_peers)
        engine = engine_over(self.store, self.clock, self.scheduler, self.limits, Counters(), has_peers=has_peers)
        self.projects = Projects(engine)

    def publish(self, project_id: str, body: bytes = b"{}") -> None:
        """Publish, and let it be committed."""
        journal = self.projects.get(project_id).journal
        journal.publish(prepared(body, project_id=project_id), lambda _answer: None)
        self.scheduler.settle()

    def read_along(self, project_id: str) -> Feed:
        """Somebody who needs the project."""
        return self.projects.get(project_id).feed(PAGE)

    @property
    def names(self) -> list[str]:
        """The open projects, in the order of their opening."""
        return [project.project_id for project in self.projects]


def refusal(shelf: Shelf, project_id: str) -> ErrorCode:
    with pytest.raises(CommandError) as caught:
        shelf.projects.get(project_id)
    return caught.value.code


def test_a_project_is_opened_once_and_found_only_while_it_is_open() -> None:
    shelf = Shelf()
    assert shelf.projects.find("p") is None
    project = shelf.projects.get("p")
    assert shelf.projects.get("p") is project
    assert shelf.projects.find("p") is project
    assert ("p" in shelf.projects, "q" in shelf.projects, len(shelf.projects)) == (True, False, 1)


@pytest.mark.parametrize("project_id", ["", "a" * 129, "a/b", "..", "a\n"])
def test_what_may_name_no_project_opens_none(project_id: str) -> None:
    shelf = Shelf()
    assert refusal(shelf, project_id) is ErrorCode.INVALID_PROJECT_ID
    assert len(shelf.projects) == 0
    shelf.projects.get("a" * 128)


def test_at_the_maximum_the_idle_project_that_was_used_longest_ago_makes_room() -> None:
    shelf = Shelf(DeliveryLimits(log=NEVER_OLD, projects=3))
    for project_id in "abc":
        shelf.projects.get(project_id)
        shelf.clock.advance(1)
    shelf.projects.get("a")
    shelf.projects.get("d")
    assert shelf.names == ["a", "c", "d"]


def test_one_beyond_the_maximum_is_refused_while_every_project_is_needed() -> None:
    shelf = Shelf(DeliveryLimits(log=NEVER_OLD, projects=2))
    feeds = [shelf.read_along(project_id) for project_id in "ab"]
    assert refusal(shelf, "c") is ErrorCode.TOO_MANY_PROJECTS
    assert shelf.names == ["a", "b"]
    shelf.projects.get("a")  # what is open stays at hand
    feeds[1].close()
    shelf.projects.get("c")
    assert shelf.names == ["a", "c"]


def test_a_sweep_closes_what_nobody_needed_for_longer_than_the_limit() -> None:
    shelf = Shelf(DeliveryLimits(log=NEVER_OLD, project_idle_s=60))
    for project_id in "abc":
        shelf.publish(project_id)
    shelf.read_along("b")
    shelf.clock.advance(60)
    shelf.projects.get("c")
    shelf.projects.sweep()
    assert shelf.names == ["a", "b", "c"], "for as long as the limit, and no longer"
    shelf.clock.advance(0.001)
    shelf.projects.sweep()
    assert shelf.names == ["b", "c"]


def test_a_project_that_was_closed_is_read_from_the_store_when_it_is_needed_again() -> None:
    shelf = Shelf(DeliveryLimits(log=NEVER_OLD, project_idle_s=60))
    shelf.publish("p", b'{"n":1}')
    epoch = shelf.projects.get("p").journal.log.epoch
    shelf.clock.advance(61)
    shelf.projects.sweep()
    assert shelf.names == []
    log = shelf.projects.get("p").journal.log
    assert (log.epoch, log.head) == (epoch, 1)


def test_a_sweep_lets_go_of_what_is_too_old() -> None:
    shelf = Shelf(DeliveryLimits(log=LogLimits(messages=100, bytes=1_000_000, seconds=10)))
    shelf.publish("p")
    shelf.clock.advance(10)
    shelf.publish("p")
    shelf.projects.sweep()
    assert len(shelf.projects.get("p").journal.log) == 2
    shelf.clock.advance(1)
    shelf.projects.sweep()
    assert len(shelf.projects.get("p").journal.log) == 1


def test_beyond_the_total_the_project_that_was_used_longest_ago_gives_first_and_no_more_than_needed() -> None:
    unlimited = Shelf()
    unlimited.publish("p", b'{"text":"%b"}' % (b"x" * 1000))
    one = unlimited.projects.retained_bytes
    shelf = Shelf(DeliveryLimits(log=NEVER_OLD, log_bytes_total=4 * one, project_idle_s=1e9))
    for project_id in "abab":
        shelf.publish(project_id, b'{"text":"%b"}' % (b"x" * 1000))
        shelf.clock.advance(1)
    shelf.projects.sweep()
    assert shelf.projects.retained_bytes == 4 * one, "at the maximum everything stays"
    shelf.publish("b", b'{"text":"%b"}' % (b"x" * 1000))
    shelf.projects.sweep()
    kept = {project.project_id: (project.journal.log.first, project.journal.log.head) for project in shelf.projects}
    assert kept == {"a": (2, 2), "b": (1, 3)}
    assert shelf.projects.retained_bytes == 4 * one


def test_what_one_project_cannot_give_the_next_one_gives() -> None:
    shelf = Shelf(DeliveryLimits(log=NEVER_OLD, log_bytes_total=0, project_idle_s=1e9))
    for project_id in "abc":
        shelf.publish(project_id)
        shelf.clock.advance(1)
    shelf.projects.sweep()
    assert [len(project.journal.log) for project in shelf.projects] == [0, 0, 0]
    assert [project.journal.log.head for project in shelf.projects] == [1, 1, 1], "the numbering goes on"


def test_a_sweep_keeps_the_epochs_of_empty_logs_that_somebody_follows_as_many_as_it_may() -> None:
    shelf = Shelf(has_peers=True)
    feeds = [shelf.read_along(f"p{number}") for number in range(EPOCHS_PER_SWEEP + 1)]
    shelf.projects.get("unread")
    shelf.publish("written")
    asked = shelf.store.begun
    asked.clear()
    shelf.projects.sweep()
    assert asked == []
    shelf.clock.advance(AGAIN_S)
    shelf.projects.sweep()
    assert asked == [f"p{number}" for number in range(EPOCHS_PER_SWEEP)]
    shelf.projects.sweep()
    assert asked[EPOCHS_PER_SWEEP:] == [f"p{EPOCHS_PER_SWEEP}"], "the rest comes in the next one"
    shelf.projects.sweep()
    assert len(asked) == len(feeds)


def test_all_readers_are_woken() -> None:
    shelf = Shelf()
    woken: list[str] = []
    for project_id in "aab":
        feed = shelf.read_along(project_id)
        feed.wake = partial(woken.append, project_id)  # type: ignore[method-assign]
    shelf.projects.wake_readers()
    assert woken == ["a", "a", "b"]


def test_the_node_is_settled_when_every_publication_was_answered() -> None:
    shelf = Shelf()
    assert shelf.projects.is_settled
    shelf.publish("quiet")
    shelf.projects.get("p").journal.publish(prepared(), lambda _answer: None)
    assert not shelf.projects.is_settled
    shelf.scheduler.settle()
    assert shelf.projects.is_settled


def test_the_runs_that_were_used_least_recently_are_given_up_beyond_the_maximum() -> None:
    def shelf_with(bytes_total: int) -> Shelf:
        shelf = Shelf(DeliveryLimits(log=NEVER_OLD, run_bytes_total=bytes_total))
        for name in ("old", "new"):
            shelf.publish(name, b'{"type":"RUN_STARTED","threadId":"p","runId":"r"}')
            shelf.publish(name, b'{"type":"TEXT_MESSAGE_START","messageId":"m","role":"user"}')
            shelf.clock.advance(1)
        shelf.projects.sweep()
        return shelf

    size = shelf_with(1_000_000).projects.get("old").runs.size
    assert size == len(b'{"id":"m","role":"user","content":""}')
    for most, kept in ((2 * size, [size, size]), (2 * size - 1, [0, size])):
        assert [project.runs.size for project in shelf_with(most).projects] == kept
