"""Publishers repeat with the same key until the confirmation comes, and count nothing without one."""

from __future__ import annotations

import pytest

from tests.support.lying_gateway import ENOUGH, Lie
from tests.support.verifying import verify_a_lie

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize("lie", [Lie.REFUSE_ONCE, Lie.LOSE_ANSWER, Lie.NONSENSE], ids=lambda lie: lie.name)
async def test_what_was_not_confirmed_is_sent_again_with_its_key(lie: Lie) -> None:
    report, gateway = await verify_a_lie(lie)
    assert (report.exit_code, report.broken, report.unusable) == (0, [], "")
    assert report.retries > 0
    assert len(gateway.keys) > len(set(gateway.keys)), "the same key again"
    assert report.confirmed == len(set(gateway.keys)) >= ENOUGH
    assert report.unconfirmed == 0


async def test_a_refusal_is_told() -> None:
    report, _ = await verify_a_lie(Lie.REFUSE_ONCE)
    assert report.refusals == {"store_unavailable": 1}
