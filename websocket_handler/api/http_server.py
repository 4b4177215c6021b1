"""The HTTP server behind the node's one port: uvicorn's protocol object, one per socket, with our answers."""

import asyncio
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import httptools
from starlette.applications import Starlette
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from websocket_handler.api.access import REFUSAL
from websocket_handler.api.answers import answer_without_chunks, dated
from websocket_handler.api.half_close import HALF_CLOSE, HalfClose
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.http_errors import last_response
from websocket_handler.protocol.upgrade import names_websocket
from websocket_handler.telemetry.counters import Counters

GiveBack = Callable[[asyncio.Transport, bytes], None]
"""Takes a socket and the bytes that it received last: a handshake, and what came behind it."""
KEEP_ALIVE_S: Final = 75
"""Longer than load balancers keep an idle connection (usually 60 s), so that they close it first."""


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """What one HTTP socket may take, and how many of them there may be. 0 connections means no limit."""

    head_bytes: int = 16_384
    head_timeout_s: float = 10.0
    slow_client_timeout_s: float = 60.0
    connections: int = 10_000


EVENTS_PATH: Final = re.compile(rb"/api/v1/projects/[^/?#]+/events(?:\?|\Z)")
DEFAULT_LIMITS: Final = HttpLimits()


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol with the deadlines and limits that it leaves out, and with the protocol's error object for
    what is not HTTP. The first request's head was bounded before it came here; later ones are bounded here."""

    def __init__(
        self,
        config: Config,
        state: ServerState,
        limits: HttpLimits,
        counters: Counters,
        give_back: GiveBack,
        date: Callable[[], str],
    ) -> None:
        """`date` gives the time as HTTP writes it."""
        self._half_close = HalfClose()
        super().__init__(config, state, {HALF_CLOSE: self._half_close})
        self._date = date
        self._limits = limits
        self._give_back = give_back
        self._for_websocket: bytes | None = None
        """A handshake, and what came behind it, until the answers of earlier requests have left."""
        self._counters = counters
        self._timer: asyncio.TimerHandle | None = None
        self._slow_timer: asyncio.TimerHandle | None = None
        self._is_in_head = False
        self._is_refused = False
        self._is_one_too_many = False
        self._head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if 0 < self._limits.connections < len(self.connections):
            self._is_one_too_many = True

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self.resume_writing()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override] # asyncio asks for an answer, uvicorn gives none
        """The client sends no more. What it asked for is answered first (RFC 9112 section 9.6). A request whose body is
        cut short never becomes whole: nobody waits for the rest."""
        self._half_close.happened()
        is_cut_short = self.cycle is not None and self.cycle.more_body and not self.pipeline
        return not self._is_free and not is_cut_short

    @property
    def _is_free(self) -> bool:
        """True when every request was answered."""
        return not self.pipeline and (self.cycle is None or self.cycle.response_complete)

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        if self._for_websocket is not None:
            self._for_websocket += data
            return
        self._unset_keepalive_if_required()
        self._feed(data)
        if self._is_in_head:
            self._head_bytes += len(data)
            if self._head_bytes > self._limits.head_bytes:
                self.refuse(CommandError(ErrorCode.MESSAGE_TOO_LARGE, "the request head is too large"), status=431)

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            rest = data[upgrade.args[0] :]
            if self._for_websocket is not None:
                self._for_websocket += rest
            else:  # another protocol, which the answer does not take up: the parser is of no further use
                self.parser = httptools.HttpRequestParser(self)
                self._feed(rest)
        except httptools.HttpParserError:
            self.send_400_response("")
        if self._for_websocket is not None:
            self._hand_over()

    def _hand_over(self) -> None:
        """Give the socket back once every earlier request is answered: every request of a connection is judged as its
        first one is (RFC 9110 section 7.8)."""
        if not self._is_free:
            self.flow.pause_reading()
            return
        data, transport = self._for_websocket, self.transport
        if data is None or self._is_refused or transport.is_closing():
            return
        self._is_refused = True
        self._stop_timer()
        self._unset_keepalive_if_required()
        self.resume_writing()
        self.flow.resume_reading()
        self.connections.discard(self)
        self._give_back(transport, data)

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._for_websocket is not None:
            self._hand_over()
        elif self._half_close.is_done and self._is_free:
            self.transport.close()

    def on_message_begin(self) -> None:
        if self._for_websocket is not None:
            return  # a request behind a handshake: the handshake's answer ends HTTP on this connection
        super().on_message_begin()
        self._is_in_head = True
        self._head_bytes = 0
        self._stop_timer()
        self._timer = self.loop.call_later(self._limits.head_timeout_s, self._too_late)

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        self._stop_timer()
        if any(name == b"upgrade" and names_websocket(value) for name, value in self.headers):
            self._for_websocket = self._head()
        elif self._is_one_too_many:
            self._refuse_request()
        else:
            self._start_request()

    def _refuse_request(self) -> None:
        """Answer with an error, and end the connection. An event stream's answer comes from the application: it is not
        an error, because that would end an `EventSource` for good, and it may have to be readable by another page."""
        fault = CommandError(ErrorCode.TOO_MANY_CONNECTIONS, "this node serves as many requests as it can")
        if EVENTS_PATH.match(self.url) is None:
            self.refuse(fault)
            return
        self.scope["state"][REFUSAL] = fault
        self._start_request()
        self.cycle.keep_alive = False

    def _start_request(self) -> None:
        super().on_headers_complete()
        if self.scope["http_version"] != "1.1":
            answer_without_chunks(self.cycle)

    def _head(self) -> bytes:
        """The request's head as it came, but for the case of names and the white space around values."""
        line = b"%b %b HTTP/%b\r\n" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        return line + b"".join(b"%b: %b\r\n" % header for header in self.headers) + b"\r\n"

    def on_body(self, body: bytes) -> None:
        if self._for_websocket is None and not self._is_refused:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if self._for_websocket is None and not self._is_refused:
            super().on_message_complete()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _too_late(self) -> None:
        self.refuse(CommandError(ErrorCode.INVALID_FIELD, "the request head did not come in time"), status=408)

    def pause_writing(self) -> None:
        super().pause_writing()
        if self._slow_timer is None:
            self._slow_timer = self.loop.call_later(self._limits.slow_client_timeout_s, self.transport.abort)

    def resume_writing(self) -> None:
        if self._slow_timer is not None:
            self._slow_timer.cancel()
            self._slow_timer = None
        super().resume_writing()

    def send_400_response(self, msg: str) -> None:
        self.refuse(CommandError(ErrorCode.INVALID_FIELD, "not an HTTP request"))

    def refuse(self, fault: CommandError, status: int | None = None) -> None:
        """Send the error and close the connection. `status` replaces the status of the error's code."""
        self._is_refused = True
        self._counters.errors[fault.code.value] += 1
        self._stop_timer()
        self.transport.write(last_response(fault, status, date=self._date()))
        self.transport.close()


def http_protocol_factory(
    application: Starlette,
    date: Callable[[], str],
    limits: HttpLimits = DEFAULT_LIMITS,
    counters: Counters | None = None,
) -> Callable[[GiveBack], asyncio.Protocol]:
    """What makes the protocol of each HTTP socket. A socket whose next request is a handshake is given back. `date`
    gives the time as HTTP writes it."""
    config = Config(
        dated(application, date),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_keep_alive=KEEP_ALIVE_S,
    )
    config.load()
    state, counted = ServerState(), counters or Counters()
    return lambda give_back: HttpProtocol(config, state, limits, counted, give_back, date)
