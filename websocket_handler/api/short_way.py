"""The short way of a publication over HTTP: from a whole request to its answer, without a task and without Starlette.

Agents without an SDK publish like that: one object in each request, on a connection that is kept alive. Most of what
such a request cost was the way through uvicorn's cycle and Starlette's layers
(docs/decisions/0031-short-way-of-publications.md). Both ways make the same checks in the same order and give the same
answers. A request takes the long way if it came in pieces, waits for an earlier one, carries a batch, comes from a web
page, or has a query.
"""

import asyncio
import re
from collections.abc import Callable
from http import HTTPStatus
from typing import ClassVar, Final

from websocket_handler.access.credentials import credentials_in
from websocket_handler.access.rights import check
from websocket_handler.api.gateway import Gateway, body_too_large
from websocket_handler.api.projects import holds_array, read_key
from websocket_handler.api.requests import Requests
from websocket_handler.delivery.own_log import is_operator, published
from websocket_handler.protocol import publication, replies
from websocket_handler.protocol.codec import invalid_project_id
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.encodings import check_fields
from websocket_handler.protocol.http_errors import http_error
from websocket_handler.protocol.identity import PUBLISH, Identity
from websocket_handler.protocol.messages import Position
from websocket_handler.protocol.names import is_project_id
from websocket_handler.protocol.request_head import RequestHead

_MESSAGES: Final = re.compile(rb"/api/v1/projects/([^/?#%]+)/messages")
_LONG_WAY_FIELDS: Final = frozenset({"origin", "expect", "transfer-encoding"})
"""A request with one of these header fields takes the long way."""
Answered = Callable[[bytes], None]
"""Called once, with the whole response."""


class ShortWay:
    """Each node has one."""

    def __init__(self, gateway: Gateway, date: Callable[[], str], requests: Requests) -> None:
        """`date` gives the time as HTTP writes it."""
        self.gateway = gateway
        self._date = date
        self._requests = requests

    def request(self, head: RequestHead) -> "PublishRequest | None":
        """The request with this head, if it may take the short way."""
        if head.method != "POST" or head.version != "1.1" or not _LONG_WAY_FIELDS.isdisjoint(head.headers):
            return None
        target = _MESSAGES.fullmatch(head.target.origin_form)
        return None if target is None else PublishRequest(self, head, target[1].decode())

    def confirmation(self, body: bytes) -> bytes:
        """The response to a publication that the log store has."""
        return (
            b"HTTP/1.1 200 OK\r\ncache-control: no-store\r\ncontent-type: application/json\r\n"
            b"content-length: %d\r\ndate: %b\r\n\r\n%b" % (len(body), self._date().encode(), body)
        )

    def refusal(self, fault: CommandError) -> bytes:
        """The response to a request that was not carried out."""
        error = http_error(fault)
        lines = [f"HTTP/1.1 {error.status} {HTTPStatus(error.status).phrase}"]
        lines += [f"{name.lower()}: {value}" for name, value in error.headers.items()]
        lines += [f"content-length: {len(error.body)}", f"date: {self._date()}"]
        return "\r\n".join(lines).encode() + b"\r\n\r\n" + error.body

    def hold(self) -> "asyncio.Future[None]":
        """Let the end of the node wait for a request, as it waits for the tasks of the others, until the returned
        future is done."""
        held: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._requests.running.add(held)
        held.add_done_callback(self._requests.running.discard)
        return held


class PublishRequest:
    """A request that publishes one object. uvicorn takes it for the cycle of the newest request: it starts no later
    request before `response_complete`."""

    __slots__ = ("_answered", "_head", "_held", "_identity", "_project_id", "_way", "body", "disconnected",
                 "response_complete")  # fmt: skip

    message_event: ClassVar = asyncio.Event()
    """uvicorn sets it when the client has left. Nobody waits for it."""

    def __init__(self, way: ShortWay, head: RequestHead, project_id: str) -> None:
        self.body = b""
        self.response_complete = False
        self.disconnected = False
        self._way = way
        self._head = head
        self._project_id = project_id
        self._answered: Answered
        self._identity: Identity | CommandError | None = None
        """Who sends the request; None until that is known."""
        self._held: asyncio.Future[None] | None = None
        """Set while somebody has to find out who sends the request."""

    @property
    def is_batch(self) -> bool:
        """True if the whole body is an array of objects."""
        return holds_array(self.body)

    def begin(self, answered: Answered) -> None:
        """The request is whole: carry it out."""
        self._answered = answered
        self._carry_out(self._identify)
        if self._identity is None and not self.response_complete:
            self._held = self._way.hold()

    def _carry_out(self, step: Callable[[], None]) -> None:
        """Do one step. If it fails, that is the answer. A fault that nobody expected is logged, and the client learns
        only that it happened."""
        try:
            step()
        except CommandError as fault:
            self._refuse(fault)
        except Exception as fault:
            self._way.gateway.log.exception("task.failed", fault, path=self._head.target.path)
            self._end(self._way.refusal(CommandError(ErrorCode.INTERNAL, "internal error")))

    def _identify(self) -> None:
        credentials = tuple(credentials_in(self._head.headers.get("authorization", ()), ()))
        self._way.gateway.access.identify_request(credentials, self._identified)

    def _identified(self, answer: Identity | CommandError) -> None:
        self._identity = answer
        if self._held is not None and not self._held.done():
            self._held.set_result(None)
        self._carry_out(self._publish)

    def _publish(self) -> None:
        """Make the checks of the long way, in the same order, and publish. Raises CommandError."""
        gateway, fields, project_id, body = self._way.gateway, self._head.headers, self._project_id, self.body
        if isinstance(self._identity, CommandError):
            raise self._identity
        assert self._identity is not None, "it is known by now"
        if not is_project_id(project_id):
            raise invalid_project_id()
        check(self._identity, PUBLISH, project_id)
        key = read_key(fields.get("idempotency-key", ()))
        check_fields(fields.get("content-type", ()), fields.get("content-encoding", ()), ())
        if len(body) > gateway.body_bytes_max:
            raise body_too_large(gateway.body_bytes_max)
        gateway.node.check_size(body)
        prepared = gateway.node.prepare(publication.read_object(body), project_id, key)
        gateway.node.publish(prepared, self._published)

    def _published(self, answer: Position | CommandError) -> None:
        if isinstance(answer, CommandError):
            self._refuse(answer)
        else:
            identity = self._identity
            if isinstance(identity, Identity) and is_operator(identity):
                self._way.gateway.own_log.used("publish", identity, published(self._project_id, answer))
            self._end(self._way.confirmation(replies.publish_confirmed(self._project_id, answer)))

    def _refuse(self, fault: CommandError) -> None:
        self._way.gateway.counters.errors[fault.code.value] += 1
        self._end(self._way.refusal(fault))

    def _end(self, response: bytes) -> None:
        self.response_complete = True
        answered = self._answered
        del self._answered  # the connection holds the newest request, which then does not hold the connection
        answered(response)
