"""Visitors that come at once, honest or not, and what else goes wrong at the doors."""

from random import Random
from typing import TYPE_CHECKING, Any

from tests.simulation.dialing import Answer, Credential, Wish, answer_in, request
from tests.simulation.door_plan import FOREIGN_ORIGIN, HOST, DoorEvent
from tests.simulation.door_rules import LATE_S
from tests.simulation.identities import Token
from tests.simulation.network import Link
from tests.support.frames import handshake_head

if TYPE_CHECKING:
    from tests.simulation.node import Process
    from tests.simulation.world import World

KINDS = ("guest", "guest", "guest", "guest", "stranger", "mute", "half", "silent", "flood", "path", "version", "key")
TOKEN_KINDS = ("nonsense", "expired", "spent", "spent", "two")
WRONG = {
    "path": ("not_found", handshake_head("/nowhere", host=HOST)),
    "version": ("upgrade_required", handshake_head(host=HOST, sec_websocket_version="12")),
    "key": ("invalid_field", handshake_head(host=HOST, sec_websocket_key="short")),
    "half": ("invalid_field", handshake_head(host=HOST)[:-20]),
    "silent": ("", b""),
    "flood": ("message_too_large", handshake_head(host=HOST, x_much="x" * 20_000)[:-2]),
}
FETCH_S_MAX = 2.6
STAY_S = (0.05, 0.5, 2.0)


class Visitor:
    """Comes once, looks, and goes."""

    def __init__(self, world: "World", name: str, stay_s: float) -> None:
        self._world = world
        self._name = name
        self._stay_s = stay_s
        self._buffer = b""
        self._is_answered = False

    def received(self, link: Link, data: bytes) -> None:
        if self._is_answered:
            return
        self._buffer += data
        answer: Answer | None = answer_in(self._buffer)
        if answer is not None:
            self._is_answered = True
            self._world.trace(f"{self._name} is answered {answer.code or 'welcome'}")
            if not answer.code and self._stay_s:
                self._world.loop.later(self._stay_s, link.cut, 0.0)

    def lost(self, link: Link) -> None:
        """It does not come again."""


class Incidents:
    """What happens at the doors, according to the plan."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._random = Random(f"incidents {world.scenario.seed}")
        self._visitors = 0

    def happen(self, event: DoorEvent) -> None:
        """Let the plan's next event happen."""
        world = self._world
        world.injected[f"door: {event.kind}"] += 1
        world.trace(f"door: {event}")
        if event.kind == "storm":
            for _ in range(event.count):
                world.loop.later(self._random.uniform(0, 0.4), self._come)
        elif event.kind == "shortage":
            self._run_short(event.lasts_s)
        elif event.kind == "outage":
            self._lose_keys(event.lasts_s)
        elif event.kind == "rotation":
            world.identities.rotated_at = world.loop.time()
        elif event.kind == "revoke":
            self._revoke()

    # Visitors

    def _come(self) -> None:
        world, plan = self._world, self._world.scenario.door
        nodes = world.balancer.reachable(self._random)
        if not nodes:
            return
        self._visitors += 1
        name, process = f"v{self._visitors}", world.balancer.one_of(self._random, nodes)
        kind = self._random.choice(KINDS + (TOKEN_KINDS if plan.has_tokens else ()))
        stays = kind == "mute" and plan.has_tokens  # until the node loses its patience
        visitor = Visitor(world, name, 0.0 if stays else self._random.choice(STAY_S))
        address = f"10.0.0.{self._random.randrange(plan.addresses)}"
        wish, wrong = self._wish(kind)
        link, arrival = world.balancer.knock(visitor, process, address, wish)
        world.trace(f"{name} knocks at {process.name} as {kind}")
        if kind in WRONG:
            arrival.wrong, head = WRONG[kind]
            arrival.is_complete = kind in ("path", "version", "key")
            if head:
                link.send(head)
            return
        arrival.wrong = wrong
        if kind == "two" and wish.credential.token:
            link.send(request(wish, None)[:-2] + b"Authorization: Bearer another\r\n\r\n")
        else:
            world.balancer.send(link, arrival, wish)

    def _wish(self, kind: str) -> tuple[Wish, str]:
        """What a visitor shows, and the error code with which every node must refuse it; empty if a node may accept
        it."""
        world, plan = self._world, self._world.scenario
        named: list[tuple[str, dict[str, Any] | None]] = [(self._random.choice(plan.projects), None)]
        if not plan.door.has_tokens or kind == "mute":
            return Wish(named, origin=FOREIGN_ORIGIN if kind == "stranger" else None), ""
        user = f"user{self._random.randrange(plan.door.users)}"
        if kind == "spent" and (spent := self._spent_ticket()) is not None:
            return Wish(named, Credential("ticket", spent[1], spent[0])), ""
        token = world.identities.issue(user, life_s=-1.0 if kind == "expired" else 60.0)
        if kind == "nonsense":
            token = Token("nonsense", user, (), frozenset(), 0.0, 0.0)
        wish = Wish(named, Credential("header", token), FOREIGN_ORIGIN if kind == "stranger" else None)
        return wish, "unauthorized" if kind in ("nonsense", "two") else ""

    def _spent_ticket(self) -> tuple[str, Token] | None:
        """A ticket that somebody used, somewhere."""
        rules = self._world.door_rules
        doors = [rules.door(process.name) for process in self._world.listening]
        spent = [(ticket, door.tickets[ticket][0]) for door in doors for ticket in door.spent]
        return self._random.choice(spent) if spent else None

    # Nodes and keys

    def _run_short(self, lasts_s: float) -> None:
        if not (nodes := self._world.listening):
            return
        process, now = self._random.choice(nodes), self._world.loop.time()
        door = self._world.door_rules.door(process.name)
        if now > door.short_until:
            door.short_since = now
        process.is_short, door.short_until = True, max(door.short_until, now + lasts_s)
        self._world.loop.later(lasts_s, self._recover, process)

    def _recover(self, process: "Process") -> None:
        if self._world.loop.time() > self._world.door_rules.door(process.name).short_until - LATE_S:
            process.is_short = False

    def _lose_keys(self, lasts_s: float) -> None:
        world, now = self._world, self._world.loop.time()
        world.identities.is_down = True
        world.identities.rotated_at = now
        world.door_rules.key_faults.append((now, now + lasts_s + FETCH_S_MAX))
        world.loop.later(lasts_s, self._find_keys)

    def _find_keys(self) -> None:
        self._world.identities.is_down = False

    def _revoke(self) -> None:
        """An operator revokes a user's tokens, on every node."""
        world = self._world
        user = f"user{self._random.randrange(world.scenario.door.users)}"
        for process in world.listening:
            self._revoke_on(process, user)

    def _revoke_on(self, process: "Process", user: str) -> None:
        world, before = self._world, self._world.clock.wall()
        world.door_rules.revoking(process.name, user)

        def answered(status: int, answer: dict[str, Any]) -> None:
            if status == 200:
                world.trace(f"{user} is revoked on {process.name}: {answer['connections']}")
                world.checker.counts["revoked"] += answer["connections"]
                world.door_rules.revoked(process.name, user, before, world.clock.wall())

        process.ask("POST", f"/api/v1/users/{user}/disconnect", answered, lambda: None)
