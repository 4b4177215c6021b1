"""What an operator does has to hold on every node: broadcasts, disconnects and revocations."""

from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any, Final

from tests.simulation.cluster_truth import read_log
from tests.simulation.dialing import Credential, Wish, answer_in, request
from tests.simulation.identities import Token
from tests.simulation.network import Link
from tests.support.valkey_model.keyspace import Keyspace
from websocket_handler.delivery.control import CONTROL
from websocket_handler.hub.control_messages import Revoke, decode

if TYPE_CHECKING:
    from tests.simulation.cluster_clients import ClusterClient
    from tests.simulation.cluster_world import ClusterWorld
    from tests.simulation.node import Process

DISCONNECTED: Final = 4500
CLOSED_S: Final = 0.5
"""How long the end of a connection may take to reach its client."""


class OperatorRules:
    """Does an operator's work, and judges what comes of it."""

    def __init__(self, world: "ClusterWorld") -> None:
        self._world = world
        self._random = Random(f"operator {world.scenario.seed}")
        self._asked_to_close: dict[str, None] = {}
        """The connections that were to be closed."""
        self._revoking: dict[str, None] = {}
        """The users whose revocation was ever asked for."""
        self._revoked: dict[str, Token] = {}
        """For each user whose revocation was confirmed, the newest token that is worth nothing now."""
        self._lost: dict[str, None] = {}
        """The users whose revocation a server has lost after it was confirmed."""
        self._broadcasts = 0
        self._confirmed_broadcasts: list[int] = []

    # What the operator asks

    def do_something(self) -> None:
        """One thing, on any node."""
        nodes = self._world.balancer.reachable(self._random)
        if nodes:
            process, dice = self._random.choice(nodes), self._random.random()
            if dice < 0.4:
                self.send_broadcast(process)
            elif dice < 0.7:
                self.disconnect(process, self._random.choice(self._world.clients_of_cluster))
            else:
                self.revoke(process, self._random.choice(self._world.clients_of_cluster).user)

    def send_broadcast(self, process: "Process") -> int:
        """Say something to everybody. Returns its number."""
        self._broadcasts += 1
        number = self._broadcasts

        def answered(status: int, _answer: dict[str, Any]) -> None:
            if status == 200:
                self._world.truth.counts["broadcasts"] += 1
                self._confirmed_broadcasts.append(number)

        body = b'{"type":"broadcast","number":%d}' % number
        process.ask("POST", "/api/v1/broadcast", answered, lambda: None, body=body)
        return number

    def disconnect(self, process: "Process", client: "ClusterClient", *, must_succeed: bool = False) -> None:
        """Close a client's connection, wherever it is."""
        connection_id = client.connection_id
        if client.link is None or not connection_id:
            return
        self._asked_to_close[connection_id] = None

        def answered(status: int, _answer: dict[str, Any]) -> None:
            self._world.truth.counts[f"disconnects answered {status}"] += 1
            if status == 204:
                self._world.loop.later(CLOSED_S, self._check_closed, client, connection_id)
            elif must_succeed:
                self._world.truth.violation(f"{client.name}: its connection could not be closed: {status}")

        process.ask("DELETE", f"/api/v1/connections/{connection_id}", answered, lambda: None)

    def _check_closed(self, client: "ClusterClient", connection_id: str) -> None:
        if client.link is not None and client.connection_id == connection_id:
            self._world.truth.violation(f"{client.name}: {connection_id} was closed, and is still open")

    def revoke(self, process: "Process", user: str) -> None:
        """Revoke all tokens of a user."""
        self._revoking[user] = None
        old = self._world.identities.issue(user)  # the newest token that the revocation certainly means

        def answered(status: int, _answer: dict[str, Any]) -> None:
            self._world.truth.counts[f"revocations answered {status}"] += 1
            if status == 200:
                self._revoked[user] = old
                self._lost.pop(user, None)

        process.ask("POST", f"/api/v1/users/{user}/disconnect", answered, lambda: None)

    # What clients see

    def arrived(self, client: "ClusterClient") -> None:
        """A client is greeted."""
        client.broadcasts.clear()

    def broadcast(self, client: "ClusterClient", number: int) -> None:
        """A client got a broadcast."""
        if number in client.broadcasts:
            self._world.truth.violation(f"{client.name}: got broadcast {number} twice over one connection")
        client.broadcasts.append(number)

    def refused(self, client: "ClusterClient") -> None:
        """A client's token was refused: it needs a new one."""
        if client.user not in self._revoking:
            self._world.truth.violation(f"{client.name}: a token that nobody revoked was refused")
        client.token = self._world.identities.issue(client.user)

    def closed(self, client: "ClusterClient", code: int) -> None:
        """The node closes a client's connection."""
        if code == DISCONNECTED and client.connection_id not in self._asked_to_close:
            if client.user not in self._revoking:
                self._world.truth.violation(f"{client.name}: was disconnected, and nobody had asked for that")
            client.token = self._world.identities.issue(client.user)

    def taken_over(self, before: Keyspace, after: Keyspace) -> None:
        """A server had the first state, and has the second one from now on."""
        old, new = read_log(before, CONTROL), read_log(after, CONTROL)
        kept = set[str]() if new is None else set(new.texts.values())
        for text in () if old is None else old.texts.values():
            message = decode(text.encode())
            if isinstance(message, Revoke) and text not in kept:
                self._lost[message.user_id] = None

    # The end

    def try_old_tokens(self, nodes: "list[Process]") -> None:
        """Knock at every node with every token that was revoked."""
        for process in nodes:
            for user, token in self._revoked.items():
                _Intruder(self._world, process, partial(self._intruded, process.name, user)).knock(token)

    def _intruded(self, node: str, user: str, code: str) -> None:
        self._world.truth.counts["old tokens tried"] += 1
        if code != "unauthorized" and user in self._lost and self._world.plan.may_forget:
            self._world.truth.counts["revocations forgotten"] += 1
        elif code != "unauthorized":
            self._world.truth.violation(f"{node}: a revoked token of {user} opens a connection: {code or 'welcome'}")

    def check_connections(self, nodes: "list[Process]") -> None:
        """Nobody is connected with a token that was revoked."""
        for process in nodes:
            for connection in process.core.node.connections.values():
                identity = connection.identity
                old = None if identity is None else self._revoked.get(identity.user_id)
                if identity is not None and old is not None and (identity.issued_at or 0.0) <= old.issued_at:
                    self._world.truth.violation(
                        f"{process.name}: {identity.user_id} is still connected by a revoked token"
                    )

    def check_broadcast(self, number: int) -> None:
        """Everybody who is connected got it."""
        if number not in self._confirmed_broadcasts:
            self._world.truth.violation(f"broadcast {number} was never confirmed")
        for client in self._world.clients_of_cluster:
            if client.broadcasts.count(number) != 1:
                self._world.truth.violation(
                    f"{client.name}: got broadcast {number} {client.broadcasts.count(number)} times"
                )


class _Intruder:
    """Comes once with a token, and says what became of it."""

    def __init__(self, world: "ClusterWorld", process: "Process", done: Any) -> None:
        self._process = process
        self._done = done
        self._buffer = b""
        self._link = Link(world.loop, process, self, "10.0.0.9", 0.001, 65_536)
        self._link.watcher = world.no_watch

    def knock(self, token: Token) -> None:
        """Ask for a connection."""
        self._process.accept(self._link)
        self._link.send(request(Wish(credential=Credential("header", token)), None))

    def received(self, link: Link, data: bytes) -> None:
        """See `Peer`."""
        if self._done is None:
            return
        self._buffer += data
        answer = answer_in(self._buffer)
        if answer is not None:
            self._done(answer.code)
            self._done = None
            link.cut(told_s=0.0)

    def lost(self, link: Link) -> None:
        """See `Peer`."""
