"""A node's access over keys that a test holds, and connections as access sees them."""

from dataclasses import replace

from tests.support.clock import SteeredClock
from tests.support.doubles import WALL, HandScheduler
from websocket_handler.access.access import AccessOptions
from websocket_handler.access.credentials import Credential, Kind
from websocket_handler.access.token_access import TokenAccess
from websocket_handler.ports.authenticator import Authenticated
from websocket_handler.ports.clock import Timer
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.identity import Identity

ADA = Identity("ada", 1_000_600.0, ("*",), frozenset(), 999_000.0)


class Holder:
    """A connection that remembers how it was closed; it is its own transport."""

    descriptor = -1

    def __init__(self, identity: Identity | None = None) -> None:
        self.identity = identity
        self.timer: Timer | None = None
        self.is_open = True
        self.pushed: list[bytes] = []
        self.closed: int | None = None

    @property
    def transport(self) -> "Holder":
        """Itself."""
        return self

    def push(self, payload: bytes) -> None:
        self.pushed.append(payload)

    def write(self, data: bytes) -> None:
        self.pushed.append(data)

    def buffered_bytes(self) -> int:
        return 0

    def close(self, code: int, _reason: str) -> None:
        self.closed = code
        self.is_open = False

    def abort(self) -> None:
        self.is_open = False


class Keys:
    """An authenticator that knows tokens by heart, and can be told to answer later."""

    def __init__(self) -> None:
        self.known: dict[str, Identity] = {"ada's": ADA, "eve's": replace(ADA, user_id="eve")}
        self.fault: str | None = None
        self.late: list[tuple[Authenticated, str]] | None = None

    def authenticate(self, token: str, done: Authenticated) -> None:
        if self.late is not None:
            self.late.append((done, token))
        else:
            done(self.known.get(token) or CommandError(ErrorCode.UNAUTHORIZED, "unknown"))

    def failure(self) -> str | None:
        return self.fault


class Desk:
    """A node's access, with what it was told and what it answered."""

    def __init__(self, **options: object) -> None:
        self.clock = SteeredClock(wall=WALL)
        self.scheduler = HandScheduler(self.clock)
        self.keys = Keys()
        self.told: list[str] = []
        names = iter(f"ticket{number}" for number in range(100))
        self.access = TokenAccess(
            self.keys,
            self.clock,
            self.scheduler,
            replace(AccessOptions(), **options),  # type: ignore[arg-type]
            lambda: next(names),
            lambda: self.told.append("revoked"),
        )

    def identify(self, *credentials: Credential) -> Identity | ErrorCode | None:
        """Who opens this handshake, or why it is refused."""
        answers: list[Identity | CommandError | None] = []
        self.access.identify(credentials, answers.append)
        (answer,) = answers
        return answer.code if isinstance(answer, CommandError) else answer

    def visitor(self, *credentials: Credential) -> Identity | ErrorCode:
        """Who sends this request, or why it is refused."""
        answers: list[Identity | CommandError] = []
        self.access.identify_request(credentials, answers.append)
        (answer,) = answers
        return answer.code if isinstance(answer, CommandError) else answer


def token(text: str = "ada's") -> Credential:
    return Credential(Kind.TOKEN, text)


def ticket(text: str) -> Credential:
    return Credential(Kind.TICKET, text)
