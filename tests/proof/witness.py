"""Watchers and publishers that remember what they saw, and complain at once about what must not be.

They use the independent `websockets` client and resume as `spec/protocol.md` tells every client to.
"""

import asyncio
import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake

from tests.support.patience import PATIENCE_S

RETRY_S = 0.1
RETRY_MAX_S = 2.0
Urls = Sequence[str]


class Violation(AssertionError):
    """A promise was broken."""


class Refused(Exception):
    """A command was refused for now."""


def link_to(url: str) -> connect:
    """A connection that goes straight to the node, and lives as long as the node lets it.

    Its queue has no maximum: `websockets` stops reading at a full one, misses the end of the connection, and its
    `send` then waits out the ten seconds of `close_timeout`.
    """
    return connect(url, open_timeout=PATIENCE_S, ping_interval=None, compression=None, proxy=None, max_queue=None)


class Pause:
    """How a client spends the time until its next attempt: exponential back-off with full jitter."""

    def __init__(self, random: Random, max_s: float) -> None:
        self.random = random
        self._max_s = max_s

    async def after(self, failures: int) -> None:
        """Wait, after so many failures in a row."""
        await asyncio.sleep(self.random.uniform(0, min(self._max_s, RETRY_S * 2**failures)))


class Watcher:
    """Follows one project for as long as it lives, through any number of reconnects."""

    def __init__(self, name: str, project_id: str, urls: Urls, pause: Pause) -> None:
        self.name = name
        self.project_id = project_id
        self.seen: list[int] = []
        self.subscriptions = 0
        """How many times its subscription was confirmed: once more than it had to come back."""
        self.goodbyes = 0
        """How many times a node asked it to come back."""
        self.longest_gap_s = 0.0
        self._urls = urls
        self._pause = pause
        self._failures = 0
        self._epoch = ""
        self._offset: int | None = None
        self._numbers: dict[int, int] = {}
        self._down_since: float | None = None
        self._changed = asyncio.Event()

    async def run(self) -> None:
        """Connect, follow, and come back, until cancelled."""
        while True:
            url = self._pause.random.choice(self._urls)
            try:
                async with link_to(self._target(url)) as link:
                    async for text in link:
                        self._take(json.loads(text))
            except (OSError, ConnectionClosed, InvalidHandshake, TimeoutError, Refused):
                pass  # the node, or its log store, is down
            if self._down_since is None:
                self._down_since = asyncio.get_running_loop().time()
            await self._pause.after(self._failures)
            self._failures += 1

    def _target(self, url: str) -> str:
        since = "" if self._offset is None else f"&since={self._epoch}:{self._offset}"
        return f"{url}?project_id={self.project_id}{since}"

    def _take(self, message: dict[str, Any]) -> None:
        kind = message.get("type")
        if kind == "subscription_confirmed":
            self._confirmed(message)
        elif kind == "subscription_reset":
            raise Violation(f"{self.name}: reset at {message}")
        elif kind == "reconnect":
            self.goodbyes += 1
        elif kind == "error" and message["retryable"]:
            raise Refused
        elif kind == "error":
            raise Violation(f"{self.name}: {message}")
        elif "offset" in message:
            self._publication(message["offset"], message["n"])

    def _confirmed(self, message: dict[str, Any]) -> None:
        if self._offset is None:
            self._epoch, self._offset = message["epoch"], message["offset"]
        elif not message["recovered"] or (message["epoch"], message["offset"]) != (self._epoch, self._offset):
            raise Violation(f"{self.name}: asked for {self._epoch}:{self._offset}, got {message}")
        if self._down_since is not None:
            gap_s = asyncio.get_running_loop().time() - self._down_since
            self.longest_gap_s = max(self.longest_gap_s, gap_s)
            self._down_since = None
        self._failures = 0
        self.subscriptions += 1
        self._changed.set()

    def _publication(self, offset: int, number: int) -> None:
        assert self._offset is not None, "a confirmation comes first"
        if offset != self._offset + 1:
            raise Violation(f"{self.name}: offset {offset} after {self._offset}")
        if number in self._numbers:
            raise Violation(f"{self.name}: number {number} at {self._numbers[number]} and at {offset}")
        self._numbers[number] = offset
        self._offset = offset
        self.seen.append(number)
        self._changed.set()

    def place_of(self, number: int) -> tuple[str, int] | None:
        """Where it saw a number."""
        return (self._epoch, self._numbers[number]) if number in self._numbers else None

    async def reached(self, offset: int) -> None:
        """Wait until it has seen everything up to `offset`."""
        await self._until(lambda: self._offset is not None and self._offset >= offset)

    async def subscribed(self, times: int) -> None:
        """Wait until its subscription was confirmed so many times."""
        await self._until(lambda: self.subscriptions >= times)

    async def _until(self, condition: Callable[[], bool]) -> None:
        while not condition():
            self._changed.clear()
            await self._changed.wait()


class Publisher:
    """Publishes numbers as fast as they are confirmed, several at once, and retries each with its key until it is."""

    def __init__(self, project_id: str, urls: Urls, pause: Pause, first: int, step: int, at_once: int) -> None:
        self.project_id = project_id
        self.confirmed: dict[int, tuple[str, int]] = {}
        self.retries = 0
        self._urls = urls
        self._pause = pause
        self._next = first
        self._step = step
        self._at_once = at_once
        self._open: dict[int, None] = {}
        self._refused: list[int] = []
        self._failures = 0
        self._is_stopping = False

    def stop(self) -> None:
        """Begin nothing new; `run` returns when everything begun is confirmed."""
        self._is_stopping = True

    async def run(self) -> None:
        """Publish until stopped."""
        while self._open or not self._is_stopping:
            try:
                url = self._pause.random.choice(self._urls)
                async with link_to(url) as link:
                    self._failures = 0
                    await self._publish(link)
            except (OSError, ConnectionClosed, InvalidHandshake, TimeoutError):
                pass  # the node is down; everything open is sent again
            await self._pause.after(self._failures)
            self._failures += 1

    async def _publish(self, link: ClientConnection) -> None:
        self._refused.clear()
        self.retries += len(self._open)
        for number in list(self._open):
            await self._send(link, number)
        while self._open or not self._is_stopping:
            while len(self._open) < self._at_once and not self._is_stopping:
                self._open[self._next] = None
                await self._send(link, self._next)
                self._next += self._step
            async with asyncio.timeout(PATIENCE_S):
                self._answer(json.loads(await link.recv()))
            while self._refused:
                await self._pause.after(1)
                await self._send(link, self._refused.pop())

    async def _send(self, link: ClientConnection, number: int) -> None:
        message = {"type": "step", "n": number}
        command = {"action": "publish", "id": str(number), "project_id": self.project_id, "message": message}
        await link.send(json.dumps({**command, "key": f"n{number}"}))

    def _answer(self, message: dict[str, Any]) -> None:
        if message.get("type") == "publish_confirmed":
            number = int(message["id"])
            self.confirmed[number] = (message["epoch"], message["offset"])
            self._open.pop(number, None)
        elif message.get("type") == "error":
            if not message["retryable"]:
                raise Violation(f"publisher: {message}")
            self.retries += 1
            self._refused.append(int(message["id"]))
