"""What an epoch's age proves."""

import pytest

from websocket_handler.hub.epochs import EXPIRY_MARGIN_S, begin_epoch, was_never_written
from websocket_handler.protocol.names import EPOCH

NOW = 1_800_000_000.0
DAY_S = 86_400.0


def test_an_epoch_has_the_form_of_the_protocol() -> None:
    """Clients send it back on URLs and in headers."""
    assert EPOCH.fullmatch(begin_epoch(NOW, "Ab_-9Ab_-9Ab_-9x"))


def test_a_young_unknown_epoch_was_never_written() -> None:
    """What was written under it would still be retained."""
    assert was_never_written(begin_epoch(NOW - 60, "x"), DAY_S, NOW)
    assert was_never_written(begin_epoch(NOW - DAY_S + EXPIRY_MARGIN_S, "x"), DAY_S, NOW)


@pytest.mark.parametrize(
    "epoch",
    [
        begin_epoch(NOW - DAY_S + EXPIRY_MARGIN_S - 1, "x"),  # it may have been written and expired since
        begin_epoch(NOW + EXPIRY_MARGIN_S + 2, "x"),  # from the future
        "nothex-x",
        "6b49d200",
        "6b49d200-",
        "-x",
        "",
    ],
)
def test_an_old_or_foreign_epoch_proves_nothing(epoch: str) -> None:
    """Then a client is told that its position cannot be continued."""
    assert not was_never_written(epoch, DAY_S, NOW)
