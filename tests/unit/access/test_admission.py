"""The door: rates, addresses, origins, memory and users, each with its own answer."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from tests.unit.access.doubles import ADA, Desk, token
from websocket_handler.access.admission import MEMORY_SAMPLE_S, Admission, AdmissionOptions
from websocket_handler.access.credentials import Credential
from websocket_handler.access.open_access import OpenAccess
from websocket_handler.access.origins import ANY_ORIGIN, SAME_HOST, Origins
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.identity import ANYONE, Identity


@dataclass(frozen=True)
class Arrival:
    """What a client's request says."""

    credentials: Sequence[Credential] = ()
    origin: str | None = None
    host: str = "gateway"
    forwarded_for: Sequence[str] = field(default=())


class Door:
    """A node's door with a clock and a memory that the test sets."""

    def __init__(self, options: AdmissionOptions, origins: Origins = ANY_ORIGIN) -> None:
        self.now, self.bytes, self.samples = 0.0, 0, 0
        self.admission = Admission(options, origins, lambda: self.now, OpenAccess(lambda: "ticket"), self._sample)

    def _sample(self) -> int:
        self.samples += 1
        return self.bytes

    def refusal(self, arrival: Arrival = Arrival(), peer: str = "1.1.1.1") -> ErrorCode | None:
        """Why this client may not come in; None if it may."""
        try:
            self.admission.check(peer, arrival)
        except CommandError as fault:
            return fault.code
        return None


def test_without_limits_everybody_comes_in_and_nothing_is_measured() -> None:
    door = Door(AdmissionOptions())
    assert {door.refusal(Arrival(origin="https://evil")) for _ in range(1000)} == {None}
    assert door.samples == 0


def test_handshakes_beyond_the_rate_are_refused_until_time_passes() -> None:
    door = Door(AdmissionOptions(handshakes_per_second=1.0))
    assert [door.refusal() for _ in range(3)] == [None, None, ErrorCode.RATE_LIMITED]
    door.now += 1.0
    assert door.refusal() is None


def test_an_address_is_full_until_one_of_its_connections_leaves() -> None:
    door = Door(AdmissionOptions(connections_per_address=1, trusted_proxy_hops=1))
    arrival = Arrival(forwarded_for=["6.6.6.6, 2.2.2.2"])
    address = door.admission.check("1.1.1.1", arrival)
    assert address == "2.2.2.2"
    door.admission.enter(address, ANYONE)
    assert door.refusal(arrival) is ErrorCode.TOO_MANY_CONNECTIONS
    with pytest.raises(CommandError):
        door.admission.enter(address, ANYONE)
    assert door.refusal(Arrival(forwarded_for=["3.3.3.3"])) is None
    door.admission.leave(address)
    assert door.refusal(arrival) is None


def test_pages_of_other_origins_are_refused() -> None:
    door = Door(AdmissionOptions(), SAME_HOST)
    assert door.refusal(Arrival(origin="https://evil")) is ErrorCode.FORBIDDEN
    assert door.refusal(Arrival(origin="https://gateway")) is None
    assert door.refusal() is None


def test_memory_is_looked_at_now_and_then_and_refuses_while_it_is_short() -> None:
    door = Door(AdmissionOptions(memory_limit_bytes=100))
    door.bytes = 101
    assert [door.refusal() for _ in range(10)] == [ErrorCode.TOO_MANY_CONNECTIONS] * 10
    assert door.samples == 1
    door.bytes, door.now = 100, MEMORY_SAMPLE_S
    assert door.refusal() is None


def test_memory_that_becomes_short_while_a_client_is_identified_keeps_it_out() -> None:
    door = Door(AdmissionOptions(memory_limit_bytes=100))
    address = door.admission.check("1.1.1.1", Arrival())
    door.bytes, door.now = 101, MEMORY_SAMPLE_S
    with pytest.raises(CommandError, match="no memory"):
        door.admission.enter(address, None)


def test_a_stream_takes_a_place_of_its_address_and_of_its_user_and_gives_both_back() -> None:
    desk = Desk(connections_per_user=1)
    admission = Admission(AdmissionOptions(connections_per_address=2), ANY_ORIGIN, lambda: 0.0, desk.access, lambda: 0)
    leave = admission.take_place("1.1.1.1", (), ADA)
    with pytest.raises(CommandError, match="this user"):
        admission.take_place("1.1.1.1", (), ADA)
    with pytest.raises(CommandError, match="this user"):
        admission.enter("1.1.1.1", ADA)
    admission.enter("1.1.1.1", None)
    with pytest.raises(CommandError, match="this address"):
        admission.take_place("1.1.1.1", (), ADA)
    leave()
    admission.take_place("1.1.1.1", (), ADA)()


def test_a_handshake_is_identified_by_its_credentials() -> None:
    answers: list[Identity | CommandError | None] = []
    admission = Admission(AdmissionOptions(), ANY_ORIGIN, lambda: 0.0, Desk().access, lambda: 0)
    admission.identify(Arrival([token()]), answers.append)
    admission.identify(Arrival(), answers.append)
    assert answers == [ADA, None]
