"""The short way of a call of AWS: the request is written by a plain call, and the answer calls back.

It has no task and no coroutine, so it only knows good answers. With everything else the caller goes on in a coroutine:
`AwsCall` with this call as `begun`, where the rules for faults are.
"""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

from websocket_handler.adapters.aws.answers import result_of
from websocket_handler.adapters.aws.http_connections import (
    Answer,
    ConnectionFault,
    HttpConnection,
    HttpConnections,
    Outcome,
)
from websocket_handler.adapters.overload.lag import PatientTimeouts


class BegunCall:
    """One attempt of an operation, whose request was written to an idle connection. `ended` is called once: when the
    answer or a fault of the connection is here, or at the deadline."""

    __slots__ = (
        "_answer_bytes_max",
        "_connection",
        "_connections",
        "_ended",
        "_has_ended",
        "_operation",
        "_outcome",
        "_request",
        "_timeouts",
        "body",
        "deadline",
        "may_repeat",
        "result",
        "skew_s",
    )

    def __init__(
        self,
        operation: str,
        body: bytes,
        skew_s: float,
        timeouts: PatientTimeouts,
        ended: "Callable[[BegunCall], None]",
    ) -> None:
        """`skew_s` is the skew of the clock by which the request is signed."""
        self.body = body
        self.skew_s = skew_s
        self.result: dict[str, Any] | None = None
        """What a good answer says; None if the caller has to go on in a coroutine."""
        self._operation = operation
        self._timeouts = timeouts
        self._ended = ended
        self._has_ended = False
        self._outcome: Outcome | TimeoutError
        self.deadline = timeouts.watch(self._expire)
        """It goes on after `ended`, unless there is a `result`."""

    def write(
        self, connection: HttpConnection, connections: HttpConnections, request: bytes, answer_bytes_max: int | None
    ) -> None:
        """Write the request to a connection that was taken from `connections`."""
        self._connection = connection
        self._connections = connections
        self._request = request
        self._answer_bytes_max = answer_bytes_max
        connection.ask(request, self._answered, answer_bytes_max)

    def abandon(self) -> None:
        """Nobody waits for the answer any more: `ended` is not called."""
        if not self._has_ended:
            self._connection.abort()
            self._end()
        self._timeouts.end(self.deadline)

    async def answer(self) -> Answer:
        """The answer after `ended`. If the server cannot have carried out the request, it is asked again first. Raises
        OSError, TimeoutError."""
        if isinstance(self._outcome, ConnectionFault) and self.may_repeat:
            return await self._connections.ask_anew(self._request, self._answer_bytes_max)
        if isinstance(self._outcome, Answer):
            return self._outcome
        raise self._outcome

    def _answered(self, outcome: Outcome) -> None:
        if self._has_ended:
            return
        self._outcome = outcome
        self._end()
        if isinstance(outcome, ConnectionFault):
            self.may_repeat = self._connections.may_repeat(self._connection, self.deadline.began)
        elif outcome.status < 300:
            try:
                self.result = result_of(self._operation, outcome.body)
            except ValueError:  # the coroutine says what that means
                pass
            else:
                self._timeouts.end(self.deadline)
        self._tell()

    def _expire(self) -> None:
        self._outcome = TimeoutError()
        if not self._has_ended:
            self._connection.abort()
            self._end()
            self._tell()

    def _tell(self) -> None:
        ended = self._ended
        del self._ended  # which knows this call: a circle would wait for the garbage collector
        ended(self)

    def _end(self) -> None:
        self._has_ended = True
        self._connections.give_back(self._connection)


class AwsBegin(Protocol):
    """Begins one attempt of one operation on the short way."""

    def __call__(
        self,
        service: str,
        operation: str,
        timeout_s: float,
        parameters: Mapping[str, Any],
        ended: Callable[[BegunCall], None],
        /,
    ) -> BegunCall | None:
        """Write the request now, and call `ended` later. Returns None if nothing was written, because something has to
        be waited for first: a connection, a place for one more request, credentials, or that the service is opened."""
        ...


def nothing_begins(*_: object) -> None:
    """An `AwsBegin` for calls that have no short way."""
