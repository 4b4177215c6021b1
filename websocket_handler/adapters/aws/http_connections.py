"""HTTP/1.1 connections to one address: kept alive, bounded in number, one request at a time on each.

A request is written once. It is written a second time only if the server, as far as the wire tells, has not carried out
the first: the connection had been idle, it ended as soon as it was used, and not one byte of an answer came. A server
that closes an idle connection at the moment of its use looks like that. A server that dies right after it took a
request looks the same, so callers have to accept that a request is carried out twice, rarely.
"""

import asyncio
import select
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, cast

import httptools

from websocket_handler.adapters.aws.places import Places


class ConnectionFault(OSError):
    """No complete answer came, and none will come."""


class Answer(NamedTuple):
    """What a server answered. Header names are in lower case."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


Outcome = Answer | ConnectionFault
"""How a request on one connection ends."""


@dataclass(frozen=True, slots=True)
class ConnectionLimits:
    """The maxima of one pool."""

    connections: int = 64
    idle_s: float = 15.0
    """AWS closes idle connections after about 20 s; these are closed before that."""
    at_once_s: float = 0.05
    """If a connection lived longer than this after a request was written, the server may have carried that out."""
    connect_timeout_s: float = 2.0
    answer_bytes: int = 1_048_576
    """Head and body together."""


class HttpConnection(asyncio.Protocol):
    """One connection. `ended` is called once, when it is gone."""

    def __init__(self, answer_bytes_max: int, ended: "Callable[[HttpConnection], None]") -> None:
        self.is_open = False
        self.idle_since = 0.0
        self.answer_bytes = 0
        """How much came since the last request."""
        self._answer_bytes_usual = self._answer_bytes_max = answer_bytes_max
        self._ended = ended
        self._transport: asyncio.Transport
        self._quiet = select.poll()
        self._ask_ended: Callable[[Outcome], None] | None = None
        """Whom to tell about the request that is under way."""
        self._answer: Answer | None = None
        """A whole answer, until the bytes that came with it are looked at."""
        self._parser: httptools.HttpResponseParser | None = httptools.HttpResponseParser(self)
        """None after the end: each of both knows the other."""
        self._headers: dict[bytes, bytes] = {}
        self._body: list[bytes] = []

    # Its user's side

    def ask(self, request: bytes, ended: Callable[[Outcome], None], answer_bytes_max: int | None = None) -> None:
        """Write a request to an open connection. `ended` is called once, later. Abort the connection if you do not
        want to wait any longer."""
        self._ask_ended = ended
        self._headers, self._body, self.answer_bytes = {}, [], 0
        self._answer_bytes_max = answer_bytes_max or self._answer_bytes_usual
        self._transport.write(request)

    def is_usable(self) -> bool:
        """True if an idle connection can still be used: it has not ended, and no bytes wait to be read."""
        return self.is_open and not self._quiet.poll(0)

    def abort(self) -> None:
        """End it now. A request without an answer fails."""
        self.is_open = False
        self._transport.abort()

    # The event loop's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by inheritance
        self._quiet.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
        self.is_open = True

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_open = False
        self._ended(self)
        self._parser = None
        self._end_ask(ConnectionFault(f"the connection ended: {exc or 'closed by the server'}"))

    def data_received(self, data: bytes) -> None:
        self.answer_bytes += len(data)
        if self._ask_ended is None or self._parser is None:
            self.abort()  # bytes without a request
            return
        if self.answer_bytes > self._answer_bytes_max:
            self._fail("the answer is too long")
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as fault:
            self._fail(f"the answer is not HTTP: {fault}")
        else:
            if self._answer is not None:
                self._end_ask(self._answer)

    def _fail(self, reason: str) -> None:
        """What came is no answer, or it follows the answer that there is."""
        self.abort()
        self._end_ask(self._answer or ConnectionFault(reason))

    def _end_ask(self, outcome: Outcome) -> None:
        ended, self._ask_ended = self._ask_ended, None
        self._answer = None
        if ended is not None:
            ended(outcome)

    # The parser's side

    def on_message_begin(self) -> None:
        """A second answer to one request leaves the connection out of step."""
        if self._answer is not None:
            self.abort()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A line of the head."""
        self._headers[name.lower()] = value

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        self._body.append(body)

    def on_message_complete(self) -> None:
        """The whole answer is here."""
        parser = self._parser
        if parser is None or self._answer is not None:
            return
        status = parser.get_status_code()
        if status < 200:  # an interim answer; the real one follows
            self._headers, self._body = {}, []
            return
        self._answer = Answer(status, self._headers, b"".join(self._body))
        if not parser.should_keep_alive() or self._transport.get_write_buffer_size():
            self.abort()


class HttpConnections:
    """The connections to one address. `tls` None means plain text."""

    def __init__(
        self, host: str, port: int, tls: ssl.SSLContext | None, limits: ConnectionLimits | None = None
    ) -> None:
        self._host = host
        self._port = port
        self._tls = tls
        self._limits = limits or ConnectionLimits()
        self._places = Places(self._limits.connections)
        """Of requests that are under way."""
        self._all: set[HttpConnection] = set()
        self._idle: deque[HttpConnection] = deque()
        """The one that was used last is at the right, and is used first."""
        self._sweep: asyncio.TimerHandle | None = None
        self._is_closed = False
        self._loop = asyncio.get_running_loop()

    @property
    def count(self) -> int:
        """How many connections are open."""
        return len(self._all)

    async def ask(self, request: bytes, answer_bytes_max: int | None = None) -> Answer:
        """One request, one answer. Raises OSError. Safe to cancel: the connection is closed, not used again."""
        async with self._places:
            connection = self._usable()
            if connection is None:
                return await self._ask_on(await self._connect(), request, answer_bytes_max)
            asked_at = self._loop.time()
            try:
                return await self._ask_on(connection, request, answer_bytes_max)
            except ConnectionFault:
                if not self.may_repeat(connection, asked_at):
                    raise
            return await self._ask_on(await self._connect(), request, answer_bytes_max)

    async def ask_anew(self, request: bytes, answer_bytes_max: int | None = None) -> Answer:
        """The same as `ask`, on a connection that was never used: for a request that `may_repeat`."""
        async with self._places:
            return await self._ask_on(await self._connect(), request, answer_bytes_max)

    def take(self) -> HttpConnection | None:
        """An idle connection for one request, if there is one and a place is free: `give_back` it when that has
        ended."""
        if not self._idle or not self._places.take():
            return None
        connection = self._usable()
        if connection is None:
            self._places.give_back()
        return connection

    def give_back(self, connection: HttpConnection) -> None:
        """Its request has ended, in whatever way."""
        self._places.give_back()
        self._keep(connection)

    def may_repeat(self, connection: HttpConnection, asked_at: float) -> bool:
        """True if the server has not carried out a request, as far as the wire tells. The request was written to an
        idle connection at the loop's time `asked_at`, and the connection ended just now."""
        is_at_once = self._loop.time() - asked_at <= self._limits.at_once_s
        return is_at_once and not (self._is_closed or connection.answer_bytes)

    def close(self) -> None:
        """End every connection. Requests that are under way fail, and later ones too."""
        self._is_closed = True
        if self._sweep is not None:
            self._sweep.cancel()
            self._sweep = None
        for connection in list(self._all):
            connection.abort()
        self._idle.clear()

    async def _ask_on(self, connection: HttpConnection, request: bytes, answer_bytes_max: int | None) -> Answer:
        outcome: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        connection.ask(request, partial(_settle, outcome), answer_bytes_max)
        try:
            answer = await outcome
        except BaseException:
            connection.abort()
            raise
        self._keep(connection)
        return answer

    def _keep(self, connection: HttpConnection) -> None:
        """Use a connection again, if it is open."""
        if connection.is_open:
            connection.idle_since = self._loop.time()
            self._idle.append(connection)
            self._start_sweep()

    def _usable(self) -> HttpConnection | None:
        """An idle connection that can be used."""
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable():
                return connection
            connection.abort()
        return None

    async def _connect(self) -> HttpConnection:
        if self._is_closed:
            raise ConnectionFault("the connections are closed")
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._limits.connect_timeout_s):
                _, connection = await loop.create_connection(
                    lambda: HttpConnection(self._limits.answer_bytes, self._ended),
                    self._host,
                    self._port,
                    ssl=self._tls,
                )
        except TimeoutError:
            raise ConnectionFault(f"no connection to {self._host} in {self._limits.connect_timeout_s:g} s") from None
        if self._is_closed:
            connection.abort()
        if not connection.is_open:
            raise ConnectionFault("the connection ended before it was used")
        self._all.add(connection)
        return connection

    def _ended(self, connection: HttpConnection) -> None:
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)

    def _start_sweep(self) -> None:
        if self._sweep is None and self._idle:
            loop = asyncio.get_running_loop()
            self._sweep = loop.call_at(self._idle[0].idle_since + self._limits.idle_s, self._close_idle)

    def _close_idle(self) -> None:
        """The oldest are at the left."""
        self._sweep = None
        oldest = asyncio.get_running_loop().time() - self._limits.idle_s
        while self._idle and self._idle[0].idle_since <= oldest:
            self._idle.popleft().abort()
        self._start_sweep()


def _settle(future: "asyncio.Future[Answer]", outcome: Outcome) -> None:
    if future.done():  # cancelled
        return
    if isinstance(outcome, ConnectionFault):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
