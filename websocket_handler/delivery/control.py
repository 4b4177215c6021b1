"""What an operator does to connections and users, on every node, and which nodes go away.

It goes through a log that all nodes follow. A node that was cut off reads what it missed, and a node that starts reads
which tokens were revoked. A node that runs alone has no such log, and does everything at once.
"""

import asyncio
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from functools import partial
from typing import Final

from websocket_handler.access.access import Access
from websocket_handler.access.revocations import REVOCATION_SECONDS, REVOCATIONS_MAX
from websocket_handler.delivery.node import Node, Told
from websocket_handler.hub.control_messages import (
    ControlMessage,
    Disconnect,
    Disconnected,
    Drain,
    Leave,
    Rebalance,
    Revoke,
    Serve,
    decode,
    encode,
)
from websocket_handler.hub.log import LogLimits, Publication
from websocket_handler.logs.common_log import CommonLog, common_engine
from websocket_handler.ports.log_store import LogStore, always
from websocket_handler.protocol.codes import CloseCode, CommandError, ErrorCode
from websocket_handler.protocol.messages import Position

NODE: Final = "node:"
CONTROL: Final = "~control"
"""The log of control messages. No project can have this id."""
CLOCKS_S: Final = 3600.0
"""By how much the clocks of two nodes may differ."""
CONTROL_LOG: Final = LogLimits(2 * REVOCATIONS_MAX, 8_388_608, REVOCATION_SECONDS + CLOCKS_S)
"""What is kept of the control log: every revocation that a node remembers, and as many other messages."""
OPEN_INTERVAL_S: Final = 1.0
ANSWER_S: Final = 2.0
"""How long the other nodes have to say that they closed a connection."""
WAITING_MAX: Final = 1000
"""How many disconnects and drains may wait for the other nodes."""
DRAINING_MAX: Final = 1000
"""Of how many nodes at once it is known that they go away."""

Closed = Callable[[bool | CommandError], None]
"""Called once: with True if a node has closed the connection, or drains, with False if none has it or is it, or with
the reason why the other nodes could not be asked."""


class Control:
    """One node's part in the control of all nodes."""

    def __init__(
        self,
        node: Node,
        access: Access,
        store: LogStore | None,
        node_id: str = "",
        *,
        is_announced: Callable[[], bool] = always,
        met: Callable[[], None] = lambda: None,
        rebalance: Callable[[float], None] = lambda _seconds: None,
    ) -> None:
        """`store` keeps the logs that nodes write for each other; None if there are no other nodes. They know this node
        as `node_id`, and find it once it `is_announced`. `met` is called when another node says that it has started,
        `rebalance` when clients are to be moved, with the seconds over which that is spread."""
        self._node = node
        self._node_id = node_id
        self._is_announced = is_announced
        self._met = met
        self._rebalance = rebalance
        self._is_introduced = False
        self._own_drain: Drain | None = None
        self._draining: dict[str, float] = {}
        """The nodes that go away, this one too, and until when. Each is forgotten then."""
        self._access = access
        self._waiting: dict[Closed, str] = {}
        """Who waits for the end of a connection that this node does not have, and for which one. For the drain of a
        node it is a `NODE` and its name, which no connection has."""
        self._leaving = asyncio.Event()
        self._log: CommonLog | None = None
        if store is not None:
            self._log = CommonLog(CONTROL, common_engine(node.engine, store, CONTROL_LOG), self)
            node.projects.share(self._log)

    async def run(self) -> None:
        """Read the common logs as soon as the store answers, and say that this node is there. It goes on until
        cancelled."""
        while True:
            for log in self._node.projects.common.values():
                if not log.is_known:
                    log.look()
            self.introduce()
            await asyncio.sleep(OPEN_INTERVAL_S)

    def introduce(self) -> None:
        """Say once that this node has started, when the others can find it."""
        is_due = not self._is_introduced and self._own_drain is None
        if self._log is not None and is_due and self._log.is_known and self._is_announced():
            with suppress(CommandError):
                self._log.write(encode(Serve(self._node_id)), self._introduced)

    def _introduced(self, answer: Position | CommandError) -> None:
        self._is_introduced = not isinstance(answer, CommandError)

    def failure(self) -> str | None:
        """Why this node does not know yet what all nodes have to know, for `/ready`; None if it knows."""
        is_known = self._log is None or self._log.is_known
        return None if is_known else "it is not known yet which tokens were revoked"

    # What an operator asks of this node

    def revoke(self, user_id: str, done: Told) -> int:
        """Close all connections of a user, and from now on refuse every token that was issued to them until now.
        Returns how many connections this node has closed. `done` is called when the other nodes will do the same.
        Raises CommandError: `overloaded`, `store_unavailable`; then only this node does it."""
        closed = self._access.revoke(user_id)
        if self._log is None:
            done(None)
        else:
            revocation = Revoke(user_id, self._node.engine.clock.wall())
            self._log.write(encode(revocation), lambda answer: done(_fault_of(answer)))
        return closed

    def disconnect(self, connection_id: str, done: Closed) -> None:
        """Close a connection for good, on whichever node it is. Raises CommandError: `overloaded`,
        `store_unavailable`."""
        if self._close(connection_id):
            done(True)
        else:
            self._ask_others(connection_id, Disconnect(connection_id), done)

    def ask_to_leave(self, node_id: str, done: Closed) -> None:
        """Let a node begin its drain, whichever it is. Raises CommandError: `overloaded`, `store_unavailable`."""
        if node_id == self._node_id:
            self._leaving.set()
            done(True)
        else:
            self._ask_others(f"{NODE}{node_id}", Leave(node_id), done)

    @property
    def is_asked_to_leave(self) -> bool:
        """True once an operator wants this node to drain."""
        return self._leaving.is_set()

    async def until_asked_to_leave(self) -> None:
        """Return once an operator wants this node to drain."""
        await self._leaving.wait()

    def _ask_others(self, name: str, message: ControlMessage, done: Closed) -> None:
        """Ask the node that has something, or is it."""
        if self._log is None:
            done(False)
        elif len(self._waiting) >= WAITING_MAX:
            raise CommandError(ErrorCode.OVERLOADED, "too many disconnects wait for the other nodes")
        else:
            self._waiting[done] = name
            try:
                self._log.write(encode(message), partial(self._asked, done))
            except CommandError:
                del self._waiting[done]
                raise

    def rebalance(self, seconds: float, done: Told) -> None:
        """Let each node that has more clients than its share move the surplus, spread over `seconds`. `done` is called
        when all nodes will do so. Raises CommandError: `overloaded`, `store_unavailable`."""
        if self._log is None:
            done(None)
        else:
            self._log.write(encode(Rebalance(seconds)), lambda answer: done(_fault_of(answer)))

    def drain(self, seconds: float) -> None:
        """Tell the other nodes that this one hands its clients over, which takes so long."""
        self._own_drain = Drain(self._node_id, self._node.engine.clock.wall() + seconds)
        self._do(self._own_drain)
        self._say(self._own_drain)

    @property
    def draining(self) -> Collection[str]:
        """The nodes that go away, as far as they could say so."""
        now = self._node.engine.clock.wall()
        self._draining = {node_id: until for node_id, until in self._draining.items() if until > now}
        return self._draining.keys()

    def _asked(self, done: Closed, answer: Position | CommandError) -> None:
        """The other nodes are asked, or could not be."""
        if isinstance(answer, CommandError):
            self._answer(done, answer)
        else:
            self._node.engine.scheduler.call_later(ANSWER_S, partial(self._answer, done, False))

    def _answer(self, done: Closed, answer: bool | CommandError) -> None:
        if self._waiting.pop(done, None) is not None:
            done(answer)

    def _answer_all(self, name: str) -> None:
        """Tell everybody who waits for this that it is done."""
        for done in [done for done, asked in self._waiting.items() if asked == name]:
            self._answer(done, True)

    def _close(self, connection_id: str) -> bool:
        """Close a connection of this node. Returns False if there is no such connection here."""
        connection = self._node.connections.get(connection_id)
        if connection is None:
            return False
        connection.transport.close(CloseCode.DISCONNECTED, "disconnected by an operator")
        return True

    # What the log says

    def began(self, entries: Sequence[Publication]) -> None:
        """See `Listener`. Old disconnects are of no use: their connections are gone. Revocations that this node knows
        and the log does not have are written to it: the store may have lost them, or could not be reached."""
        before, found = self._access.revocations(), dict[str, float]()
        for entry in entries:
            message = decode(entry.payload)
            if isinstance(message, Revoke):
                self._access.note_revocation(message.user_id, message.at)
                found[message.user_id] = max(message.at, found.get(message.user_id, 0.0))
            elif isinstance(message, Drain | Serve):
                self._do(message)
        if self._own_drain is not None:
            self._say(self._own_drain)
        for user_id, at in before.items():
            if found.get(user_id, 0.0) < at:
                self._say(Revoke(user_id, at), f"{at}|{user_id}")

    def went_on(self, entries: Sequence[Publication]) -> None:
        """See `Listener`."""
        for entry in entries:
            message = decode(entry.payload)
            if message is not None:
                self._do(message)

    def _do(self, message: ControlMessage) -> None:
        match message:
            case Revoke():
                self._access.note_revocation(message.user_id, message.at)
            case Disconnect():
                if self._close(message.connection_id):
                    self._say(Disconnected(message.connection_id))
            case Disconnected():
                self._answer_all(message.connection_id)
            case Drain():
                if len(self.draining) < DRAINING_MAX:
                    self._draining[message.node_id] = message.until
                self._answer_all(f"{NODE}{message.node_id}")
            case Leave():
                if message.node_id == self._node_id:
                    self._leaving.set()
            case Serve():
                self._draining.pop(message.node_id, None)
                if message.node_id != self._node_id:
                    self._met()
            case Rebalance():
                self._rebalance(message.seconds)

    def _say(self, message: ControlMessage, key: str = "") -> None:
        """Write a message that nobody here waits for, and that may be lost. Of several with one key, one is written."""
        if self._log is not None:
            with suppress(CommandError):
                self._log.write(encode(message), lambda _answer: None, key)


def _fault_of(answer: Position | CommandError) -> CommandError | None:
    return answer if isinstance(answer, CommandError) else None
