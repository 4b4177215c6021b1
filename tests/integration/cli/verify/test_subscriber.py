"""Subscribers find out what a gateway does wrong on its way to them, and forgive what it may do."""

from __future__ import annotations

import pytest

from tests.support.lying_gateway import Lie
from tests.support.verifying import verify_a_lie
from websocket_handler.cli import EXIT_BROKEN

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize(
    ("lie", "broken"),
    [
        (Lie.LOSE, {"lost": 3}),
        (Lie.DOUBLE, {"doubled": 3}),
        (Lie.APPEND_TWICE, {"doubled": 3}),
        (Lie.REORDER, {"reordered": 3}),
        (Lie.WRONG_POSITION, {"false_recoveries": 3, "lost": 3}),
        (Lie.SKIP_AT_RESUME, {"false_recoveries": 3, "lost": 3}),
    ],
    ids=lambda value: value.name if isinstance(value, Lie) else "",
)
async def test_each_lie_is_found_out_by_every_subscriber(lie: Lie, broken: dict[str, int]) -> None:
    report, _ = await verify_a_lie(lie)
    assert {name: getattr(report, name) for name in report.broken} == broken
    assert report.exit_code == EXIT_BROKEN


async def test_two_publications_at_one_place_are_a_fork() -> None:
    report, _ = await verify_a_lie(Lie.FORK)
    assert report.forked > 0
    assert report.exit_code == EXIT_BROKEN


@pytest.mark.parametrize("lie", [Lie.CUT, Lie.LEAVE], ids=lambda lie: lie.name)
async def test_whoever_has_to_come_back_has_everything(lie: Lie) -> None:
    report, _ = await verify_a_lie(lie)
    assert (report.exit_code, report.broken, report.unusable) == (0, [], "")
    assert report.reconnects == report.recovery.count == 3
    assert report.deliveries == 3 * report.confirmed


async def test_a_log_that_is_lost_once_everybody_has_it_is_a_reset_and_no_broken_promise() -> None:
    report, _ = await verify_a_lie(Lie.RESET)
    assert (report.exit_code, report.broken, report.resets, report.skipped) == (0, [], 3, 0)


async def test_clients_take_turns_with_the_tokens() -> None:
    _, gateway = await verify_a_lie(Lie.NONE, tokens=["ada", "eve"])
    assert sorted(gateway.tokens[:3]) == ["Bearer ada", "Bearer ada", "Bearer eve"]
    assert {*gateway.tokens[3:]} == {"Bearer ada", "Bearer eve"}
