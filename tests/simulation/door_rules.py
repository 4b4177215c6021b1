"""Compares the promises about who comes in and who stays with what the nodes' sockets really carry.

It shares no code with the product: it reads what is written to a socket, and counts the places itself.
"""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from tests.simulation.arrivals import FOREVER, Arrival, Door, Revocation, State
from tests.simulation.door_plan import FOREIGN_ORIGIN, DoorPlan
from tests.simulation.identities import EVERYTHING, Token

SAMPLE_S: Final = 0.3
"""How many seconds it may take until a node knows that its memory has become short, or is short no longer."""
LATE_S: Final = 0.01
"""How many seconds after its time something has certainly happened."""
INCOMPLETE: Final = ("message_too_large", "invalid_field", "authentication_unavailable")
"""The error codes of an incomplete handshake, or of a handshake that shows an invalid credential."""
STREAM_LATE_S: Final = 0.5
"""An event stream may end so many seconds after its token, because it checks the token only when it wakes up."""
BURST_S: Final = 2.0
WAY_S: Final = 0.1
"""How many seconds a request may be on its way."""
HANDED_OVER: Final = 4012


class DoorRules:
    """Is told of everything that happens at every socket."""

    def __init__(
        self,
        plan: DoorPlan,
        time: Callable[[], float],
        wall: Callable[[], float],
        violation: Callable[[str], None],
        counts: Counter[str],
    ) -> None:
        self._plan = plan
        self._time = time
        self._wall = wall
        self._violation = violation
        self._counts = counts
        self._doors: dict[str, Door] = {}
        self._deaths: dict[str, tuple[float, dict[str, Revocation]]] = {}
        """When a node died last, and whom it had revoked: its answers may still be under way."""
        self.key_faults: list[tuple[float, float]] = []
        """The times during which nobody could fetch keys, or a node had to fetch them."""
        self._before_jumps: list[tuple[float, float]] = []
        """When the wall clock jumped, and what it said right before."""

    def clock_jumps(self) -> None:
        """The wall clock is about to jump."""
        self._before_jumps.append((self._time(), self._wall()))

    def _latest_wall(self) -> float:
        """The latest time that a node may have read from the wall clock when it judged what is answered now."""
        since = self._time() - WAY_S
        return max([self._wall(), *(wall for at, wall in self._before_jumps if at >= since)])

    def door(self, node: str) -> Door:
        """What the rules know of a node."""
        return self._doors.setdefault(node, Door())

    def gone(self, node: str) -> None:
        """The process died: forget everything about it."""
        if door := self._doors.pop(node, None):
            self._deaths[node] = (self._time(), door.revoked)

    # What a node writes

    def wrote(self, arrival: Arrival, data: bytes) -> None:
        """The node wrote to a socket."""
        if arrival.state is State.DIALING:
            self._answered(arrival, data)
            return
        if arrival.state is not State.OPEN:
            return
        if self._time() > arrival.ends_at + LATE_S and b'"offset":' in data:
            self._violation(f"{arrival.who}: gets something though its token ended at {arrival.ends_at:.3f}")
        self._said(arrival, data)

    def _said(self, arrival: Arrival, data: bytes) -> None:
        """Follow what changes between a node and a client that is in."""
        if arrival.offered is not None and b'"type":"authenticated"' in data:
            self._holds(arrival, arrival.offered)
        if data[0] == 0x88:
            if int.from_bytes(data[2:4]) == HANDED_OVER and not arrival.is_told:
                self._violation(f"{arrival.who}: is handed over, but was not told when to come back")
            self._says_goodbye(arrival)
        elif b'"type":"reconnect"' in data:
            arrival.is_told = True

    def unsent(self, arrival: Arrival, data: bytes) -> None:
        """The node wrote to a socket whose other end is gone; the node does not know that yet."""
        if arrival.state is State.DIALING and data.startswith(b"HTTP/1.1 101 "):
            self._accepted(arrival)
        elif arrival.state is State.DIALING:
            arrival.state = State.CLOSING
        elif arrival.state is State.OPEN:
            self._said(arrival, data)

    def ended(self, arrival: Arrival, *, is_cut: bool) -> None:
        """The node has heard that a socket is gone. Unless the client or the network cut it, a complete request must
        have been answered before."""
        door = self.door(arrival.node)
        if arrival.state is State.DIALING and arrival.is_complete and not is_cut and self._plan.entries > 100:
            self._violation(f"{arrival.who}: a request was not answered")
        if arrival in door.open:
            del door.open[arrival]
            door.certain["address", arrival.address] -= 1
            self._leaves_user(arrival)
        arrival.state = State.ENDED

    def _answered(self, arrival: Arrival, data: bytes) -> None:
        head, _, body = data.partition(b"\r\n\r\n")
        if head.startswith(b"HTTP/1.1 101 "):
            self._accepted(arrival)
            return
        arrival.state = State.CLOSING
        code = self._typed(arrival, head, body)
        self._counts[f"refused {code}"] += 1
        if (fault := self._unfounded(arrival, code)) is not None:
            self._violation(f"{arrival.who}: was refused with {code}: {fault}")

    def _typed(self, arrival: Arrival, head: bytes, body: bytes) -> str:
        """The error code of an answer. It is a violation if the answer has not the form of the protocol."""
        status, headers = head.removeprefix(b"HTTP/1.1 ")[:3], head.lower()
        try:
            answer = json.loads(body)
        except ValueError:
            answer = {}
        is_whole = f"\r\ncontent-length: {len(body)}".encode() in headers
        has_pause = b"\r\nretry-after: " in headers or status not in (b"429", b"503")
        if not (answer.get("type") == "error" and "retryable" in answer and is_whole and has_pause):
            self._violation(f"{arrival.who}: an answer without the protocol's form: {head[:200]!r} {body[:200]!r}")
        return str(answer.get("code"))

    # Who was refused

    def _unfounded(self, arrival: Arrival, code: str) -> str | None:
        """Why nobody should have been refused with this code; None if the node was right."""
        door = self.door(arrival.node)
        if self._is_general(door, code):
            return None
        if code == "too_many_connections":
            return None if self._may_be_full(door, arrival.address, arrival.token) else "there is room"
        if arrival.wrong or not arrival.is_complete:
            return None if code in (arrival.wrong, *INCOMPLETE) else f"expected {arrival.wrong}"
        is_right = {
            "forbidden": self._is_foreign(arrival),
            "unauthorized": self._is_doubtful(door, arrival),
            "authentication_unavailable": self._may_lack_keys(),
        }
        return None if is_right.get(code) else "there is no reason"

    def _may_lack_keys(self, asked_at: float | None = None) -> bool:
        """True if a node may not have the keys that verify tokens, for who asked then."""
        now = self._time()
        since = (now if asked_at is None else min(now, asked_at)) - self._plan.handshake_timeout_s
        return self._plan.has_tokens and any(begin <= now and since <= end for begin, end in self.key_faults)

    def unfounded_for_token(self, arrival: Arrival, token: Token, code: str, asked_at: float) -> str | None:
        """Why an `authenticate` of that time should not have failed with this code; None if the node was right."""
        is_right = {
            "unauthorized": self.may_be_worthless(arrival.node, token),
            "authentication_unavailable": self._may_lack_keys(asked_at),
            "too_many_connections": self._plan.per_user > 0,
        }
        return None if is_right.get(code) else "there is no reason"

    def _is_general(self, door: Door, code: str) -> bool:
        """True if a refusal with this code does not depend on who comes."""
        if code == "draining":
            return door.draining_since <= self._time()
        if code == "too_many_connections":
            return self._may_be_short(door)
        return code == "rate_limited" and self._plan.handshakes_per_second > 0

    # Streams and polls

    def stream_asks(self, node: str, address: str, token: Token, by: int = 1) -> None:
        """A request begins that may take a place. With `by` -1 it has taken its place, or ends without one."""
        self._count(self.door(node).possible, address, token, by)

    def stream_holds(self, node: str, address: str, token: Token, by: int = 1) -> None:
        """An event stream has taken its place. With `by` -1 it gives the place back."""
        self._count(self.door(node).certain, address, token, by)

    def _count(self, places: Counter[tuple[str, str]], address: str, token: Token, by: int) -> None:
        places["address", address] += by
        if self._plan.has_tokens:
            places["user", token.user] += by

    def streamed(self, node: str, token: Token, ends_at: float, now: float, data: bytes) -> None:
        """A node wrote to an event stream. If its client did not read, the write began at `now`."""
        if b'"offset":' not in data:
            return
        revoked = self.door(node).revoked.get(token.user)
        is_revoked = revoked is not None and token.issued_at <= revoked.before and now > revoked.at
        if now > ends_at + STREAM_LATE_S or is_revoked:
            self._violation(f"{node}: an event stream of {token} goes on, which ended at {ends_at:.3f}: {revoked}")

    def end_of(self, token: Token) -> float:
        """When a connection that gets this token now will end."""
        return self._time() + max(1.0, token.expires_at - self._wall()) if self._plan.has_tokens else FOREVER

    def refused_stream(self, node: str, address: str, token: Token) -> None:
        """A stream or a poll found no place. Its own request counts as one that may hold a place."""
        door = self.door(node)
        if not self._may_be_full(door, address, token, itself=1):
            self._violation(f"{node}: a stream of {address} and {token.user} found no place, but there is room")

    def _may_be_full(self, door: Door, address: str, token: Token | None, itself: int = 0) -> bool:
        places = {("address", address): self._plan.per_address}
        if token is not None and self._plan.has_tokens:
            places["user", token.user] = self._plan.per_user
        return self._may_be_short(door) or any(
            limit and door.certain[place] + door.possible[place] - itself >= limit for place, limit in places.items()
        )

    def _may_be_short(self, door: Door) -> bool:
        return door.short_since <= self._time() <= door.short_until + SAMPLE_S

    def _is_foreign(self, arrival: Arrival) -> bool:
        return arrival.origin == FOREIGN_ORIGIN

    def _is_doubtful(self, door: Door, arrival: Arrival) -> bool:
        """True if a node may refuse what this client shows."""
        if not self._plan.has_tokens:
            return False
        if arrival.ticket:
            known = door.tickets.get(arrival.ticket)
            is_old = known is None or self._time() - known[1] > 30 - LATE_S
            return is_old or arrival.ticket in door.spent or self.may_be_worthless(arrival.node, arrival.token)
        return self.may_be_worthless(arrival.node, arrival.token)

    def may_be_worthless(self, node: str, token: Token | None) -> bool:
        """True if a node may refuse this token: it ended, or its user was revoked."""
        if token is None or token.expires_at <= self._latest_wall() + LATE_S:
            return True
        died_at, revoked_then = self._deaths.get(node, (-FOREVER, {}))
        known = [self.door(node).revoked, revoked_then if self._time() < died_at + LATE_S else {}]
        return any(token.user in revoked and token.issued_at <= revoked[token.user].after for revoked in known)

    def must_be_worthless(self, node: str, token: Token) -> bool:
        """True if a node has to refuse this token."""
        revoked = self.door(node).revoked.get(token.user)
        return token.expires_at < self._wall() - LATE_S or (revoked is not None and token.issued_at <= revoked.before)

    # Who came in

    def _accepted(self, arrival: Arrival) -> None:
        door, plan, now = self.door(arrival.node), self._plan, self._time()
        self._counts["handshakes"] += 1
        if arrival.wrong or not arrival.is_complete:
            self._violation(f"{arrival.who}: came in, expected {arrival.wrong}")
        if door.draining_since < now:
            self._violation(f"{arrival.who}: came in though {arrival.node} drains since {door.draining_since:.3f}")
        if self._is_foreign(arrival):
            self._violation(f"{arrival.who}: came in from {arrival.origin}")
        if door.short_since + SAMPLE_S < now <= door.short_until:
            self._violation(f"{arrival.who}: came in though memory is short")
        self._check_rate(door, arrival.asked_at)
        if 0 < plan.per_address <= door.certain["address", arrival.address]:
            self._violation(f"{arrival.who}: is one more than {arrival.address} may have")
        arrival.state = State.OPEN
        door.open[arrival] = None
        door.certain["address", arrival.address] += 1
        if not plan.has_tokens:
            arrival.holder = EVERYTHING
        elif arrival.token is None:
            arrival.ends_at = now + plan.authentication_timeout_s
        else:
            self._spend(door, arrival)
            self._holds(arrival, arrival.token)

    def _check_rate(self, door: Door, asked_at: float) -> None:
        rate = self._plan.handshakes_per_second
        if rate:
            door.accepted.append(asked_at)
            count = sum(asked_at - 1 <= at <= asked_at for at in door.accepted)
            if count > rate * (1 + WAY_S) + max(1.0, rate * BURST_S):
                self._violation(f"{count} handshakes within a second, {rate} may be")

    def _spend(self, door: Door, arrival: Arrival) -> None:
        if not arrival.ticket:
            return
        if arrival.ticket not in door.tickets:
            self._violation(f"{arrival.who}: came in with a ticket that {arrival.node} never gave")
        if arrival.ticket in door.spent:
            self._violation(f"{arrival.who}: came in with a ticket that was used before")
        door.spent[arrival.ticket] = None

    def _holds(self, arrival: Arrival, token: Token) -> None:
        """A connection has got an identity, or a newer one."""
        door = self.door(arrival.node)
        arrival.offered = None
        if not self._plan.has_tokens:
            return
        if self.must_be_worthless(arrival.node, token):
            self._violation(f"{arrival.who}: came in with a worthless token: {token}")
        if arrival.holder is None:
            if 0 < self._plan.per_user <= door.certain["user", token.user]:
                self._violation(f"{arrival.who}: is one more than {token.user} may have")
            door.certain["user", token.user] += 1
        elif arrival.holder.user != token.user:
            self._violation(f"{arrival.who}: was {arrival.holder.user}, is {token.user}")
        arrival.holder = token
        arrival.ends_at = self.end_of(token)

    def _says_goodbye(self, arrival: Arrival) -> None:
        arrival.state = State.CLOSING
        self._leaves_user(arrival)

    def _leaves_user(self, arrival: Arrival) -> None:
        """The user's place is free once the node forgets the connection."""
        holder, arrival.holder = arrival.holder, None
        if holder is not None and holder is not EVERYTHING:
            self.door(arrival.node).certain["user", holder.user] -= 1

    # What operators do

    def revoking(self, node: str, user: str) -> None:
        """A node is told to revoke a user's tokens. From now on it may refuse all of them."""
        known = self.door(node).revoked.get(user, Revocation())
        self.door(node).revoked[user] = replace(known, after=FOREVER)

    def revoked(self, node: str, user: str, before: float, after: float) -> None:
        """A node was told to revoke a user's tokens, and has answered."""
        door = self.door(node)
        door.revoked[user] = Revocation(before, after, self._time())
        for arrival in door.open:
            holder = arrival.holder
            if holder is not None and holder.user == user and holder.issued_at <= before:
                self._violation(f"{arrival.who}: stays though {user} was revoked")

    # As time passes

    def look(self) -> None:
        """Check that every connection that had to end has ended."""
        now = self._time()
        for door in self._doors.values():
            for arrival in door.open:
                if arrival.state is State.OPEN and now > arrival.ends_at + 1.0:
                    self._violation(f"{arrival.who}: stays though its time ended at {arrival.ends_at:.3f}")

    def left(self, node: str) -> None:
        """A node that drained in order is about to exit. Everybody who was there must have been told."""
        for arrival in self.door(node).open:
            if arrival.state is State.OPEN and not arrival.is_told:
                self._violation(f"{arrival.who}: was not told that {node} goes away")

    def check_empty(self) -> None:
        """Everybody has left, so no place may be taken any more."""
        for name, door in self._doors.items():
            taken = +door.certain
            if taken or door.open or +door.possible:
                self._violation(f"{name}: places that nobody gave back: {dict(taken)}, {len(door.open)} open")
