"""The users, the tokens that they were given, and what a node knows of their identity provider."""

from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Final

from tests.simulation.door_plan import LONG_S
from websocket_handler.ports.authenticator import Authenticated
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.identity import Identity

if TYPE_CHECKING:
    from tests.simulation.loop import SimulationLoop

RIGHTS: Final = frozenset(
    {"subscribe", "publish", "presence", "forward:pm", "forward:dev", "forward:qa", "forward:ops", "admin"}
)
FETCH_S: Final = (0.002, 0.05, 0.6)
OUTAGE_FETCH_S: Final = (0.3, 1.0, 2.5)
"""How many seconds a node waits for keys that do not come."""


@dataclass(frozen=True, slots=True)
class Token:
    """A user's token. `projects` are exact ids, or `*` alone; times are wall-clock seconds."""

    text: str
    user: str
    projects: tuple[str, ...]
    rights: frozenset[str] = field(repr=False)
    issued_at: float
    expires_at: float

    def allows(self, right: str, project: str | None) -> bool:
        """True if a client with this token may do this, on the project if one is named."""
        return right in self.rights and (project is None or "*" in self.projects or project in self.projects)


EVERYTHING: Final = Token("", "", ("*",), RIGHTS, 0.0, float("inf"))
"""What every client may do if nobody has to show a token."""


class Identities:
    """The identity provider of a schedule."""

    def __init__(self, wall: Callable[[], float], random: Random) -> None:
        self._wall = wall
        self.random = random
        self._tokens: dict[str, Token] = {}
        self._service: Token | None = None
        self.rotated_at = 0.0
        """The loop's second since which nodes need the newest keys."""
        self.is_down = False
        """True while nobody can fetch keys."""

    def issue(self, user: str, projects: tuple[str, ...] = ("*",), life_s: float = LONG_S) -> Token:
        """A new token."""
        now = self._wall()
        token = Token(f"token-{len(self._tokens)}-of-{user}", user, projects, RIGHTS, now, now + life_s)
        self._tokens[token.text] = token
        return token

    def service(self) -> Token:
        """The token of the programs that publish and operate."""
        token = self._service
        if token is None or token.expires_at < self._wall() + 60:
            token = self._service = self.issue("service")
        return token

    def verdict(self, text: str) -> Identity | CommandError:
        """What a verifier with the right keys answers."""
        token = self._tokens.get(text)
        if token is None:
            return CommandError(ErrorCode.UNAUTHORIZED, "the token is not valid")
        if token.expires_at <= self._wall():
            return CommandError(ErrorCode.UNAUTHORIZED, "the token has expired")
        return Identity(token.user, token.expires_at, token.projects, token.rights, token.issued_at)


class FetchedKeys:
    """A node's authenticator: it has to fetch keys before it can verify, and again after every rotation."""

    def __init__(self, identities: Identities, loop: "SimulationLoop") -> None:
        self._identities = identities
        self._loop = loop
        self._fetched_at: float | None = None
        self._waiting: list[tuple[str, Authenticated]] = []

    def authenticate(self, token: str, done: Authenticated) -> None:
        if self._fetched_at is not None and self._fetched_at >= self._identities.rotated_at:
            done(self._identities.verdict(token))
            return
        self._waiting.append((token, done))
        if len(self._waiting) == 1:
            times = OUTAGE_FETCH_S if self._identities.is_down else FETCH_S
            arguments = (self._identities.is_down, self._loop.time())
            self._loop.call_later(self._identities.random.choice(times), self._fetched, *arguments)

    def _fetched(self, is_failed: bool, begun_at: float) -> None:
        waiting, self._waiting = self._waiting, []
        if not is_failed:
            self._fetched_at = begun_at
        for token, done in waiting:
            fault = CommandError(ErrorCode.AUTHENTICATION_UNAVAILABLE, "the keys cannot be fetched")
            done(fault if is_failed else self._identities.verdict(token))

    def is_asked_about(self, token: Token) -> bool:
        """True while somebody waits to hear what this token is worth."""
        return any(text == token.text for text, _done in self._waiting)

    def failure(self) -> str | None:
        return "the keys cannot be fetched" if self._identities.is_down else None
