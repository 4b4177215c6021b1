"""The HTTP server behind the node's one port: one of uvicorn's protocol objects for each socket, with our error
answers."""

import asyncio
import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, cast

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import ServerState

from websocket_handler.api.access import REFUSAL
from websocket_handler.api.answers import answer_without_chunks, end_if_unread
from websocket_handler.api.cut import CUT, cut
from websocket_handler.api.deadline import Deadline
from websocket_handler.api.half_close import HALF_CLOSE, HalfClose
from websocket_handler.api.http_limits import HELD_BYTES_MAX, EndSocket, GiveBack, HttpLimits
from websocket_handler.api.request_reading import HeadEnds, Part, RequestReading
from websocket_handler.api.short_way import PublishRequest
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.http_errors import last_response
from websocket_handler.protocol.request_head import OWS, RequestHead, not_http, request_head, written
from websocket_handler.telemetry.counters import Counters

ShortWay = Callable[[RequestHead], PublishRequest | None]
_OWS: Final = OWS.encode()
EVENTS_PATH: Final = re.compile(rb"/api/v1/projects/[^/?#]+/events(?:\?|\Z)")


@dataclass(frozen=True, slots=True)
class HttpShared:
    """What the HTTP sockets of one node have in common. `date` gives the time as HTTP writes it."""

    config: Config
    state: ServerState
    limits: HttpLimits
    counters: Counters
    date: Callable[[], str]
    end_socket: EndSocket
    short_way: ShortWay
    """Makes the request that takes the short way, if the one with this head may take it."""


class HttpProtocol(HttpToolsProtocol):
    """uvicorn's protocol, with the deadlines, limits and rules that uvicorn lacks. A socket that does not speak HTTP
    gets the protocol's error object."""

    def __init__(self, shared: HttpShared, give_back: GiveBack) -> None:
        self._half_close = HalfClose()
        super().__init__(shared.config, shared.state, {HALF_CLOSE: self._half_close})
        self._shared = shared
        self._give_back = give_back
        self._reading = RequestReading(shared.limits.head_bytes)
        self._head_ends = HeadEnds()
        self._running: Any = None
        """The request that is being answered, or was answered last."""
        self._unanswered = 0
        """How many requests are being answered or wait for their answer."""
        self._held = b""
        """What came behind a request that is still being answered. It is read after that answer. Bytes take less memory
        than requests, and the end of the client is heard meanwhile, as long as the socket is read."""
        self._for_websocket: bytes | None = None
        """A handshake and the bytes after it. It waits until the answers to earlier requests have left."""
        self._last_words: bytes | None = None
        """The error that ends the connection. It waits until the answers to earlier requests have left."""
        self._is_over = False
        """True once this object reads no more HTTP."""
        self._is_body_unread = False
        """True once an answer has begun before the body of its request was read."""
        self._is_offer = False
        """True while the parser believes that a request is the last one, because it offers another protocol."""
        self._is_one_too_many = False
        self._publishing: PublishRequest | None = None
        """A request that takes the short way if its body is complete at the end of the bytes that came last."""
        self._head_deadline = Deadline()
        self._slow_client_deadline = Deadline()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self.app_state[CUT] = lambda: cut(transport)
        self._is_one_too_many = 0 < self._shared.limits.connections < len(self.connections)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client is gone. uvicorn tells only the newest request, but an earlier one may run."""
        self._head_deadline.call_off()
        self.resume_writing()
        self.pipeline.clear()
        if self._running is not None:
            self._running.disconnected = True
            self._running.message_event.set()
        super().connection_lost(exc)

    def eof_received(self) -> bool:  # type: ignore[override] # asyncio asks for an answer, uvicorn gives none
        """The client sends no more. Its requests are answered first (RFC 9112 section 9.6). An incomplete request gets
        an error, because its rest will never come."""
        self._half_close.happened()
        if not self._held:
            self._refuse_cut_request()
        return self._unanswered > 0

    def _refuse_cut_request(self) -> None:
        if (part := self._reading.part) is not Part.NONE:
            self.refuse(CommandError(ErrorCode.INVALID_FIELD, f"the {part.value} of the request is cut short"))

    # Requests come in

    def data_received(self, data: bytes) -> None:
        if self._is_over:
            return
        if self._for_websocket is not None:
            self._for_websocket += data
        elif self._held:
            self._held += data
        else:
            self._take(data)
        if max(len(self._for_websocket or b""), len(self._held)) > HELD_BYTES_MAX:
            self.flow.pause_reading()

    def _take(self, data: bytes) -> None:
        try:
            self._reading.feed(data, self._feed)
            if self._publishing is not None:
                self._take_long_way(self._publishing)
        except CommandError as fault:
            self.refuse(fault)

    def _feed(self, data: bytes) -> None:
        """Let the parser read one head at a time. It stops by itself behind some handshakes only."""
        view, start = memoryview(data), 0
        while start < len(data) and self._for_websocket is None and not self._is_over:
            if self._unanswered and self._reading.part is Part.NONE:
                self._held = data[start:]
                break
            end = self._head_ends.next(data, start)
            try:
                self.parser.feed_data(view[start:end])
                start = end
            except httptools.HttpParserUpgrade as upgrade:
                start += upgrade.args[0]
                if self._is_offer:
                    self._decline_offer()
            except httptools.HttpParserError as error:
                self.refuse(not_http(data, error))
        self._head_ends.passed(data[:start])
        if self._for_websocket is not None:
            self._for_websocket += view[start:]
            self._hand_over()

    def _decline_offer(self) -> None:
        """Read on after a request that offers another protocol, such as `h2c`: Java's client makes such an offer with
        its first request, whatever the method. The gateway does not accept the offer (RFC 9110 section 7.8). The parser
        has stopped after the head, so a new parser reads the head again, without the offer and without effects, and
        then the body."""
        head = self._head(without=b"upgrade")
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn does
        self.parser.feed_data(head)

    def _hand_over(self) -> None:
        """Give the socket back once every earlier request is answered. So every handshake passes the same checks, as
        the first request of a connection or as a later one (RFC 9110 section 7.8)."""
        if self._unanswered:
            return
        data, transport = self._for_websocket, self.transport
        if data is None or self._is_over or transport.is_closing():
            return
        self._let_go()
        self._give_back(transport, data)

    def on_message_begin(self) -> None:
        if self._is_silent:
            return
        super().on_message_begin()
        self._reading.begin()
        self._unset_keepalive_if_required()
        self._head_deadline.set(self._shared.limits.head_timeout_s, self._too_late)

    @property
    def _is_silent(self) -> bool:
        """True while what the parser finds has no effect."""
        return self._is_over or self._is_offer or self._for_websocket is not None

    def on_url(self, url: bytes) -> None:
        if not self._is_silent:
            super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if (
            self._reading.part is Part.HEAD and not self._is_silent
        ):  # fields after a body are no headers (RFC 9110 section 6.5.1)
            super().on_header(name, value.strip(_OWS))  # httptools leaves white space after values

    def on_headers_complete(self) -> None:
        if self._is_offer:  # a new parser has read the head again
            self._is_offer = False
            return
        if self._is_silent:
            return
        try:
            head = request_head(self.parser.get_method(), self.url, self.parser.get_http_version(), self.headers)
            self._reading.begin_body(head.size)
        except CommandError as fault:
            self.refuse(fault)
            return
        self._head_deadline.call_off()
        if head.wants_websocket:
            self._reading.complete()
            self._for_websocket = self._head()
            return
        self._is_offer = self.parser.should_upgrade()
        self._name_host(head)
        if self._is_one_too_many:
            self._refuse_request()
            return
        has_room = not (self._unanswered or self._is_offer or self.flow.write_paused)
        if has_room and self.parser.should_keep_alive():
            self._publishing = self._shared.short_way(head)
        if self._publishing is None:
            self._start_request()

    def _take_long_way(self, request: PublishRequest) -> None:
        """Start the request, with what came of its body, as every other one is started."""
        self._publishing = None
        self._start_request()
        super().on_body(request.body)

    def _head(self, without: bytes = b"") -> bytes:
        """The request's head as it came, except for the case of names and the white space around values."""
        headers = [header for header in self.headers if header[0] != without]
        return written(self.parser.get_method(), self.url, self.parser.get_http_version(), headers)

    def _name_host(self, head: RequestHead) -> None:
        """Show the application a request in absolute-form as it sees every other request."""
        if head.target.authority:
            self.url = head.target.origin_form
            others = [header for header in self.headers if header[0] != b"host"]
            self.headers[:] = [(b"host", head.host.encode("ascii")), *others]

    def _refuse_request(self) -> None:
        """Answer with an error, and end the connection. For an event stream the application answers: that answer is no
        error, which would end an `EventSource` for good, and pages of other origins may have to read it."""
        fault = CommandError(ErrorCode.TOO_MANY_CONNECTIONS, "this node serves as many requests as it can")
        if EVENTS_PATH.match(self.url) is None:
            self.refuse(fault)
            return
        self.scope["state"][REFUSAL] = fault
        self._start_request()
        self.cycle.keep_alive = False

    def _start_request(self) -> None:
        super().on_headers_complete()
        self._unanswered += 1
        if self.scope["http_version"] != "1.1":
            answer_without_chunks(self.cycle)
        end_if_unread(self.cycle, self._begins_unread)

    def _start_asgi_task(self, cycle: Any, app: Any) -> None:
        self._running = cycle
        super()._start_asgi_task(cycle, app)

    def on_body(self, body: bytes) -> None:
        self._reading.add_body(len(body))
        if self._publishing is not None:
            self._publishing.body += body
        elif not self._is_over and self._for_websocket is None:
            super().on_body(body)

    def on_message_complete(self) -> None:
        if not self._is_silent:
            self._reading.complete()
            if self._publishing is None:
                super().on_message_complete()
            elif self._publishing.is_batch:
                self._take_long_way(self._publishing)
                super().on_message_complete()
            else:
                self._publish(self._publishing)

    # Answers go out

    def _publish(self, request: PublishRequest) -> None:
        """Carry out a whole request on the short way. Later ones wait for its answer, as uvicorn lets them wait."""
        self._publishing = None
        self._unanswered += 1
        self.cycle = cast(Any, request)
        request.begin(self._published)

    def _published(self, response: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(response)
        self.on_response_complete()

    def _begins_unread(self) -> None:
        self._is_body_unread = True

    def on_response_complete(self) -> None:
        self._unanswered -= 1
        if self._is_body_unread:
            self._end()
            return
        super().on_response_complete()
        if self._unanswered or self._reading.part is Part.HEAD:
            self._unset_keepalive_if_required()
        if self._unanswered or self.transport.is_closing():
            return
        if self._last_words is not None:
            self._say_last_words(self._last_words)
        elif self._for_websocket is not None:
            self._hand_over()
        else:
            self._go_on()

    def _go_on(self) -> None:
        """Every request that was read is answered: read the next one, or end with a client that sends no more."""
        held, self._held = self._held, b""
        if held:
            self._take(held)
        if self._half_close.is_done and not self._held:
            self._refuse_cut_request()
            if not self._unanswered and not self._is_over:
                self.transport.close()

    def refuse(self, fault: CommandError, status: int | None = None) -> None:
        """Send the error after the answers to earlier requests, and end the connection. `status` replaces the status of
        the error's code."""
        if self._is_over:
            return
        self._is_over = True
        self._head_deadline.call_off()
        self._shared.counters.errors[fault.code.value] += 1
        method = self.parser.get_method() if self._reading.part is not Part.NONE and self.url else b""
        last_words = last_response(fault, status, date=self._shared.date(), method=method)
        if self._reading.part is Part.BODY and self._unanswered:
            self._give_up_request()
        if self._unanswered:
            self._last_words = last_words
        else:
            self._say_last_words(last_words)

    def _give_up_request(self) -> None:
        """The body of the last request will not be complete: the error is the answer to the request."""
        cycle = self.cycle
        if cycle.response_started:
            self.transport.close()
            return
        self._unanswered -= 1
        waiting = [entry for entry in self.pipeline if entry[0] is not cycle]
        if len(waiting) < len(self.pipeline):
            self.pipeline = deque(waiting)
        else:
            cycle.disconnected = True
            cycle.message_event.set()

    def hang_up(self) -> None:
        """The node ends. An incomplete request gets an error, and a client that does not read its answer is dropped."""
        part = self._reading.part
        if part is Part.HEAD or (part is Part.BODY and not self.cycle.response_started):
            self.refuse(CommandError(ErrorCode.DRAINING, "this node is going away; send it again"))
        else:
            self.transport.abort()

    def _say_last_words(self, words: bytes) -> None:
        self.transport.write(words)
        self._end()

    def _end(self) -> None:
        """End the connection after everything that was written. The client may still be sending, unless it said that it
        sends no more."""
        self._let_go()
        if self._half_close.is_done:
            self.transport.close()
        else:
            self._shared.end_socket(self.transport)

    def _let_go(self) -> None:
        """Read and write no more here. Another connection may now take its place."""
        self._is_over = True
        self._head_deadline.call_off()
        self._unset_keepalive_if_required()
        self.resume_writing()
        self.flow.resume_reading()
        self.connections.discard(self)

    # Time

    def _too_late(self) -> None:
        self.refuse(CommandError(ErrorCode.INVALID_FIELD, "the request head did not come in time"), status=408)

    def pause_writing(self) -> None:
        super().pause_writing()
        if not self._slow_client_deadline.is_set:
            self._slow_client_deadline.set(self._shared.limits.slow_client_timeout_s, self.transport.abort)

    def resume_writing(self) -> None:
        self._slow_client_deadline.call_off()
        super().resume_writing()
