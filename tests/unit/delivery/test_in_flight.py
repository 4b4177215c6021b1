"""How many commands of one connection may wait for their answers: at the maximum, and one more."""

import pytest

from websocket_handler.delivery.in_flight import COMMAND_WEIGHT, HISTORY_WEIGHT, InFlight, publication_weight
from websocket_handler.protocol.codes import CommandError, ErrorCode

SIZE_MAX = 65_536
MOST = 256


@pytest.mark.parametrize(
    ("weight", "count"),
    [
        (COMMAND_WEIGHT, 256),
        (HISTORY_WEIGHT, 16),
        (publication_weight(2, SIZE_MAX), 2560),
        (publication_weight(7281, SIZE_MAX), 2560),
        (publication_weight(7282, SIZE_MAX), 1280),
        (publication_weight(SIZE_MAX, SIZE_MAX), 256),
    ],
)
def test_so_many_commands_of_one_kind_may_wait_and_not_one_more(weight: int, count: int) -> None:
    in_flight = InFlight()
    for _ in range(count):
        in_flight.begin(weight, MOST)
    with pytest.raises(CommandError) as refused:
        in_flight.begin(weight, MOST)
    assert refused.value.code is ErrorCode.OVERLOADED
    in_flight.end(weight)
    in_flight.begin(weight, MOST)


def test_it_is_empty_when_everything_is_answered() -> None:
    in_flight = InFlight()
    assert in_flight.is_empty
    in_flight.begin(1, MOST)
    in_flight.begin(COMMAND_WEIGHT, MOST)
    in_flight.end(1)
    assert not in_flight.is_empty
    in_flight.end(COMMAND_WEIGHT)
    assert in_flight.is_empty
