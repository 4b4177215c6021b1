"""The rules that a handshake has to pass before its client is taken in, cheapest rule first. Each rule has its own
error code. Event streams and requests that wait have to keep the same limits on addresses, users and memory."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from websocket_handler.access.access import Access, Identified
from websocket_handler.access.addresses import AddressCount, client_address
from websocket_handler.access.credentials import Credential
from websocket_handler.access.origins import Origins
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.identity import Identity
from websocket_handler.protocol.rate import TokenBucket

BURST_S: Final = 2
MEMORY_SAMPLE_S: Final = 0.25


@dataclass(frozen=True, slots=True)
class AdmissionOptions:
    """The limits of admission. 0 means no limit."""

    handshakes_per_second: float = 0.0
    connections_per_address: int = 0
    trusted_proxy_hops: int = 0
    memory_limit_bytes: int = 0


class Arrival(Protocol):
    """A handshake as admission sees it: what the client's request says."""

    @property
    def credentials(self) -> Sequence[Credential]:
        """Every credential of the request."""
        ...

    @property
    def origin(self) -> str | None:
        """The web page that opens the connection; None if the client is no browser."""
        ...

    @property
    def host(self) -> str:
        """The host that the client wants to reach."""
        ...

    @property
    def forwarded_for(self) -> Sequence[str]:
        """The values of `X-Forwarded-For`."""
        ...


class Admission:
    """The admission of one node."""

    def __init__(
        self,
        options: AdmissionOptions,
        origins: Origins,
        now: Callable[[], float],
        access: Access,
        memory_bytes: Callable[[], int],
    ) -> None:
        """`origins` are the origins of the web pages that may come in. `now` gives monotonic seconds. `memory_bytes`
        gives how much memory the process takes."""
        rate = options.handshakes_per_second
        self._addresses = AddressCount(options.connections_per_address)
        self._options = options
        self._origins = origins
        self._now = now
        self._access = access
        self._memory_bytes = memory_bytes
        self._handshakes = TokenBucket(rate, max(1.0, rate * BURST_S), now())
        self._sampled_at = float("-inf")
        self._sampled_bytes = 0

    # Handshakes

    def check(self, peer: str, arrival: Arrival) -> str:
        """Check everything that does not depend on who the client is. Returns the address for which the connection
        counts. Raises CommandError: `rate_limited`, `too_many_connections`, `forbidden`."""
        address = client_address(peer, arrival.forwarded_for, self._options.trusted_proxy_hops)
        if not self._handshakes.allows(self._now()):
            raise CommandError(
                ErrorCode.RATE_LIMITED, "too many handshakes; slow down and come again", setting="HANDSHAKES_PER_SECOND"
            )
        self._check_room(address)
        self._origins.check(arrival.origin, arrival.host)
        return address

    def identify(self, arrival: Arrival, done: Identified) -> None:
        """Find out who opens the handshake. `done` is called before this returns, unless a key has to be fetched
        first."""
        self._access.identify(arrival.credentials, done)

    def enter(self, address: str, identity: Identity | None, *, is_at_once: bool = False) -> None:
        """Count a connection for its address. Unless it `is_at_once` after `check`, this checks the limits again: while
        the client was identified, others may have come in, and memory may have become short. Raises CommandError with
        `too_many_connections`."""
        if identity is not None:
            self._access.check_user(identity)
        if not is_at_once:
            self._check_room(address)
        self._addresses.enter(address)

    def leave(self, address: str) -> None:
        """Stop counting a connection that entered."""
        self._addresses.leave(address)

    # Event streams and requests that wait

    def take_place(self, peer: str, forwarded_for: Sequence[str], identity: Identity) -> Callable[[], None]:
        """Count an event stream, or a request that waits, like a connection. Returns the function that stops counting
        it; call it once. Raises CommandError with `too_many_connections`."""
        address = client_address(peer, forwarded_for, self._options.trusted_proxy_hops)
        self._check_room(address)
        leave_user = self._access.take_place(identity)
        self._addresses.enter(address)

        def leave() -> None:
            self._addresses.leave(address)
            leave_user()

        return leave

    # Limits

    def is_memory_short(self) -> bool:
        """True while the process takes more memory than it should. Then no further client is taken in."""
        if not self._options.memory_limit_bytes:
            return False
        now = self._now()
        if now - self._sampled_at >= MEMORY_SAMPLE_S:
            self._sampled_at, self._sampled_bytes = now, self._memory_bytes()
        return self._sampled_bytes > self._options.memory_limit_bytes

    def _check_room(self, address: str) -> None:
        if self._addresses.is_full(address):
            raise CommandError(
                ErrorCode.TOO_MANY_CONNECTIONS,
                "this address has as many connections as one may have",
                setting="CONNECTIONS_PER_ADDRESS",
            )
        if self.is_memory_short():
            raise CommandError(
                ErrorCode.TOO_MANY_CONNECTIONS,
                "this node has no memory for more connections",
                setting="MEMORY_LIMIT_BYTES",
            )
