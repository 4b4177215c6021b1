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
    assert report.joined == 0, "nobody asked for that"


@pytest.mark.asyncio
async def test_cuts_while_a_text_streams_and_what_was_missed_comes_joined() -> None:
    async with asyncio.timeout(PATIENCE_S):
        report = await run_cuts(20, seed=6, folds=True)
    assert report.faults == []
    assert report.joined >= 5
