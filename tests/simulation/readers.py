"""Readers over HTTP, without a WebSocket: event streams that resume by `Last-Event-ID`, and long polls."""

import json
from random import Random
from typing import TYPE_CHECKING, Any, Final

from tests.simulation.checker import End
from tests.simulation.door_plan import LONG_S
from tests.simulation.fold_rules import asks_for_folding
from tests.simulation.http import Exchange
from tests.simulation.identities import EVERYTHING, Token
from tests.simulation.sessions import Place

if TYPE_CHECKING:
    from tests.simulation.world import World

WAITS_S: Final = (2, 20, 60)


class Reader:
    """What streams and polls have in common: a project, an identity, and waiting between attempts."""

    def __init__(self, world: "World", name: str, user: str, address: str) -> None:
        self.world = world
        self.name = name
        self.random = Random(f"reader {world.scenario.seed} {name}")
        self.project = self._chosen(world)
        self.place: Place | None = None
        self.is_away = False
        self._user = user
        self._address = address
        self._token: Token | None = None
        self._is_calm = False
        self.folds = asks_for_folding(world.scenario.seed, name)

    def _chosen(self, world: "World") -> str:
        """Choose a project. One that nobody follows over a socket is more likely, because it tests more."""
        followed = {project for client in world.clients for project in client.wanted}
        lonely = [project for project in world.scenario.projects if project not in followed]
        return self.random.choice(lonely if lonely and self.random.random() < 0.7 else world.scenario.projects)

    def _current(self) -> Token:
        plan = self.world.scenario.door
        if not plan.has_tokens:
            return EVERYTHING
        token = self._token
        if token is None or token.expires_at < self.world.clock.wall() + 0.2:
            life_s = LONG_S if self._is_calm else self.random.choice(plan.token_lives_s)
            token = self._token = self.world.identities.issue(self._user, life_s=life_s)
        return token

    def read_later(self) -> None:
        """Read again soon."""
        self.world.loop.later(self.random.uniform(0.05, 0.8), self.read)

    def read(self) -> None:
        """Send the request."""
        raise NotImplementedError

    def disturb(self) -> None:
        """Something happens to the connection."""

    def calm(self) -> None:
        """From now on its tokens last."""
        self._is_calm, self._token = True, None

    def refused(self, code: str) -> None:
        """The answer is an error."""
        if code == "unauthorized":
            is_valid = self._token is not None and not self.world.may_be_worthless(self._token)
            if is_valid and not self.world.checker.jumps:  # a clock that does not jump has set its end
                self.world.checker.violation(f"{self.name}: {self._token} was refused")
            self._token = None

    def level_fault(self, ends: dict[str, End]) -> str | None:
        """What it still lacks, compared with the ends of the logs; None if it has everything."""
        end, place = ends[self.project], self.place
        if end.epoch is not None and (place is None or place.epoch != end.epoch or place.offset < end.head):
            return f"{self.name} is at {place} of {self.project}, the log at {end.epoch}:{end.head}"
        return None


class StreamReader(Reader):
    """Follows a project as server-sent events."""

    def __init__(self, world: "World", name: str, user: str, address: str) -> None:
        super().__init__(world, name, user, address)
        self._exchange: Exchange | None = None
        self._text = ""
        self._is_begun = False
        self._asked: dict[str, Any] = {}
        self._before = End(None, 0, 0)

    def read(self) -> None:
        nodes = self.world.balancer.reachable(self.random)
        if self._exchange is not None or self.is_away:
            return
        if not nodes:
            self.read_later()
            return
        process = self.random.choice(nodes)
        self._text, self._is_begun, self._asked = "", False, {}
        self._before = self.world.checker.end_of(self.project)
        target = f"/api/v1/projects/{self.project}/events{'?fold=true' if self.folds else ''}"
        self._exchange = Exchange(process, self, "GET", target, b"", self._current(), self._address)
        if self.place is not None:
            position = {"epoch": self.place.epoch, "offset": self.place.offset}
            self._asked = {"since": position}
            self._exchange.with_header("last-event-id", f"{self.place.epoch}:{self.place.offset}")
        self.world.trace(f"{self.name} follows {self.project} on {process.name} from {self._asked}")
        process.begin(self._exchange)

    def began(self, exchange: Exchange, status: int) -> None:
        """The head of the answer says nothing yet."""

    def came(self, exchange: Exchange, data: bytes) -> None:
        if exchange is not self._exchange:
            return
        self._text += data.decode()
        if exchange.status != 200:
            return
        *events, self._text = self._text.split("\n\n")
        for event in events:
            self._event(event)

    def _event(self, event: str) -> None:
        fields = dict(line.partition(": ")[::2] for line in event.split("\n") if not line.startswith(":"))
        if "data" not in fields:
            return
        text = fields["data"]
        self.world.trace(f"{self.name} < {text}")
        message = json.loads(text)
        kind = fields.get("event")
        if kind == "subscription_confirmed":
            self.world.checker.counts["streams"] += 1
            self.world.checker.started(self.name, self.project, self._asked, self._before, message)
            self.place, self._is_begun = Place(message["epoch"], message["offset"]), True
        elif kind == "reconnect":
            self.world.checker.counts[f"stream: {message['reason']}"] += 1
        elif self.place is None or not self._is_begun:
            self.world.checker.violation(f"{self.name}: {text[:80]} before the confirmation")
        elif kind == "subscription_reset":
            had = (self.place.epoch, self.place.offset)
            self.world.checker.reset(self.name, self.project, had, message)
            self.place = Place(message["epoch"], message["offset"])
        elif kind is None:
            place = self.place
            at = (place.epoch, place.offset)
            self.world.checker.delivered(self.name, self.project, at, message, text, folds=self.folds)
            place.offset = message["offset"]
            if fields["id"] != f"{place.epoch}:{place.offset}":
                self.world.checker.violation(f"{self.name}: the event of {place} has the id {fields['id']}")

    def over(self, exchange: Exchange, *, is_whole: bool) -> None:
        if exchange is not self._exchange:
            return
        self._exchange = None
        if exchange.status >= 400 and is_whole:
            self.refused(json.loads(self._text)["code"])
        self.read_later()

    def disturb(self) -> None:
        exchange = self._exchange
        if exchange is None:
            return
        if self.random.random() < 0.5:
            self.world.injected["stream cut"] += 1
            self._exchange = None
            exchange.hang_up()
            self.read_later()
        else:
            self.world.injected["stream stall"] += 1
            exchange.stall(is_stalled=True)
            self.world.loop.later(self.random.choice((0.2, 4.0)), lambda: exchange.stall(is_stalled=False))

    def leave(self) -> None:
        """Go for good."""
        self.is_away = True
        if self._exchange is not None:
            self._exchange.hang_up()
            self._exchange = None


class PollReader(Reader):
    """Reads page after page, and waits for the next one."""

    def __init__(self, world: "World", name: str, user: str, address: str) -> None:
        super().__init__(world, name, user, address)
        self._is_asking = False
        self._exchange: Exchange | None = None

    def read(self) -> None:
        nodes = self.world.balancer.reachable(self.random)
        if self._is_asking or self.is_away:
            return
        if not nodes:
            self.read_later()
            return
        place, before = self.place, self.world.checker.end_of(self.project)
        wait_s = 5 if self._is_calm else self.random.choice(WAITS_S)
        target = (
            f"/api/v1/projects/{self.project}/messages?limit=1000&wait={wait_s}{'&fold=true' if self.folds else ''}"
        )
        if place is not None:
            target += f"&after={place.offset}&epoch={place.epoch}"
        self._is_asking = True

        def answered(status: int, answer: dict[str, Any]) -> None:
            self._is_asking = False
            self.world.trace(f"{self.name} is answered {status}, up to {answer.get('offset')}")
            if status != 200:
                self.refused(answer["code"])
                self.read_later()
                return
            if place is None or place.epoch == answer["epoch"]:
                after = 0 if place is None else place.offset
                self.world.checker.page(self.name, self.project, after, before, answer, folds=self.folds)
            self.place = Place(answer["epoch"], answer["offset"])
            self.world.loop.later(0.0 if self._is_calm else self.random.choice((0.0, 0.2, 1.0)), self.read)

        process = self.random.choice(nodes)
        self.world.trace(f"{self.name} asks {process.name} for {target}")
        self._exchange = process.ask("GET", target, answered, self._lost, token=self._current(), address=self._address)

    def _lost(self) -> None:
        self._is_asking = False
        self.read_later()

    def disturb(self) -> None:
        if self._exchange is not None and self._is_asking:
            if self.random.random() < 0.5:
                self.world.injected["poll half-closed"] += 1
                self._exchange.send_no_more()
                return
            self.world.injected["poll cut"] += 1
            self._exchange.hang_up()
            self._lost()

    def leave(self) -> None:
        """Go for good."""
        self.is_away = True
        if self._exchange is not None:
            self._exchange.hang_up()
