"""Clients that vanish exactly while a queue or a table works for them, beside others who wait for the same.

`python -m tests.security.disconnects` does it 10,000 times and prints what was left behind.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import socket
import struct
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, Self
from unittest.mock import patch

import uvloop

from demo.resources import DUMMY_CREDENTIALS
from tests.security.held_aws import HeldAws, held_aws
from tests.support.frames import PONG, client_frame, handshake_head, text_frame
from tests.support.patience import PATIENCE_S
from tests.support.peers import Message
from websocket_handler import config
from websocket_handler.adapters.aws import wire
from websocket_handler.adapters.aws.http_connections import ConnectionLimits
from websocket_handler.adapters.overload import gate
from websocket_handler.adapters.overload.gate import GateOptions
from websocket_handler.adapters.overload.limit import LimitOptions
from websocket_handler.app import App
from websocket_handler.telemetry.counters import Counters

LONG_COUNT: Final = 10_000
VICTIMS: Final = 20
KINDS: Final = ("forward", "publish", "subscribe", "history", "post")
AGENTS: Final = ("pm", "dev", "qa", "ops")
RESET: Final = struct.pack("ii", 1, 0)
"""SO_LINGER: the end comes as a reset, with nothing sent before it."""


async def until(condition: Callable[[], bool]) -> None:
    """Let the loop turn until it holds. Raises TimeoutError."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - the loop is busy with what is awaited
            await asyncio.sleep(0)


class Client:
    """One socket: a WebSocket, or an HTTP connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self._pinged = asyncio.Event()
        self._messages: asyncio.Queue[Message | Exception] = asyncio.Queue()
        self._reading: asyncio.Task[None] | None = None

    @classmethod
    async def open(cls, port: int, *, is_websocket: bool = True) -> Self:
        """Connect, and shake hands."""
        client = cls(*await asyncio.open_connection("127.0.0.1", port))
        if is_websocket:
            client.writer.write(handshake_head())
            assert (await client.reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
            client._reading = asyncio.create_task(client._read())
            assert (await client.next())["type"] == "connected"
        return client

    async def _read(self) -> None:
        try:
            while True:
                self._take(*await self._frame())
        except (ConnectionError, asyncio.IncompleteReadError) as end:
            self._messages.put_nowait(end)

    async def _frame(self) -> tuple[int, bytes]:
        first, size = await self.reader.readexactly(2)
        if size == 126:
            size = int.from_bytes(await self.reader.readexactly(2))
        return first, await self.reader.readexactly(size)

    def _take(self, first: int, payload: bytes) -> None:
        if first == 0x89:
            self._pinged.set()
            self.writer.write(client_frame(PONG, payload))
        elif first == 0x81:
            self._messages.put_nowait(json.loads(payload))
        else:
            self._messages.put_nowait(AssertionError(first, payload))

    async def pinged(self) -> None:
        """The gateway asks whether it is still there. It is answered at once, whatever the test is doing."""
        self._pinged.clear()
        await self._pinged.wait()

    async def next(self) -> Message:
        """The next message, which is a text frame. Raises what ended the connection."""
        message = await self._messages.get()
        if isinstance(message, Exception):
            raise message
        return message

    def send(self, **command: object) -> None:
        """Send a command."""
        self.writer.write(text_frame(json.dumps(command)))

    def post(self, project_id: str, body: bytes) -> None:
        """Publish over HTTP."""
        head = f"POST /api/v1/projects/{project_id}/messages HTTP/1.1\r\nHost: t\r\nContent-Length: {len(body)}\r\n\r\n"
        self.writer.write(head.encode() + body)

    async def response(self) -> Message:
        """The body of the next HTTP answer, which is a 200."""
        head = (await self.reader.readuntil(b"\r\n\r\n")).decode().lower()
        assert head.startswith("http/1.1 200 "), head
        size = int(head.partition("content-length:")[2].partition("\r\n")[0])
        message: Message = json.loads(await self.reader.readexactly(size))
        return message

    def vanish(self) -> None:
        """Be gone at once."""
        self.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        self.writer.transport.abort()
        if self._reading is not None:
            self._reading.cancel()


@dataclass
class Work:
    """What one client asks for, and what an answer to it looks like."""

    kind: str
    number: str
    """Of the round and the place in it; the only one of its kind."""
    place: str

    @property
    def name(self) -> str:
        """Of the call that works for it: a message id, or a project."""
        return f"{self.kind}-{self.place if self.kind in ('publish', 'post') else self.number}"

    def ask(self, client: Client) -> None:
        """Send it."""
        command_id = f"id-{self.number}"
        if self.kind == "post":
            client.post(self.name, json.dumps({"from": self.number}).encode())
        elif self.kind == "forward":
            agent = AGENTS[len(self.number) % len(AGENTS)]
            client.send(action="forward", id=command_id, type=agent, message_id=self.name, data={"from": self.number})
        elif self.kind == "publish":
            client.send(action="publish", id=command_id, project_id=self.name, message={"from": self.number})
        else:
            client.send(action=self.kind, id=command_id, project_id=self.name)

    async def check(self, client: Client, offset: int) -> None:
        """The next thing that the client gets is its answer. `offset` is what a publication gets."""
        if self.kind == "post":
            answer = await client.response()
        else:
            answer = await client.next()
            assert answer.pop("id") == f"id-{self.number}", answer
        if self.kind == "forward":
            assert (answer["message_id"], answer["receipt"]) == (self.name, f"receipt-{self.name}"), answer
            return
        assert answer["project_id"] == self.name, answer
        if self.kind in ("publish", "post"):
            assert (answer["type"], answer["offset"]) == ("publish_confirmed", offset), answer
        elif self.kind == "history":
            assert (answer["type"], answer["messages"]) == ("history", []), answer
        else:
            assert (answer["type"], answer["offset"]) == ("subscription_confirmed", 0), answer
            client.send(action="unsubscribe", project_id=self.name)
            assert (await client.next())["type"] == "unsubscription_confirmed"


@dataclass(frozen=True)
class Pools:
    """What must not grow."""

    tasks: int
    descriptors: int
    aws_connections: int
    connections: int


class Scene:
    """A node, AWS, and those who stay."""

    def __init__(self, app: App, aws: HeldAws, survivors: list[Client]) -> None:
        self.app = app
        self.aws = aws
        self.survivors = survivors
        self.rounds = 0
        self.vanished = 0

    async def round(self, victims: int) -> None:
        """Victims and survivors ask; while AWS works on all of it the victims vanish; the survivors are answered."""
        number, self.rounds = self.rounds, self.rounds + 1
        works = [Work(KINDS[i % len(KINDS)], f"{number}-{i}", f"v{i}") for i in range(victims)]
        own = [Work(kind, f"{number}-{kind}", f"s-{kind}") for kind in KINDS]
        clients = [await Client.open(self.app.port, is_websocket=work.kind != "post") for work in works]
        self.aws.hold([work.name for work in (*works, *own)])
        for work, client in zip((*works, *own), (*clients, *self.survivors), strict=True):
            work.ask(client)
        async with asyncio.timeout(PATIENCE_S):
            await self.aws.all_arrived()
        if number % 3 == 1:  # the answers are on their way already
            self.aws.release()
        for client in clients:
            client.vanish()
        if number % 3 == 2:
            await until(lambda: len(self.app.core.node.connections) == len(KINDS) - 1)
        self.aws.release()
        async with asyncio.timeout(PATIENCE_S):
            for work, client in zip(own, self.survivors, strict=True):
                await work.check(client, number + 1)
        self.vanished += victims

    async def settled(self) -> None:
        """Everything that was accepted is answered, and nobody is here but the survivors."""
        core = self.app.core
        await until(lambda: core.node.projects.is_settled and core.forwarding.is_settled)
        await until(lambda: len(core.node.connections) == len(KINDS) - 1)
        for client in self.survivors[:-1]:
            client.send(action="ping")
            assert (await client.next())["type"] == "pong", "nothing else ever came"

    def pools(self) -> Pools:
        """What there is now."""
        core = self.app.core
        descriptors = len(os.listdir("/proc/self/fd"))
        return Pools(len(asyncio.all_tasks()), descriptors, self.aws.open_connections, len(core.node.connections))


@asynccontextmanager
async def scene(**settings: str) -> AsyncIterator[Scene]:
    """A node in this process, for the length of the block."""
    async with held_aws() as aws:
        more = {
            "WEBSOCKET_HOST": "127.0.0.1",
            "WEBSOCKET_PORT": "0",
            "DRAIN_SECONDS": "0",
            "MAX_PROJECTS": "1000000",
            **settings,
        }
        brief = patch.object(wire, "ConnectionLimits", lambda: ConnectionLimits(idle_s=1.0))
        all_at_once = patch.object(gate, "GateOptions", lambda: GateOptions(LimitOptions(calls_min=32, calls_first=32)))
        with patch.dict(os.environ, DUMMY_CREDENTIALS), brief, all_at_once:
            # What the rounds opened is soon closed behind them. All calls of a round are held together, so the limit
            # must let all of them begin, however long a busy machine holds them.
            app = App(config.from_environment({**aws.settings, **more}), Counters(), "node")
            await app.start()
        survivors = [await Client.open(app.port, is_websocket=kind != "post") for kind in KINDS]
        try:
            yield Scene(app, aws, survivors)
        finally:
            for client in survivors:
                client.vanish()
            await app.stop()
            gc.unfreeze()


async def run(count: int) -> tuple[Scene, Pools, Pools]:
    """So many clients vanish; the pools after a few of them, and at the end."""
    async with scene() as made:
        for _ in range(6):
            await made.round(VICTIMS)
        await made.settled()
        before = made.pools()
        while made.vanished < count:
            await made.round(VICTIMS)
        await made.settled()
        await until(lambda: made.pools().tasks <= before.tasks and made.pools().descriptors <= before.descriptors)
        wrong = [name for name, task in made.aws.tasks.items() if f"forward-{task['data']['from']}" != name]
        assert not wrong, "a task with another's data"
        return made, before, made.pools()


def main() -> int:
    """The long run, with its figures."""
    started = time.monotonic()
    made, before, after = uvloop.run(run(LONG_COUNT))
    print(f"{made.vanished} vanished in {made.rounds} rounds, {len(made.aws.tasks)} tasks")  # noqa: T201
    print(f"before {before}\nafter  {after}\n{time.monotonic() - started:.0f} s")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
