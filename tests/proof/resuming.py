"""A client that resumes until it is level, of which ten thousand fit into one process.

All clients of a project get the same frames. The first one that gets a frame reads it, and the others compare bytes,
which costs a tenth. So the clients take less processor time than the gateway that they watch.
"""

import asyncio
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from tests.support.frames import handshake_head, text_frame

PATIENCE_S: Final = 10.0
"""How long a client waits to be told where it stands."""
FAULTS_MAX: Final = 10
OFFSET: Final = re.compile(rb'"offset":(\d+)')


@dataclass(slots=True)
class Witness:
    """What happens to all of them."""

    refusals: Counter[str] = field(default_factory=Counter)
    """By code."""
    reconnects: int = 0
    open_at: float = 0.0
    """When the last client's first handshake was answered, in the loop's seconds."""
    faults: list[str] = field(default_factory=list)

    def fault(self, what: str) -> None:
        """Something that must not happen."""
        if len(self.faults) < FAULTS_MAX:
            self.faults.append(what)


@dataclass(frozen=True, slots=True)
class Log:
    """What the clients of one project know together."""

    project_id: str
    epoch: str
    head: int
    """The last offset: a client that has it is level."""
    frames: dict[int, bytes] = field(default_factory=dict)
    """The frame of each publication that any of them has read, by its offset."""


class Resuming:
    """One client, which has everything up to `offset`. `heeds_hints` if it knows the field `retry_after_ms`."""

    def __init__(self, witness: Witness, random: Random, log: Log, offset: int, *, heeds_hints: bool) -> None:
        self.witness = witness
        self.offset = offset
        self._log = log
        self.is_confirmed = asyncio.Event()
        self._random = random
        self._heeds_hints = heeds_hints
        self._was_open = False
        self._is_level = asyncio.Event()
        self._link: _Link | None = None

    async def run(self, port: int) -> None:
        """Come, and come back, until it has everything. It stays connected."""
        while not await self._resume(port):
            self.witness.reconnects += 1
            await asyncio.sleep(self._random.uniform(1, 2))
        await self._is_level.wait()

    def leave(self) -> None:
        """Hang up."""
        if self._link is not None:
            self._link.transport.abort()

    async def _resume(self, port: int) -> bool:
        """Connect. Returns True once it was told where it stands, False if that takes too long."""
        path = f"/ws?project_id={self._log.project_id}&since={self._log.epoch}:{self.offset}"
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(PATIENCE_S):
                _, self._link = await loop.create_connection(lambda: _Link(self, path), "127.0.0.1", port)
                await self.is_confirmed.wait()
        except (OSError, TimeoutError):
            self.leave()
            return False
        return True

    def opened(self) -> None:
        """The gateway answered the handshake."""
        if not self._was_open:
            self._was_open = True
            self.witness.open_at = asyncio.get_running_loop().time()

    def follow(self, data: bytes, start: int) -> int:
        """Take the publications with which the data goes on, as far as their frames are known. Returns where the rest
        begins."""
        frames, offset = self._log.frames, self.offset
        while (frame := frames.get(offset + 1)) is not None and data.startswith(frame, start):
            offset += 1
            start += len(frame)
        self.offset = offset
        self._look()
        return start

    def take(self, frame: bytes, payload: bytes) -> None:
        """One message of the gateway, and the frame around it."""
        found = OFFSET.search(payload)
        if found is not None and b'"epoch":' not in payload:
            offset = int(found[1])
            if offset != self.offset + 1 or self._log.frames.setdefault(offset, frame) != frame:
                self.witness.fault(f"{self._log.project_id}: {payload!r} after {self.offset}")
            self.offset = offset
        else:
            self._told(json.loads(payload))
        self._look()

    def _look(self) -> None:
        if self.offset >= self._log.head and self.is_confirmed.is_set():
            self._is_level.set()

    def _told(self, message: dict[str, Any]) -> None:
        if message["type"] == "subscription_confirmed":
            if (message["offset"], message["recovered"]) != (self.offset, True):
                self.witness.fault(f"{message} at {self.offset}")
            self.is_confirmed.set()
        elif message["type"] == "error":
            self.witness.refusals[message["code"]] += 1
            hint_ms = message.get("retry_after_ms") if self._heeds_hints else None
            wait_s = self._random.uniform(1, 2) if hint_ms is None else hint_ms / 1000
            asyncio.get_running_loop().call_later(wait_s, self._ask_again)

    def _ask_again(self) -> None:
        if self._link is None or self._link.transport.is_closing():
            return
        since = {"epoch": self._log.epoch, "offset": self.offset}
        command = {"action": "subscribe", "project_id": self._log.project_id, "since": since}
        self._link.transport.write(text_frame(json.dumps(command)))


class _Link(asyncio.Protocol):
    """A WebSocket that hands over what it gets."""

    transport: asyncio.Transport

    def __init__(self, client: Resuming, path: str) -> None:
        self._client = client
        self._path = path
        self._data = b""
        self._is_open = False

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(handshake_head(self._path))

    def data_received(self, data: bytes) -> None:
        data = self._data + data
        start = 0
        if not self._is_open:
            end = data.find(b"\r\n\r\n")
            if end < 0:
                self._data = data
                return
            self._is_open, start = True, end + 4
            self._client.opened()
        while (ends := _frame(data, start := self._client.follow(data, start))) is not None:
            begin, end = ends
            if data[start] == 0x81:
                self._client.take(data[start:end], data[begin:end])
            start = end
        self._data = data[start:]


def _frame(data: bytes, start: int) -> tuple[int, int] | None:
    """Where the payload of the frame at `start` begins and ends; None while it is not whole."""
    if len(data) < start + 2:
        return None
    length, begin = data[start + 1], start + 2
    if length >= 126:
        size = 2 if length == 126 else 8
        if len(data) < begin + size:
            return None
        length, begin = int.from_bytes(data[begin : begin + size]), begin + size
    end = begin + length
    return (begin, end) if len(data) >= end else None
