"""Snapshots of runs in Valkey: a hash for each project, in the slot of its log. `e` epoch, `o` offset, `d` data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, cast

from websocket_handler.adapters.valkey.connection import Reply, packed
from websocket_handler.adapters.valkey.link import Failed, Link, done_or_failed
from websocket_handler.adapters.valkey.scripts import KEEP, digest_of
from websocket_handler.ports.log_store import Snapshot, Unavailable, always

UNWANTED = Unavailable("nobody waits for it any more", is_unwanted=True)


class ValkeySnapshots:
    """Keeps snapshots over a link whose greeting loads the scripts. Nobody waits for a replica to have one."""

    def __init__(self, link: Link, ttl_ms: int) -> None:
        """A snapshot lives for `ttl_ms` milliseconds after it was written."""
        self._link = link
        self._ttl_ms = ttl_ms

    @staticmethod
    def keys(project_id: str) -> tuple[str, str]:
        """The end of the log, and its snapshot."""
        return f"ws:{{{project_id}}}:end", f"ws:{{{project_id}}}:runs"

    def keep(self, project_id: str, snapshot: Snapshot, done: Callable[[bool | Unavailable], None]) -> None:
        """See the port. A snapshot of another epoch than the log's is refused."""
        what = (snapshot.epoch, snapshot.offset, snapshot.data, self._ttl_ms)
        command = packed("EVALSHA", digest_of(KEEP), 2, *self.keys(project_id), *what)

        def answered(replies: Sequence[Reply] | Failed) -> None:
            replies = done_or_failed(replies)
            done(Unavailable(replies.reason) if isinstance(replies, Failed) else replies[0] == 1)

        self._link.call(command, 1, answered)

    def newest(
        self,
        project_id: str,
        done: Callable[[Snapshot | Unavailable | None], None],
        is_wanted: Callable[[], bool] = always,
    ) -> None:
        """See the port."""
        if not is_wanted():
            done(UNWANTED)
            return

        def answered(replies: Sequence[Reply] | Failed) -> None:
            replies = done_or_failed(replies)
            if isinstance(replies, Failed):
                done(Unavailable(replies.reason))
                return
            epoch, offset, data = cast("list[Any]", replies[0])
            done(None if epoch is None else Snapshot(epoch.decode(), int(offset), data))

        self._link.call(packed("HMGET", self.keys(project_id)[1], "e", "o", "d"), 1, answered)
