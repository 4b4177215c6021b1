"""A hundred cuts of the Python SDK against a gateway: nothing is lost, nothing comes twice, everything in order."""

import asyncio

import pytest

from tests.clients.python.cuts import KINDS, run_cuts
from tests.support.patience import PATIENCE_S


@pytest.mark.asyncio
async def test_a_hundred_cuts() -> None:
    async with asyncio.timeout(PATIENCE_S):
        report = await run_cuts(100, seed=5)
    assert report.faults == []
    assert set(report.turns) == set(KINDS)
    assert report.cuts >= 100
    assert report.updates >= 100
    assert report.resets == report.turns["reset"]
