"""The HTTP server behind the node's one port: uvicorn's protocol object, one per socket, with our answers."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from starlette.applications import Starlette
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.http_errors import last_response
from websocket_handler.telemetry.counters import Counters

KEEP_ALIVE_S: Final = 75
"""Longer than load balancers keep an idle connection (usually 60 s), so that they close it first."""


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """What one HTTP socket may take, and how many of them there may be. 0 connections means no limit."""

    head_bytes: int = 16_384
    head_timeout_s: float = 10.0
    slow_client_timeout_s: float = 60.0
    connections: int = 10_000


DEFAULT_LIMITS: Final = HttpLimits()


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol with the deadlines and limits that it leaves out, and with the protocol's error object for
    what is not HTTP. The first request's head was bounded before it came here; later ones are bounded here."""

    def __init__(self, config: Config, state: ServerState, limits: HttpLimits, counters: Counters) -> None:
        super().__init__(config, state, {})
        self._limits = limits
        self._counters = counters
        self._timer: asyncio.TimerHandle | None = None
        self._slow_timer: asyncio.TimerHandle | None = None
        self._is_in_head = False
        self._is_refused = False
        self._head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        if 0 < self._limits.connections < len(self.connections):
            self.refuse(CommandError(ErrorCode.TOO_MANY_CONNECTIONS, "this node serves as many requests as it can"))

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_timer()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._is_refused:
            return
        super().data_received(data)
        if self._is_in_head:
            self._head_bytes += len(data)
            if self._head_bytes > self._limits.head_bytes:
                self.refuse(CommandError(ErrorCode.MESSAGE_TOO_LARGE, "the request head is too large"), status=431)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_head = True
        self._head_bytes = 0
        self._stop_timer()
        self._timer = self.loop.call_later(self._limits.head_timeout_s, self._too_late)

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        self._stop_timer()
        super().on_headers_complete()

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
        self.transport.write(last_response(fault, status))
        self.transport.close()


def http_protocol_factory(
    application: Starlette, limits: HttpLimits = DEFAULT_LIMITS, counters: Counters | None = None
) -> tuple[Callable[[], asyncio.Protocol], ServerState]:
    """What makes the protocol of each HTTP socket, and the state they share."""
    config = Config(
        application,
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
    return lambda: HttpProtocol(config, state, limits, counted), state
