"""How one client says who it is: where it gets its tokens, how it shows them, and what it does when they end."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tests.simulation.dialing import Credential, Wish
from tests.simulation.door_plan import LONG_S, OWN_ORIGIN
from tests.simulation.identities import Token
from tests.simulation.sessions import Pending, Session

if TYPE_CHECKING:
    from tests.simulation.clients import Client
    from tests.simulation.node import Process

Knock = Callable[["Process", Wish], None]
WAYS = ("header", "subprotocol", "later", "ticket")
SPARE_S = 0.2
"""How many seconds a token must still live to be shown."""


class Passport:
    """One client's identity. It stays empty if nobody has to say who they are."""

    def __init__(self, client: "Client", user: str, address: str) -> None:
        self._client = client
        self._world = client.world
        self._random = client.random
        self._has_tokens = client.world.scenario.door.has_tokens
        self._token: Token | None = None
        self._is_calm = False
        self.user = user
        self.address = address

    # Tokens

    def _current(self) -> Token:
        """A token that is valid, as far as the client knows."""
        token = self._token
        if token is None or token.expires_at < self._world.clock.wall() + SPARE_S:
            token = self._renewed()
        return token

    def _renewed(self) -> Token:
        """A new token. In calm times it does not end, and allows everything."""
        plan = self._world.scenario
        projects: tuple[str, ...] = ("*",)
        life_s = LONG_S
        if not self._is_calm:
            life_s = self._random.choice(plan.door.token_lives_s)
            if self._random.random() < plan.door.narrow:
                projects = tuple(self._random.sample(plan.projects, self._random.randint(0, len(plan.projects))))
        self._token = self._world.identities.issue(self.user, projects, life_s)
        return self._token

    # At the door

    def present(self, process: "Process", knock: Knock, refused: Callable[[], None]) -> None:
        """Get ready for a handshake with this node, and then call `knock`; or `refused` if that fails."""
        origin = OWN_ORIGIN if self._world.scenario.door.allowed_origins and self._random.random() < 0.3 else None
        if not self._has_tokens:
            knock(process, Wish(origin=origin))
            return
        way, token = self._random.choice(WAYS), self._current()
        if way == "ticket":
            self._get_ticket(process, token, knock, refused, origin)
        else:
            knock(process, Wish(credential=Credential(way, None if way == "later" else token), origin=origin))

    def _get_ticket(
        self, process: "Process", token: Token, knock: Knock, refused: Callable[[], None], origin: str | None
    ) -> None:
        def answered(status: int, answer: dict[str, Any]) -> None:
            if status != 200:
                self.refused(answer["code"])
                refused()
                return
            ticket = answer["ticket"]
            self._world.door_rules.door(process.name).tickets[ticket] = (token, self._world.loop.time())
            knock(process, Wish(credential=Credential("ticket", token, ticket), origin=origin))

        process.ask("POST", "/api/v1/tickets", answered, refused, token=token, address=self.address)

    def refused(self, code: str) -> None:
        """The node refuses the client's token: get a new one."""
        if code == "unauthorized":
            self._token = None

    def closed(self, code: int) -> None:
        """The connection ended with this code. A client whose token was revoked or ended logs in again."""
        if code in (4002, 4500):
            self._token = None

    # On an open connection

    def authenticate(self) -> None:
        """Show a token with the command."""
        self._send(self._current())

    def refresh(self) -> None:
        """Show a new token."""
        self._send(self._renewed())

    def impersonate(self) -> None:
        """Show another user's token. That must end the connection."""
        session = self._client.session
        if self._has_tokens and session is not None and session.is_ready:
            self._send(self._world.identities.issue(f"not-{self.user}"), is_foreign=True)

    def _send(self, token: Token, *, is_foreign: bool = False) -> None:
        session = self._client.session
        if session is None or any(pending.kind == "authenticate" for pending in session.pending.values()):
            return
        pending = self._client.command("authenticate", "", {}, {"token": token.text})
        if pending is None:
            return
        pending.token, pending.is_foreign, pending.sent_at = token, is_foreign, self._world.loop.time()
        if not is_foreign:
            session.holders.append(token)
            session.arrival.offered = token
            for earlier in session.pending.values():  # the node may judge commands without an answer by this token
                earlier.holders = (*earlier.holders, token)

    def authentication_failed(self, session: Session, pending: Pending, code: str) -> None:
        """The node did not take the token that was sent."""
        assert pending.token is not None
        if pending.is_foreign:
            self.arrived()  # it may have kept the client from showing a token of its own
            return
        session.arrival.offered = None
        session.holders.remove(pending.token)
        fault = self._world.door_rules.unfounded_for_token(session.arrival, pending.token, code, pending.sent_at)
        if fault is not None:
            self._world.checker.violation(f"{self._client.name}: authenticate got {code}: {fault}")
        if code == "too_many_connections":
            self._client.leave()
            return
        if code == "unauthorized":
            self._token = None
        self._world.loop.later(self._random.uniform(0.05, 0.3), self._again, session)

    def _again(self, session: Session) -> None:
        if self._client.session is session and session.is_open and not session.is_closing:
            self.authenticate()

    def expiring(self) -> None:
        """The node says that the token ends soon. Many clients renew it; the others lose their connection."""
        if self._is_calm or self._random.random() < 0.6:
            self._world.loop.later(self._random.uniform(0.01, 0.4), self.refresh)

    def arrived(self) -> None:
        """From now on the client may send any command."""
        session = self._client.session
        if self._is_calm and self._has_tokens and session is not None and session.holder is not self._token:
            self.refresh()  # it connected before that

    def calm(self) -> None:
        """From now on the client's token does not end."""
        self._is_calm = True
        if self._has_tokens:
            self._token = None
            self.refresh()
