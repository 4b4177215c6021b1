"""Bugs that the simulation has to find. Each is put into the product only while a test looks for it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import count
from math import inf
from typing import Any

from tests.simulation import planted_doors, planted_folding, planted_order, planted_updates
from tests.simulation.planted_updates import Patch
from websocket_handler.adapters.aws import sqs_forwarder
from websocket_handler.adapters.aws.dynamodb_log import DynamoDbLogStore
from websocket_handler.adapters.aws.sqs_forwarder import SqsForwarder
from websocket_handler.adapters.aws.table import Table
from websocket_handler.delivery.follower import Follower
from websocket_handler.delivery.node import Confirmed, Node
from websocket_handler.hub.cursor import CursorState
from websocket_handler.hub.keys import KeyWindow
from websocket_handler.hub.log import ProjectLog, Start
from websocket_handler.hub.pace import Pace
from websocket_handler.logs.batch import Batch
from websocket_handler.logs.fan_out import FanOut
from websocket_handler.logs.local_log import LocalLog
from websocket_handler.logs.page import Page
from websocket_handler.logs.reader import Reader
from websocket_handler.logs.store_call import StoreCall
from websocket_handler.ports.forwarder import Accepted, QueueUnavailable
from websocket_handler.ports.log_store import Behind, Committed
from websocket_handler.protocol.messages import Position

PLANTS: dict[str, Callable[[], list[Patch]]] = {
    **planted_updates.PLANTS,
    **planted_order.PLANTS,
    **planted_doors.PLANTS,
    **planted_folding.PLANTS,
}


def _plant(build: Callable[[], list[Patch]]) -> Callable[[], list[Patch]]:
    PLANTS[build.__name__.replace("_", " ")] = build
    return build


@contextmanager
def planted(name: str, plants: Mapping[str, Callable[[], list[Patch]]] = PLANTS) -> Iterator[None]:
    """The product with this bug."""
    patches = plants[name]()
    kept: Sequence[Patch] = [(owner, attribute, getattr(owner, attribute)) for owner, attribute, _ in patches]
    for owner, attribute, replacement in patches:
        setattr(owner, attribute, replacement)
    try:
        yield
    finally:
        for owner, attribute, original in kept:
            setattr(owner, attribute, original)


@_plant
def a_lost_race_counts_as_won() -> list[Patch]:
    appended: Any = StoreCall._appended

    def changed(self: Any, segment: Any, answer: Any) -> None:
        appended(self, segment, Committed() if isinstance(answer, Behind) else answer)

    return [(StoreCall, "_appended", changed)]


@_plant
def a_write_without_its_condition() -> list[Patch]:
    call: Any = Table.call

    async def changed(self: Any, operation: str, **parameters: Any) -> Any:
        if operation == "put_item":
            parameters.pop("ConditionExpression", None)
        return await call(self, operation, **parameters)

    return [(Table, "call", changed)]


@_plant
def confirmed_before_the_commit() -> list[Patch]:
    append: Any = StoreCall.append

    def changed(self: Any, batch: Any) -> None:
        log = self._local.log
        for offset, waiting in enumerate(batch, log.head + 1):
            waiting.answer(Position(log.epoch, offset))
            waiting._done = _ignore
        append(self, batch)

    return [(StoreCall, "append", changed)]


@_plant
def delivered_before_the_commit() -> list[Patch]:
    append: Any = DynamoDbLogStore.append

    def changed(self: Any, project_id: str, segment: Any, done: Any) -> None:
        append(self, project_id, segment, _ignore)
        done(Committed())

    return [(DynamoDbLogStore, "append", changed)]


@_plant
def live_before_the_replay() -> list[Patch]:
    def changed(self: Any, cursor: Any, confirm: Any, start: Any) -> None:
        self._when_started.pop(cursor, None)
        if cursor.state is CursorState.ENDED or not isinstance(start, Start):
            return
        cursor.offset = start.offset
        cursor.state = CursorState.LEVEL
        confirm(start)
        self._regroup(self._level_count + 1)
        self._engine.scheduler.call_later(0.01, partial(FanOut._catch_up, self, cursor))

    return [(FanOut, "_start", changed)]


@_plant
def published_before_the_confirmation() -> list[Patch]:
    def changed(self: Any, cursor: Any, confirm: Any, start: Any) -> None:
        callbacks = self._when_started.pop(cursor, [])
        if cursor.state is CursorState.ENDED:
            return
        if isinstance(start, Start):
            cursor.offset = start.offset
            self._catch_up(cursor)
        else:
            self.end_cursor(cursor)
        confirm(start)
        for callback in callbacks:
            callback()

    return [(FanOut, "_start", changed)]


@_plant
def recovery_starts_one_too_early() -> list[Patch]:
    return [(ProjectLog, "start", _moved_start(-1))]


@_plant
def recovery_starts_one_too_late() -> list[Patch]:
    return [(ProjectLog, "start", _moved_start(1))]


def _moved_start(by: int) -> Any:
    start: Any = ProjectLog.start

    def changed(self: Any, since: Any, rewind: Any, floor: int) -> Start:
        found: Start = start(self, since, rewind, floor)
        if since is None or not found.recovered:
            return found
        return Start(max(floor, min(self.head, found.offset + by)), recovered=True)

    return changed


@_plant
def everything_is_called_recovered() -> list[Patch]:
    start: Any = ProjectLog.start

    def changed(self: Any, since: Any, rewind: Any, floor: int) -> Start:
        return Start(start(self, since, rewind, floor).offset, recovered=True)

    return [(ProjectLog, "start", changed)]


@_plant
def a_pause_loses_what_follows() -> list[Patch]:
    resume: Any = FanOut.resume

    def changed(self: Any, cursor: Any) -> None:
        if cursor.state is CursorState.BEHIND:
            cursor.offset = self.delivered
        resume(self, cursor)

    return [(FanOut, "resume", changed)]


@_plant
def resuming_skips_one() -> list[Patch]:
    resume: Any = FanOut.resume

    def changed(self: Any, cursor: Any) -> None:
        if cursor.state is CursorState.BEHIND and cursor.offset < self.delivered:
            cursor.offset += 1
        resume(self, cursor)

    return [(FanOut, "resume", changed)]


@_plant
def a_slow_client_is_written_to_all_the_same() -> list[Patch]:
    return [(FanOut, "pause", _ignore)]


@_plant
def the_ring_is_never_trimmed() -> list[Patch]:
    return [(ProjectLog, "trim", _ignore)]


@_plant
def keys_are_forgotten_by_a_restart() -> list[Patch]:
    adopt: Any = LocalLog.adopt

    def changed(self: Any, tail: Any) -> None:
        adopt(self, tail)
        self._keys.expire(inf)

    return [(LocalLog, "adopt", changed)]


@_plant
def keys_of_other_nodes_are_not_noted() -> list[Patch]:
    read: Any = StoreCall._read

    def changed(self: Any, ours: Any, tail: Any) -> None:
        keys, self._local._keys = self._local._keys, KeyWindow(0, 0.0)
        read(self, ours, tail)
        self._local._keys = keys

    return [(StoreCall, "_read", changed)]


@_plant
def an_ambiguous_write_is_appended_again() -> list[Patch]:
    read: Any = StoreCall._read

    def changed(self: Any, _ours: Any, tail: Any) -> None:
        read(self, None, tail)

    put: Any = DynamoDbLogStore._put

    async def put_changed(self: Any, write: Any, first: Any) -> Any:
        write.segment = _Nameless(write.segment)
        return await put(self, write, first)

    return [(StoreCall, "_read", changed), (DynamoDbLogStore, "_put", put_changed)]


class _Nameless:
    """A segment that gives another writer each time when it is asked for it."""

    def __init__(self, segment: Any) -> None:
        self.epoch, self.first, self.last, self.records = segment.epoch, segment.first, segment.last, segment.records
        self._names = (f"{segment.writer}-{index}" for index in count())

    @property
    def writer(self) -> str:
        return next(self._names)


@_plant
def an_epoch_is_used_again_after_a_loss() -> list[Patch]:
    adopt: Any = LocalLog.adopt

    def changed(self: Any, tail: Any) -> None:
        adopt(self, tail)
        if tail.epoch is None:
            self.log.epoch = "epoch"
            self._observer.replaced(self.log.position, self.log.beginning)

    return [(LocalLog, "adopt", changed)]


@_plant
def cursors_stay_after_a_new_epoch() -> list[Patch]:
    def changed(self: Any, end: Any, beginning: int) -> None:
        self._epoch, self.delivered = end.epoch, end.offset

    return [(FanOut, "replaced", changed)]


@_plant
def a_forward_is_confirmed_without_the_queue() -> list[Patch]:
    send: Any = SqsForwarder.send

    async def changed(self: Any, agent: Any, tasks: Any) -> Any:
        try:
            return await send(self, agent, tasks)
        except QueueUnavailable:
            return [Accepted("hopefully") for _ in tasks]

    return [(SqsForwarder, "send", changed)]


@_plant
def receipts_are_told_apart_by_their_order() -> list[Patch]:
    answers: Any = sqs_forwarder._answers

    def changed(answer: Any) -> Any:
        for index, (_, found) in enumerate(answers(answer)):
            yield str(index), found

    return [(sqs_forwarder, "_answers", changed)]


@_plant
def a_cursor_overtakes_the_commit() -> list[Patch]:
    return [(Page, "until", lambda self, _offset: self)]


@_plant
def one_page_is_taken_for_all() -> list[Patch]:
    def changed(self: Any, _epoch: str | None, _offset: int, done: Any) -> None:
        self._journal.refresh(done)

    return [(Reader, "_reach", changed)]


@_plant
def the_last_words_of_a_node_are_missed() -> list[Patch]:
    look: Any = Follower.look_around

    async def changed(self: Any) -> None:
        await look(self)
        if not self.others:
            self._follow_until = 0.0

    return [(Follower, "look_around", changed)]


@_plant
def a_second_subscription_is_confirmed_too_early() -> list[Patch]:
    def changed(self: Any, connection: Any, command: Any, done: Any) -> None:
        followed = connection.subscriptions.get(command.project_id)
        if followed is None:
            self.subscribe(connection, command, done)
        else:
            project, cursor = followed
            done(Confirmed(project.fan_out.position(cursor), recovered=True))

    return [(Node, "_confirm_again", changed)]


@_plant
def unsubscribing_leaves_the_cursor() -> list[Patch]:
    def changed(self: Any, connection: Any, project_id: str, done: Any) -> None:
        connection.subscriptions.pop(project_id, None)
        done()

    return [(Node, "unsubscribe", changed)]


@_plant
def what_gathers_stays_there() -> list[Patch]:
    return [(Pace, "wait_s", lambda self, log, _now: 1e6 if log in self._written else 0.0)]


@_plant
def an_outage_answers_nobody() -> list[Patch]:
    def changed(self: Any, _fault: Any) -> None:
        self._take()
        self._queue.take_all()

    return [(Batch, "refuse_all", changed)]


def _ignore(*_: Any) -> None:
    """Does nothing, in place of what should be done."""


def _staying_in_the_group(method: str) -> list[Patch]:
    original: Any = getattr(FanOut, method)

    def changed(self: Any, cursor: Any) -> None:
        groups = self._groups
        original(self, cursor)
        self._groups = groups

    return [(FanOut, method, changed)]


PLANTS["a full socket stays in the group"] = partial(_staying_in_the_group, "pause")
PLANTS["a closed socket stays in the group"] = partial(_staying_in_the_group, "end_cursor")
