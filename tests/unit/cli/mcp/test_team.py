"""What an answer may hold."""

from __future__ import annotations

import pytest

from websocket_handler.cli.mcp.team import ANSWER_BYTES_MAX, UPDATES_MAX, Updates


def test_an_answer_is_full_at_its_maximum_of_updates() -> None:
    found = Updates()
    for _ in range(UPDATES_MAX - 1):
        found.add(b'{"n":1}')
    assert not found.is_full
    found.add(b'{"n":1}')
    assert found.is_full


@pytest.mark.parametrize(("more", "is_full"), [(-1, False), (0, True)])
def test_an_answer_is_full_at_its_maximum_of_bytes(more: int, is_full: bool) -> None:
    found, frame = Updates(), '{"t":""}'
    found.add(f'{{"t":"{"x" * (ANSWER_BYTES_MAX - len(frame) + more)}"}}'.encode())
    assert found.is_full == is_full
    assert len(found.shown) == 1, "an update that is larger than an answer is an answer"
