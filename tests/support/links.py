"""Three independent WebSocket clients behind one interface: Python's `websockets`, npm's `ws`, and Chromium."""

from __future__ import annotations

import asyncio
import itertools
import json
import uuid
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final, Protocol
from urllib.parse import urlencode

import websockets
from websockets.asyncio.client import ClientConnection
from websockets.asyncio.client import connect as connect_websockets

from tests.support.gateway import REPOSITORY
from tests.support.patience import PATIENCE_S

CLIENTS: Final = REPOSITORY / "tests" / "e2e" / "clients"

Message = dict[str, Any]


class LinkClosedError(Exception):
    """The connection has ended with this close code and reason."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(code, reason)
        self.code = code
        self.reason = reason


class Link(Protocol):
    """One open WebSocket of a client."""

    async def send(self, text: str) -> None:
        """Send a text message."""

    async def send_bytes(self, data: bytes) -> None:
        """Send a binary message."""

    async def receive(self) -> str:
        """The next text message. Raises LinkClosedError."""

    async def close(self, code: int, reason: str) -> None:
        """Begin the closing handshake."""


Connect = Callable[[str], Awaitable[Link]]


class PythonLink:
    """The `websockets` package."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    @classmethod
    async def connect(cls, url: str) -> PythonLink:
        """Open a connection. Raises what `websockets` raises."""
        return cls(await connect_websockets(url, proxy=None, open_timeout=PATIENCE_S, ping_interval=None))

    async def send(self, text: str) -> None:
        await self.socket.send(text)

    async def send_bytes(self, data: bytes) -> None:
        await self.socket.send(data)

    async def receive(self) -> str:
        try:
            message = await self.socket.recv()
        except websockets.ConnectionClosed as closed:
            frame = closed.rcvd
            raise LinkClosedError(frame.code if frame else 1006, frame.reason if frame else "") from None
        assert isinstance(message, str), "the gateway sends text only"
        return message

    async def close(self, code: int, reason: str) -> None:
        await self.socket.close(code, reason)


class RemoteLink:
    """A WebSocket in another process that runs `driver.js`."""

    def __init__(self, number: int, run: Callable[[Message], Awaitable[None]]) -> None:
        self.events: asyncio.Queue[Message] = asyncio.Queue()
        self._number = number
        self._run = run

    async def run(self, verb: str, **more: Any) -> None:
        """Let the driver do something with this socket."""
        await self._run({"verb": verb, "socket": self._number, **more})

    async def send(self, text: str) -> None:
        await self.run("send", text=text)

    async def send_bytes(self, data: bytes) -> None:
        await self.run("send_bytes", bytes=list(data))

    async def receive(self) -> str:
        event = await self.events.get()
        if event["event"] == "close":
            raise LinkClosedError(event["code"], event["reason"])
        assert event["event"] == "message", event
        return str(event["text"])

    async def close(self, code: int, reason: str) -> None:
        await self.run("close", code=code, reason=reason)


class RemoteDriver:
    """Makes `RemoteLink`s. `send` carries a command to the driver, and `arrived` is called with its events."""

    def __init__(self, send: Callable[[Message], Awaitable[None]]) -> None:
        self._send = send
        self._links: dict[int, RemoteLink] = {}
        self._numbers = itertools.count()

    def arrived(self, event: Message) -> None:
        """Give an event to the link that it belongs to."""
        self._links[event["socket"]].events.put_nowait(event)

    async def connect(self, url: str) -> RemoteLink:
        """Open a socket. Raises LinkClosedError if it does not open."""
        number = next(self._numbers)
        link = self._links[number] = RemoteLink(number, self._send)
        await link.run("open", url=url)
        event = await link.events.get()
        if event["event"] == "close":
            raise LinkClosedError(event["code"], event["reason"])
        return link


@asynccontextmanager
async def running_node_driver() -> AsyncIterator[RemoteDriver]:
    """npm's `ws` clients in one Node process. Needs `npm ci` in tests/e2e."""
    assert (CLIENTS.parent / "node_modules" / "ws").is_dir(), "run `npm ci` in tests/e2e first"
    process = await asyncio.create_subprocess_exec(
        "node", str(CLIENTS / "ws_client.js"), stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    stdin, stdout = process.stdin, process.stdout
    assert stdin is not None
    assert stdout is not None

    async def send(command: Message) -> None:
        stdin.write(json.dumps(command).encode() + b"\n")
        await stdin.drain()

    driver = RemoteDriver(send)

    async def read() -> None:
        while line := await stdout.readline():
            driver.arrived(json.loads(line))

    reading = asyncio.create_task(read())
    try:
        yield driver
    finally:
        stdin.close()
        async with asyncio.timeout(PATIENCE_S):
            await process.wait()
            await reading


class Client:
    """A client of the gateway. Of the protocol it knows only that a reply has the id of its command."""

    def __init__(self, link: Link) -> None:
        self.link = link
        self.greeting: Message = {}
        self._inbox: deque[Message] = deque()
        self._ids = itertools.count(1)
        self._end: LinkClosedError | None = None

    async def next(self) -> Message:
        """Wait for the next message that answers no request, oldest first. Raises LinkClosedError."""
        return self._inbox.popleft() if self._inbox else await self._receive()

    async def take(self, count: int) -> list[Message]:
        """Wait for this many messages."""
        return [await self.next() for _ in range(count)]

    async def _receive(self) -> Message:
        async with asyncio.timeout(PATIENCE_S):
            message: Message = json.loads(await self.link.receive())
        return message

    async def request(self, action: str, **fields: Any) -> Message:
        """Send a command, and wait for its reply or its error. Messages that arrive before stay for `next`."""
        command_id = fields.pop("id", f"r{next(self._ids)}")
        await self.send(action=action, id=command_id, **fields)
        return await self.reply_to(command_id)

    async def reply_to(self, command_id: str) -> Message:
        """Wait for the reply to a command that was sent. Messages that arrive before stay for `next`."""
        for message in self._inbox:
            if message.get("id") == command_id:
                self._inbox.remove(message)
                return message
        while (message := await self._receive()).get("id") != command_id:
            self._inbox.append(message)
        return message

    async def send(self, **command: Any) -> None:
        """Send a command."""
        await self.link.send(json.dumps(command))

    async def subscribe(self, project_id: str, **more: Any) -> Message:
        """Subscribe. Returns the confirmation."""
        confirmation = await self.request("subscribe", project_id=project_id, **more)
        assert confirmation["type"] == "subscription_confirmed", confirmation
        return confirmation

    async def publish(self, project_id: str, message: Mapping[str, Any], **more: Any) -> Message:
        """Publish. Returns the confirmation."""
        confirmation = await self.request("publish", project_id=project_id, message=message, **more)
        assert confirmation["type"] == "publish_confirmed", confirmation
        return confirmation

    async def nothing_is_left(self) -> bool:
        """True if nothing is left to read of what the gateway has sent up to now."""
        reply = await self.request("ping")
        return reply["type"] == "pong" and not self._inbox

    async def closed(self) -> LinkClosedError:
        """Wait for the end of the connection. Messages that arrived before are dropped."""
        while self._end is None:
            try:
                await self._receive()
            except LinkClosedError as end:
                self._end = end
        return self._end

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the connection, and wait until it is closed."""
        if self._end is None:
            await self.link.close(code, reason)
            await self.closed()


async def open_client(connect: Connect, url: str, *projects: str, since: str | None = None) -> Client:
    """Connect, with `projects` in the URL, and take the greeting."""
    query = [("project_id", project_id) for project_id in projects] + ([("since", since)] if since else [])
    async with asyncio.timeout(PATIENCE_S):
        client = Client(await connect(f"{url}?{urlencode(query)}" if query else url))
    client.greeting = await client.next()
    assert client.greeting["type"] == "connected", client.greeting
    return client


def new_project() -> str:
    """A project id that no other test uses."""
    return f"proj-{uuid.uuid4().hex[:16]}"


Open = Callable[..., Awaitable[Client]]
"""A fixture that opens clients, which are closed when the test ends."""
