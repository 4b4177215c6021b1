"""What a page may ask of the chaos panel."""

from __future__ import annotations

from typing import Any

import pytest

from websocket_handler.cli.dev.chaos import VERBS
from websocket_handler.cli.dev.panel import ASK, line_of


@pytest.mark.parametrize("verb", VERBS)
def test_each_failure_can_be_asked_for(verb: str) -> None:
    assert line_of({"type": ASK, "verb": verb, "seconds": 10}) == f"{verb} 10"
    assert line_of({"type": ASK, "verb": verb}) == f"{verb} 3.0"


@pytest.mark.parametrize(
    "message",
    [
        {"type": "hello", "verb": "cut"},
        {"verb": "cut"},
        {"type": ASK},
        {"type": ASK, "verb": "dance"},
        {"type": ASK, "verb": "cut\nrestart"},
        {"type": ASK, "verb": ["cut"]},
        {"type": ASK, "verb": "stall", "seconds": "3"},
        {"type": ASK, "verb": "stall", "seconds": True},
        {"type": ASK, "verb": "stall", "seconds": None},
    ],
    ids=repr,
)
def test_everything_else_is_no_ask(message: dict[str, Any]) -> None:
    assert line_of(message) is None
