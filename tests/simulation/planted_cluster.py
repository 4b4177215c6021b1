"""Bugs of a cluster that the search has to find. Each is put into the product only while a test looks for it."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Any

from tests.simulation.planted import planted
from tests.simulation.planted_updates import Patch
from websocket_handler.adapters.announced import AnnouncedLogStore
from websocket_handler.adapters.valkey import history, log_store, scripts
from websocket_handler.adapters.valkey.backplane import ValkeyBackplane
from websocket_handler.adapters.valkey.commits import Commits
from websocket_handler.adapters.valkey.history import History
from websocket_handler.adapters.valkey.log_store import ValkeyLogStore
from websocket_handler.delivery.control import Control
from websocket_handler.delivery.follower import Follower
from websocket_handler.hub.control_messages import Disconnect
from websocket_handler.logs.common_log import CommonLog
from websocket_handler.ports.log_store import Committed

PLANTS: dict[str, Callable[[], list[Patch]]] = {}


def _plant(build: Callable[[], list[Patch]]) -> Callable[[], list[Patch]]:
    PLANTS[build.__name__.replace("_", " ")] = build
    return build


def planted_in_cluster(name: str) -> AbstractContextManager[None]:
    """The product with this bug."""
    return planted(name, PLANTS)


def _script(*pairs: tuple[str, str]) -> list[Patch]:
    """The append script with other words."""
    changed = scripts.APPEND
    for before, after in pairs:
        assert before in changed
        changed = changed.replace(before, after)
    others: Sequence[str] = [each for each in scripts.SCRIPTS if each != scripts.APPEND]
    return [(scripts, "SCRIPTS", (changed, *others)), (log_store, "APPEND", changed)]


@_plant
def a_fork_is_accepted_after_a_failover() -> list[Patch]:
    return [(history._Seen, "is_part_of", lambda _self, _snapshot: True)]


@_plant
def nobody_listens_again_after_sunsubscribe() -> list[Patch]:
    pushed: Any = ValkeyBackplane._pushed

    def changed(self: Any, push: Any) -> None:
        if push[0] != b"sunsubscribe":
            pushed(self, push)

    return [(ValkeyBackplane, "_pushed", changed)]


@_plant
def who_hears_nothing_counts_as_level() -> list[Patch]:
    return [(Follower, "follow", lambda _self: None)]


@_plant
def a_read_shows_what_no_replica_has() -> list[Patch]:
    snapshot: Any = History._snapshot

    async def changed(self: Any, *args: Any) -> Any:
        log, self._log = self._log, _Unreplicated(self._log)
        reading = snapshot(self, *args)
        try:
            return await reading
        finally:
            self._log = log

    return [(History, "_snapshot", changed)]


class _Unreplicated:
    """A log store for whose reads a replica need not have anything."""

    is_replicated = False
    wait_ms = 0

    def __init__(self, log: Any) -> None:
        self.keys = log.keys
        self.command_for = log.command_for
        self.generation = log.generation


@_plant
def confirmed_before_a_replica_has_it() -> list[Patch]:
    begin: Any = Commits.__init__

    def changed(self: Any, link: Any, _is_replicated: Any, wait_ms: int) -> None:
        begin(self, link, lambda: False, wait_ms)

    return [(Commits, "__init__", changed)]


@_plant
def a_write_does_not_know_itself_again() -> list[Patch]:
    return _script(
        ("elseif last_writer == writer and head == first + count - 1 then", "elseif false then"),
        ("if field.w == writer or size >", "if size >"),
    )


@_plant
def a_moved_segment_keeps_its_offsets() -> list[Patch]:
    appended: Any = ValkeyLogStore._appended

    def changed(self: Any, *args: Any) -> Any:
        answer = appended(self, *args)
        return Committed() if isinstance(answer, Committed) else answer

    return [(ValkeyLogStore, "_appended", changed)]


@_plant
def a_key_that_was_missed_does_not_count() -> list[Patch]:
    return _script(("if keys ~= '' and field.k ~= '' then", "if false then"))


@_plant
def nobody_is_told_of_a_commit() -> list[Patch]:
    def changed(self: Any, project_id: str, segment: Any, done: Any) -> None:
        self._store.append(project_id, segment, done)

    return [(AnnouncedLogStore, "append", changed)]


@_plant
def a_revocation_stays_on_its_node() -> list[Patch]:
    def changed(self: Any, user_id: str, done: Any) -> int:
        closed: int = self._access.revoke(user_id)
        done(None)
        return closed

    return [(Control, "revoke", changed)]


@_plant
def a_node_that_starts_learns_of_no_revocation() -> list[Patch]:
    return [(Control, "began", lambda _self, _entries: None)]


@_plant
def other_nodes_close_no_connection() -> list[Patch]:
    do: Any = Control._do

    def changed(self: Any, message: Any) -> None:
        if not isinstance(message, Disconnect):
            do(self, message)

    return [(Control, "_do", changed)]


@_plant
def old_entries_of_a_common_log_are_told_again() -> list[Patch]:
    replaced: Any = CommonLog.replaced

    def changed(self: Any, end: Any, beginning: int) -> None:
        replaced(self, end, beginning)
        log = self.journal.log
        self._listener.went_on(log.after(log.first - 1, len(log), log.bytes))

    return [(CommonLog, "replaced", changed)]
