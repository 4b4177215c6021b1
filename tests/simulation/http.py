"""Requests to a node's HTTP API. They call the product's application, without the HTTP server below it."""

import asyncio
import json
from collections import deque
from collections.abc import Callable, MutableMapping
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import urlsplit

from prometheus_client import CollectorRegistry
from starlette.applications import Starlette

from tests.simulation.door_plan import HOST
from tests.simulation.identities import Token
from websocket_handler.api.application import make_application
from websocket_handler.api.half_close import HALF_CLOSE, HalfClose
from websocket_handler.assembly import Core
from websocket_handler.composition import http_gateway

if TYPE_CHECKING:
    from tests.simulation.node import Process

BODY_BYTES_MAX = 1_000_000
BODY_TIMEOUT_S = 10.0


def application_over(core: Core) -> Starlette:
    """The HTTP API of a node."""
    gateway = http_gateway(core, BODY_BYTES_MAX, BODY_TIMEOUT_S)
    random, origins = core.ports.random, core.origins
    return make_application(gateway, CollectorRegistry(), has_console=False, path="/ws", random=random, origins=origins)


class Peer(Protocol):
    """The client that sends a request."""

    def began(self, exchange: "Exchange", status: int) -> None:
        """The head of the answer arrives."""
        ...

    def came(self, exchange: "Exchange", data: bytes) -> None:
        """A part of the answer's body arrives."""
        ...

    def over(self, exchange: "Exchange", *, is_whole: bool) -> None:
        """The answer is complete, or the connection is gone."""
        ...


class Exchange:
    """One request and its answer. What the node sends arrives in order, a little later."""

    def __init__(
        self, process: "Process", peer: Peer, method: str, target: str, body: bytes, token: Token, address: str
    ) -> None:
        world = process.world
        self.process = process
        self.token = token
        self.address = address
        self.begun_at = world.loop.time()
        self.status = 0
        self.target = target
        self.is_stream = target.partition("?")[0].endswith("/events")
        self._peer = peer
        self._latency_s = world.identities.random.choice((0.001, 0.01, 0.05))
        self._body: bytes | None = body
        self._gone = asyncio.Event()
        self._may_write = asyncio.Event()
        self._may_write.set()
        self._on_its_way: deque[tuple[float, Callable[[], None]]] = deque()
        """What will arrive at the client, and when."""
        self._is_over = False
        self._holds_place = False
        self._ends_at = world.door_rules.end_of(token)
        self._half_close = HalfClose()
        self._scope = self._make_scope(method, target)

    def _make_scope(self, method: str, target: str) -> dict[str, Any]:
        url, world = urlsplit(target), self.process.world
        headers = [(b"host", HOST.encode())]
        if (named := world.balancer.named(self.address)) is not None:
            headers.append((b"x-forwarded-for", named.encode()))
        if world.scenario.door.has_tokens:
            headers.append((b"authorization", f"Bearer {self.token.text}".encode()))
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "path": url.path,
            "raw_path": url.path.encode(),
            "query_string": url.query.encode(),
            "headers": headers,
            "client": (world.balancer.seen(self.address), 50_000),
            "server": (HOST, 80),
            "scheme": "http",
            "root_path": "",
            "state": {HALF_CLOSE: self._half_close},
        }

    @property
    def is_publishing(self) -> bool:
        """True while a publication waits for its answer."""
        return self._scope["method"] == "POST" and self.target.endswith("/messages") and not self.status

    def with_header(self, name: str, value: str) -> None:
        """Send one more header."""
        self._scope["headers"].append((name.encode(), value.encode()))

    # In the node

    async def run(self, application: Starlette) -> None:
        """Let the application answer."""
        rules, node = self.process.world.door_rules, self.process.name
        rules.stream_asks(node, self.address, self.token)
        try:
            await application(self._scope, self._receive, self._send)
        except Exception as fault:  # noqa: BLE001 - whatever it is, it should not have been
            if not self.process.is_frozen:
                self.process.world.bug("an HTTP request", fault)
        finally:
            if not self.process.is_frozen:
                self.process.exchanges.pop(self, None)
                self._leaves_place()
                self._later(lambda: self._end(is_whole=not self._gone.is_set()))

    def _leaves_place(self) -> None:
        rules = self.process.world.door_rules
        change = rules.stream_holds if self._holds_place else rules.stream_asks
        change(self.process.name, self.address, self.token, -1)

    async def _receive(self) -> dict[str, Any]:
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: MutableMapping[str, Any]) -> None:
        now = self.process.world.loop.time()
        if not self._may_write.is_set():
            await self._may_write.wait()
        if self._gone.is_set() or not self.process.may_act():
            return
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self._later(lambda: self._peer.began(self, message["status"]))
            return
        data, rules = message.get("body", b""), self.process.world.door_rules
        if self._holds_place:
            rules.streamed(self.process.name, self.token, self._ends_at, now, data)
        elif b'"too_many_connections"' in data:
            rules.refused_stream(self.process.name, self.address, self.token)
        elif self.is_stream and b"\nevent: subscription_confirmed\n" in data:
            self._takes_place()
        if data:
            self._later(lambda: self._peer.came(self, data))

    def _takes_place(self) -> None:
        """The event stream begins. From now on it holds its place."""
        rules, node = self.process.world.door_rules, self.process.name
        rules.stream_asks(node, self.address, self.token, -1)
        rules.stream_holds(node, self.address, self.token)
        self._holds_place = True
        self._ends_at = max(self._ends_at, rules.end_of(self.token))  # the clock may have jumped since

    # On the way back

    def _later(self, what: Callable[[], None]) -> None:
        loop = self.process.world.loop
        at = loop.time() + self._latency_s
        if not self._on_its_way or self._on_its_way[-1][0] < at:
            loop.later(self._latency_s, self._arrive, at)
        self._on_its_way.append((at, what))

    def _arrive(self, at: float) -> None:
        while self._on_its_way and self._on_its_way[0][0] <= at:
            _at, what = self._on_its_way.popleft()
            if not self._is_over:
                what()

    def _end(self, *, is_whole: bool) -> None:
        if not self._is_over:
            self._is_over = True
            self._peer.over(self, is_whole=is_whole)

    # At the client

    def hang_up(self) -> None:
        """The client hangs up; the node is told."""
        self._is_over = True
        self.process.in_process(self._gone.set)
        self.process.in_process(self._may_write.set)

    def send_no_more(self) -> None:
        """The client closes its half of the connection, and waits for the answer."""
        self.process.in_process(self._half_close.happened)

    def stall(self, *, is_stalled: bool) -> None:
        """The client stops reading, or reads on."""
        self.process.in_process(self._may_write.clear if is_stalled else self._may_write.set)

    def die(self) -> None:
        """The node died."""
        self.process.world.loop.later(self._latency_s, lambda: self._end(is_whole=False))


class Question:
    """A request whose answer is checked once it is complete."""

    def __init__(self, answered: Callable[[int, dict[str, Any]], None], lost: Callable[[], None]) -> None:
        """`answered` is called with the status and the body; `lost` is called if no answer will come."""
        self._answered = answered
        self._lost = lost
        self._body = b""

    def began(self, exchange: Exchange, status: int) -> None:
        """Do nothing before the answer is complete."""

    def came(self, exchange: Exchange, data: bytes) -> None:
        self._body += data

    def over(self, exchange: Exchange, *, is_whole: bool) -> None:
        if not is_whole or not exchange.status:
            self._lost()
            return
        answer = json.loads(self._body) if self._body else {}
        if exchange.status >= 400:
            exchange.process.world.checker.counts[f"error {answer['code']}"] += 1
        self._answered(exchange.status, answer)
