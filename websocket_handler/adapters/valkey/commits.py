"""Appends of one turn of the event loop, written together. Where a replica has to have them, a WAIT follows them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final

from websocket_handler.adapters.valkey.connection import Reply, packed
from websocket_handler.adapters.valkey.link import Failed, Link

NOT_REPLICATED: Final = Failed("no replica has confirmed the write")
Committed = Callable[[Reply | Failed], None]


class Commits:
    """What is appended in this turn."""

    def __init__(self, link: Link, is_replicated: Callable[[], bool], wait_ms: int) -> None:
        """`is_replicated` says if an append counts only once a replica has it. The server waits `wait_ms` milliseconds
        for that, and other appends wait behind it."""
        self._link = link
        self._wait_ms = wait_ms
        self._is_replicated = is_replicated
        self._commands: list[bytes] = []
        self._waiting: list[Committed] = []

    def add(self, command: bytes, done: Committed) -> None:
        """Send a packed command at the end of the turn. `done` is called once, with its reply or with `Failed`."""
        if not self._commands:
            asyncio.get_running_loop().call_soon(self._flush)
        self._commands.append(command)
        self._waiting.append(done)

    def _flush(self) -> None:
        commands, self._commands = self._commands, []
        waiting, self._waiting = self._waiting, []
        is_replicated = self._is_replicated()
        if is_replicated:
            commands.append(packed("WAIT", 1, self._wait_ms))

        def answered(replies: Sequence[Reply] | Failed) -> None:
            failed = replies if isinstance(replies, Failed) else None
            if failed is None and is_replicated and not has_replica(replies):
                failed = NOT_REPLICATED
            for index, done in enumerate(waiting):
                done(failed or replies[index])  # type: ignore[index] # these are replies unless they failed

        self._link.call(b"".join(commands), len(commands), answered)


def has_replica(replies: Sequence[Reply] | Failed) -> bool:
    """True if the last reply is that of a WAIT that a replica answered. WAIT answers with a number, also at its end."""
    return not isinstance(replies, Failed) and isinstance(replies[-1], int) and replies[-1] >= 1
