"""Who gets past the door: the rules that a handshake has to pass, cheapest first, each with its typed answer."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from websocket_handler.delivery.access import Access, unauthorized
from websocket_handler.net.addresses import AddressCount, client_address
from websocket_handler.net.handshake import Handshake, Kind
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.identity import ANYONE, Identity
from websocket_handler.protocol.origins import ANY_ORIGIN, Origins
from websocket_handler.protocol.rate import TokenBucket

BURST_S: Final = 2
MEMORY_SAMPLE_S: Final = 0.25

Identified = Callable[[Identity | CommandError | None], None]


@dataclass(frozen=True, slots=True)
class AdmissionOptions:
    """Limits at the door. 0 means none."""

    handshakes_per_second: float = 0.0
    connections_per_address: int = 0
    trusted_proxy_hops: int = 0
    memory_limit_bytes: int = 0
    is_token_in_query_allowed: bool = False
    origins: Origins = ANY_ORIGIN


class Admission:
    """One per node. Without `access` everybody may do everything; `memory` tells what the process takes, in bytes."""

    def __init__(
        self,
        options: AdmissionOptions,
        now: Callable[[], float],
        access: Access | None = None,
        memory: Callable[[], int] = lambda: 0,
    ) -> None:
        rate = options.handshakes_per_second
        self.addresses = AddressCount(options.connections_per_address)
        self._options = options
        self._now = now
        self._access = access
        self._memory = memory
        self._handshakes = TokenBucket(rate, max(1.0, rate * BURST_S), now())
        self._sampled_at = float("-inf")
        self._sampled_bytes = 0

    def address(self, peer: str, handshake: Handshake) -> str:
        """Whose handshake this is."""
        return client_address(peer, handshake.forwarded_for, self._options.trusted_proxy_hops)

    def check(self, address: str, handshake: Handshake) -> None:
        """Whether a handshake may go on. Raises CommandError: `rate_limited`, `too_many_connections`, `forbidden`."""
        if not self._handshakes.allows(self._now()):
            raise CommandError(ErrorCode.RATE_LIMITED, "too many handshakes; slow down and come again")
        self._check_room(address)
        if not self._options.origins.allow(handshake.origin, handshake.host):
            raise CommandError(ErrorCode.FORBIDDEN, "this page's origin is not allowed")

    def _check_room(self, address: str) -> None:
        if self.addresses.is_full(address):
            raise CommandError(ErrorCode.TOO_MANY_CONNECTIONS, "this address has as many connections as one may have")
        if self.is_memory_short():
            raise CommandError(ErrorCode.TOO_MANY_CONNECTIONS, "this node has no memory for more connections")

    def take_place(self, peer: str, forwarded_for: Sequence[str], identity: Identity) -> Callable[[], None]:
        """Count an event stream, or a request that waits, like a connection; what to call once, at its end. Raises
        CommandError: `too_many_connections`."""
        address = client_address(peer, forwarded_for, self._options.trusted_proxy_hops)
        self._check_room(address)
        leave_user = self._access.take_place(identity) if self._access is not None else None
        self.addresses.enter(address)

        def leave() -> None:
            self.addresses.leave(address)
            if leave_user is not None:
                leave_user()

        return leave

    def is_memory_short(self) -> bool:
        """Whether the process takes more than it should: no further clients then."""
        if not self._options.memory_limit_bytes:
            return False
        now = self._now()
        if now - self._sampled_at >= MEMORY_SAMPLE_S:
            self._sampled_at, self._sampled_bytes = now, self._memory()
        return self._sampled_bytes > self._options.memory_limit_bytes

    def identify(self, handshake: Handshake, done: Identified) -> None:
        """Find out whose handshake it is; `done` gets None when it does not say. It is called at once unless a
        key has to be fetched."""
        access = self._access
        if access is None or access.is_open:
            done(ANYONE)
            return
        if not handshake.credentials:
            done(None)
            return
        credential = handshake.credentials[0]
        try:
            if len(handshake.credentials) > 1:
                raise unauthorized("a credential stands in one place only")
            if credential.kind is Kind.UNKNOWN:
                raise unauthorized("the credential is of a kind that is not taken here")
            if credential.kind is Kind.QUERY_TOKEN and not self._options.is_token_in_query_allowed:
                raise unauthorized("a token does not belong into a URL; use a header or a ticket")
            if credential.kind is not Kind.TICKET:
                access.authenticate(credential.text, done)
                return
            identity = access.redeem_ticket(credential.text)
        except CommandError as fault:
            done(fault)
            return
        done(identity)

    def check_user(self, identity: Identity | None) -> None:
        """Whether this user may have one more connection. Raises CommandError."""
        if self._access is not None and identity is not None:
            self._access.check_room(identity)
