"""The verbs of `dev --chaos`, and what the witnesses say."""

from __future__ import annotations

from typing import Any

import pytest

from tests.support.verifying import verification
from websocket_handler.cli.dev.chaos import LASTING, RESTART, SECONDS_MAX, VERBS, Chaos, new_verification, row


class NotedProxy:
    """Notes what it is told."""

    def __init__(self, told: list[tuple[str, float]]) -> None:
        self._told = told

    def cut(self) -> None:
        self._told.append(("cut", 0.0))

    def stall(self, seconds: float) -> None:
        self._told.append(("stall", seconds))

    def slow(self, seconds: float) -> None:
        self._told.append(("slow", seconds))


def chaos(told: list[tuple[str, float]]) -> Chaos:
    proxy: Any = NotedProxy(told)
    return Chaos(
        proxy,
        verification(["ws://127.0.0.1:1"]),
        lambda seconds: told.append(("twice", seconds)),
        lambda: told.append(("agent", 0.0)),
    )


def test_every_verb_but_restart_is_carried_out_and_the_state_comes_back() -> None:
    told: list[tuple[str, float]] = []
    for verb in VERBS:
        if verb != RESTART:
            assert chaos(told).do(verb, 2.0)["lost"] == 0
    assert told == [(verb, 2.0 if verb in LASTING else 0.0) for verb in VERBS if verb != RESTART]
    assert not chaos(told).do("status")["is_level"], "nobody is there yet"


@pytest.mark.parametrize(("verb", "seconds"), [("dance", 1), (RESTART, 1), ("cut", 0), ("stall", SECONDS_MAX + 1)])
def test_what_it_cannot_do_is_told(verb: str, seconds: float) -> None:
    told: list[tuple[str, float]] = []
    with pytest.raises(ValueError, match=r"must be|is none of"):
        chaos(told).do(verb, seconds)
    assert told == []


def test_the_state_is_a_line() -> None:
    status = {"deliveries": 9, "reconnects": 3, "resets": 1, "lost": 0, "doubled": 0, "reordered": 0, "unusable": ""}
    assert row(status).startswith("lost 0 · doubled 0 · out of order 0   (9 deliveries, 3 reconnects, 1 new logs)")
    assert row({**status, "unusable": "no token"}) == "no witness: no token"
    assert new_verification("ws://h").state.plan.project_ids == ["chaos-1"]
