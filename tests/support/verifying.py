"""Runs the proof kit inside a test, until the test has seen enough."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tests.support.lying_gateway import Lie, LyingGateway, lying_gateway
from tests.support.patience import PATIENCE_S
from websocket_handler.cli.verify.plan import Plan
from websocket_handler.cli.verify.report import Report
from websocket_handler.cli.verify.verification import Verification


def verification(urls: Sequence[str], **options: Any) -> Verification:
    """A run that lasts until it is stopped."""
    usual = {"clients": 3, "projects": 1, "rate": 200.0, "duration_s": 600.0, "settle_s": PATIENCE_S}
    return Verification(Plan(**{"urls": urls, **usual, **options}), show=lambda _row: None, show_every_s=PATIENCE_S)


async def verify_a_lie(lie: Lie, **options: Any) -> tuple[Report, LyingGateway]:
    """What a run finds out about a gateway that lies."""
    runs: list[Verification] = []
    async with lying_gateway(lie, enough=lambda: runs[0].stop()) as gateway:
        runs.append(verification([gateway.url], **options))
        return await runs[0].run(), gateway
