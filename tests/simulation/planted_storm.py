"""The protections against overload, each taken out of the product while a test looks for it."""

import asyncio
from collections.abc import Callable
from typing import Any

from tests.simulation import bounded_store
from tests.simulation.planted_updates import Patch
from websocket_handler.adapters.aws import dynamodb_state
from websocket_handler.adapters.overload.budget import RetryBudget
from websocket_handler.adapters.overload.gate import Gate
from websocket_handler.adapters.overload.limit import AdaptiveLimit
from websocket_handler.adapters.overload.queue import Rank
from websocket_handler.delivery import follower
from websocket_handler.logs import reader, store_call
from websocket_handler.logs.journal import Journal
from websocket_handler.logs.known import WhenKnown
from websocket_handler.logs.refusals import store_unavailable
from websocket_handler.logs.shared_reads import SharedReads, Waiter
from websocket_handler.logs.store_call import State
from websocket_handler.ports.log_store import always

Build = Callable[[], list[Patch]]
PLANTS: dict[str, Build] = {}
MISSED_IN: dict[str, str] = {}
"""The storm that misses it."""


def _plant(storm: str) -> Callable[[Build], Build]:
    def plant(build: Build) -> Build:
        name = build.__name__.replace("_", " ")
        PLANTS[name], MISSED_IN[name] = build, storm
        return build

    return plant


@_plant("slow")
def everybody_reads_for_himself() -> list[Patch]:
    def changed(self: Any, after: int, _epoch: str, done: Any, _is_wanted: Any) -> None:
        self._store.read(self._project_id, after, done)

    return [(SharedReads, "read", changed)]


@_plant("slow")
def a_page_answers_only_those_who_asked_for_its_offset() -> list[Patch]:
    def changed(self: Any, waiter: Waiter, _tail: Any) -> bool:
        return bool(waiter.after == self._after)

    return [(SharedReads, "_is_told", changed)]


@_plant("slow")
def the_page_that_tells_the_place_is_read_again_to_be_sent() -> list[Patch]:
    read: Any = SharedReads.read

    def changed(self: Any, *args: Any) -> None:
        told, self._told = self._told, None
        read(self, *args)
        self._told = told

    return [(SharedReads, "read", changed)]


@_plant("slow")
def the_offset_is_chosen_before_the_read_has_its_turn() -> list[Patch]:
    go_on: Any = SharedReads._go_on

    def changed(self: Any) -> None:
        store, self._store = self._store, _WithoutTurn(self._store)
        go_on(self)
        self._store = store

    return [(SharedReads, "_go_on", changed)]


class _WithoutTurn:
    """A store that asks nobody when a read begins."""

    def __init__(self, store: Any) -> None:
        self._store = store

    def read(self, project_id: str, after: int, done: Any, _at_turn: Any) -> None:
        self._store.read(project_id, after, done)


@_plant("leaving")
def logs_and_pages_are_read_for_those_who_left() -> list[Patch]:
    read: Any = SharedReads.read

    def changed(self: Any, after: int, epoch: str, done: Any, _is_wanted: Any) -> None:
        read(self, after, epoch, done, always)

    return [(SharedReads, "read", changed), (WhenKnown, "is_wanted", property(lambda _self: True))]


@_plant("slow")
def the_limit_does_not_follow_the_latency() -> list[Patch]:
    return [(AdaptiveLimit, "allowed", property(lambda _self: 32))]


@_plant("busy")
def the_limit_takes_the_lag_of_the_event_loop_for_latency_of_the_store() -> list[Patch]:
    answered: Any = AdaptiveLimit.answered

    def changed(self: Any, began: float, now: float, *, is_failed: bool = False, **_lag: float) -> None:
        answered(self, began, now, is_failed=is_failed)

    return [(AdaptiveLimit, "answered", changed)]


@_plant("busy")
def a_deadline_runs_while_the_event_loop_is_busy() -> list[Patch]:
    return [(bounded_store, "patient_timeout", asyncio.timeout)]


@_plant("slow")
def there_is_no_limit() -> list[Patch]:
    return [(AdaptiveLimit, "allowed", property(lambda _self: 10_000))]


@_plant("slow")
def records_wait_in_one_line_with_logs() -> list[Patch]:
    class OneRank:
        """No rank is lower than another."""

        RECORDS = Rank.LOG

    return [(dynamodb_state, "Rank", OneRank)]


@_plant("refusing")
def retries_cost_nothing() -> list[Patch]:
    return [(RetryBudget, "take", lambda _self, _now: True)]


@_plant("refusing")
def a_failed_operation_frees_its_place_at_once() -> list[Patch]:
    def changed(self: Any, *, is_failed: bool) -> None:
        assert is_failed in (True, False)
        self._free()

    return [(Gate, "_ended", changed)]


@_plant("many")
def nobody_is_told_when_to_come_back() -> list[Patch]:
    return [(Gate, "retry_after_s", lambda _self: 0.0)]


@_plant("refusing")
def everybody_is_told_the_same_moment() -> list[Patch]:
    def changed(answer: Any, _chance: Any) -> Any:
        return store_unavailable(answer, lambda: 0.5)

    return [(store_call, "store_unavailable", changed), (reader, "store_unavailable", changed)]


@_plant("many")
def the_moment_does_not_depend_on_the_queue() -> list[Patch]:
    return [(Gate, "retry_after_s", lambda _self: 1.0)]


@_plant("slow")
def every_client_opens_the_log() -> list[Patch]:
    when_known: Any = Journal.when_known

    def changed(self: Any, callback: Any, is_wanted: Any = always) -> None:
        if self.call.state is State.OPENING:
            self._engine.store.open(self.call._project_id, lambda _tail: None)
        when_known(self, callback, is_wanted)

    return [(Journal, "when_known", changed)]


@_plant("slow")
def all_logs_are_looked_at_at_once() -> list[Patch]:
    return [(follower, "READS_UNDER_WAY_MAX", 1_000_000)]
