"""A lasting link to the primary: it connects again when the connection is lost, and then asks again what is unanswered.

Every call of ours may be carried out twice: reads change nothing, and the append script knows its own writer. So a
call outlives its connection, and is answered once: with its replies, or with `Failed` when its time is up.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Protocol

import hiredis

from websocket_handler.adapters.valkey.connection import Connection, Part, Pushed, Reply, packed
from websocket_handler.adapters.valkey.server import ServerFacts, Unreachable, read_facts
from websocket_handler.ports.backoff import Backoff

LOOK_INTERVAL_S: Final = 0.25
STEADY_S: Final = 1.0
"""A connection that lived shorter than this counts as a failure, so that a server that turns us away is not stormed."""
WRONG_SERVER: Final = frozenset({"READONLY", "NOSCRIPT", "MASTERDOWN", "LOADING", "NOAUTH"})
"""First words of errors that a new connection to the present primary cures."""


@dataclass(frozen=True, slots=True)
class Failed:
    """There are no replies. The commands may have been carried out."""

    reason: str


Answered = Callable[[Sequence[Reply] | Failed], None]


def done_or_failed(replies: Sequence[Reply] | Failed) -> Sequence[Reply] | Failed:
    """The replies; or `Failed` if there are none, or if the server refused one of the commands."""
    if isinstance(replies, Failed):
        return replies
    error = next((reply for reply in replies if isinstance(reply, hiredis.ReplyError)), None)
    return replies if error is None else Failed(explained(error))


def explained(error: hiredis.ReplyError) -> str:
    """What a server's error means for whoever runs it."""
    text = str(error)
    if text.startswith(("MOVED", "ASK", "CROSSSLOT")):
        return f"the server is a cluster of several shards, which the gateway cannot use yet: {text}"
    return text


@dataclass(frozen=True, slots=True)
class LinkOptions:
    """Times, in seconds, and maxima of one link."""

    timeout_s: float = 5.0
    """How long a call waits for its replies, new connections included."""
    silent_s: float = 2.0
    """A server that says nothing for so long while it is asked something is given up."""
    calls_max: int = 10_000
    """How many calls may be unanswered."""
    bytes_max: int = 33_554_432
    """How many bytes the unanswered calls may have together."""


class Connects(Protocol):
    """Opens connections to the primary: `server.Server` is one."""

    async def connect(self, pushed: Pushed, lost: Callable[[str], None]) -> tuple[Connection, ServerFacts]:
        """See `Server.connect`."""
        ...


class _Call:
    """Some commands that are asked together, and asked again together."""

    __slots__ = ("answered", "commands", "count", "deadline")

    def __init__(self, commands: bytes, count: int, answered: Answered, deadline: float) -> None:
        self.commands = commands
        self.count = count
        self.answered: Answered | None = answered
        """None once it was called."""
        self.deadline = deadline


class Link:
    """Calls on the primary. `run` has to run in the background."""

    def __init__(
        self,
        server: Connects,
        backoff: Backoff,
        options: LinkOptions | None = None,
        *,
        greeting: Callable[[], Sequence[bytes]] = tuple,
        connected: Callable[[ServerFacts], None] = lambda _facts: None,
        pushed: Pushed = lambda _push: None,
    ) -> None:
        """`greeting` gives the packed commands that begin each connection; an error among their replies ends it.
        `connected` is called once they and all unanswered calls were sent."""
        self.fault: str | None = "not connected yet"
        """Why there is no connection; None while there is one."""
        self.facts: ServerFacts | None = None
        """What the present or the last server said of itself."""
        self._server = server
        self._backoff = backoff
        self._options = options or LinkOptions()
        self._greeting = greeting
        self._connected = connected
        self._pushed = pushed
        self._connection: Connection | None = None
        self._calls: deque[_Call] = deque()
        """What is unanswered, oldest first."""
        self._bytes = 0
        """How many bytes the commands in `_calls` have."""
        self._lost: asyncio.Event = asyncio.Event()
        self._timer: asyncio.TimerHandle | None = None

    # Calls

    def call(self, commands: bytes, count: int, answered: Answered) -> None:
        """Ask `count` packed commands. `answered` is called once, with all replies or with `Failed`."""
        options = self._options
        if len(self._calls) >= options.calls_max or self._bytes + len(commands) > options.bytes_max:
            answered(Failed(f"more than {options.calls_max} calls or {options.bytes_max} bytes wait for the server"))
            return
        loop = asyncio.get_running_loop()
        call = _Call(commands, count, answered, loop.time() + options.timeout_s)
        self._calls.append(call)
        self._bytes += len(commands)
        if self._timer is None:
            self._timer = loop.call_later(LOOK_INTERVAL_S, self._look)
        if self._connection is not None:
            self._send(self._connection, call)

    async def ask(self, *parts: Part) -> Reply:
        """The reply to one command. Raises Unreachable instead of `Failed`, or with the server's error."""
        return (await self.ask_all(packed(*parts), 1))[0]

    async def ask_all(self, commands: bytes, count: int) -> Sequence[Reply]:
        """The replies to so many commands. Raises Unreachable instead of `Failed`, or with a server's error."""
        answer: asyncio.Future[Sequence[Reply] | Failed] = asyncio.get_running_loop().create_future()
        self.call(commands, count, lambda replies: None if answer.done() else answer.set_result(replies))
        replies = done_or_failed(await answer)
        if isinstance(replies, Failed):
            raise Unreachable(replies.reason)
        return replies

    async def refresh_facts(self) -> None:
        """Ask the server what it is now, and leave it if it is no primary any more. Raises Unreachable."""
        info = await self.ask("INFO")
        try:
            self.facts = replace(read_facts("the server", None, info), address=self.address)
        except Unreachable as error:
            self.drop(str(error))
            raise

    @property
    def address(self) -> str:
        """Where the present or the last server is; empty before the first one."""
        return "" if self.facts is None else self.facts.address

    def _send(self, connection: Connection, call: _Call) -> None:
        connection.send(call.commands, call.count, lambda replies: self._replied(connection, call, replies))

    def _replied(self, connection: Connection, call: _Call, replies: Sequence[Reply]) -> None:
        if connection is not self._connection:
            return  # it was given up meanwhile, and the call is asked again on another one
        cause = next((reply for reply in replies if _is_wrong_server(reply)), None)
        if cause is not None:
            self.drop(str(cause))
            return
        assert self._calls[0] is call, "replies come in the order of the calls"
        self._calls.popleft()
        self._bytes -= len(call.commands)
        _answer(call, replies)

    # Deadlines

    def _look(self) -> None:
        """Give up calls whose time is over, and a connection that says nothing."""
        loop, connection = asyncio.get_running_loop(), self._connection
        now = loop.time()
        if connection is not None and connection.is_awaited and now - connection.heard_at > self._options.silent_s:
            self.drop(f"the server said nothing for {self._options.silent_s:g} s")
        late = [call for call in self._calls if call.deadline <= now]
        if self._connection is None:  # nothing is under way: these calls need not be asked any more
            for call in late:
                self._calls.popleft()
                self._bytes -= len(call.commands)
        self._timer = loop.call_later(LOOK_INTERVAL_S, self._look) if self._calls else None
        for call in late:
            _answer(call, Failed(self.fault or f"no answer in {self._options.timeout_s:g} s"))

    # Connections

    def drop(self, reason: str) -> None:
        """Give up the connection, and make another one."""
        connection, self._connection = self._connection, None
        self.fault = reason
        self._lost.set()
        if connection is not None:
            connection.abort(reason)

    async def run(self) -> None:
        """Keep a connection open until cancelled."""
        failures = 0
        loop = asyncio.get_running_loop()
        try:
            while True:
                began = loop.time()
                await self._once()
                failures = 0 if loop.time() - began > STEADY_S else failures + 1
                await asyncio.sleep(self._backoff.delay_s(failures))
        finally:
            self.drop("the node ends")
            if self._timer is not None:
                self._timer.cancel()
            while self._calls:
                _answer(self._calls.popleft(), Failed("the node ends"))

    async def _once(self) -> None:
        """One connection, from its beginning to its end."""
        self._lost.clear()
        try:
            connection, facts = await self._server.connect(self._pushed, lambda reason: self._ended(reason, connection))
        except Unreachable as error:
            self.fault = str(error)
            return
        self.facts = facts
        self._connection, self.fault = connection, None
        greeting = self._greeting()
        if greeting:
            connection.send(b"".join(greeting), len(greeting), self._greeted)
        for call in self._calls:
            self._send(connection, call)
        self._connected(facts)
        await self._lost.wait()

    def _greeted(self, replies: Sequence[Reply]) -> None:
        fault = next((reply for reply in replies if isinstance(reply, hiredis.ReplyError)), None)
        if fault is not None:
            self.drop(f"the server refused: {fault}")

    def _ended(self, reason: str, connection: Connection) -> None:
        if connection is self._connection:
            self.drop(reason)


def _answer(call: _Call, replies: Sequence[Reply] | Failed) -> None:
    answered, call.answered = call.answered, None
    if answered is not None:
        answered(replies)


def _is_wrong_server(reply: Reply) -> bool:
    return isinstance(reply, hiredis.ReplyError) and str(reply).partition(" ")[0] in WRONG_SERVER
