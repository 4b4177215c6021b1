"""What no repetition changes ends a run with its reason. Everything else is counted, up to a maximum of kinds."""

from __future__ import annotations

import pytest

from tests.support.lying_gateway import lying_gateway
from tests.support.verifying import verification
from websocket_handler.cli import EXIT_FAILED
from websocket_handler.cli.verify.links import RefusedError
from websocket_handler.cli.verify.plan import Plan
from websocket_handler.cli.verify.run import REFUSALS_MAX, Run

pytestmark = pytest.mark.asyncio


@pytest.mark.parametrize("status", [401, 403, 404])
async def test_a_handshake_that_is_refused_for_good_ends_the_run(status: int) -> None:
    async with lying_gateway(status=status) as gateway:
        report = await verification([gateway.url]).run()
    assert report.exit_code == EXIT_FAILED
    assert report.unusable == f"handshake {status}: no repetition will help"


@pytest.mark.parametrize(
    ("refusal", "ever_worked", "ends"),
    [
        (RefusedError("handshake 404", status=404), True, False),
        (RefusedError("handshake 401", status=401), True, True),
        (RefusedError("handshake 503", status=503), False, False),
        (RefusedError("close 4500", status=4500), True, True),
        (RefusedError("close 4012", status=4012), True, False),
        (RefusedError("connection lost"), False, False),
    ],
    ids=lambda value: str(value),
)
async def test_a_deployment_may_hide_for_a_while_but_not_deny(
    refusal: RefusedError, ever_worked: bool, ends: bool
) -> None:
    run = Run(Plan(["ws://gateway.example"]))
    run.refused(refusal, ever_worked=ever_worked)
    assert (bool(run.unusable), run.is_over.is_set()) == (ends, ends)


async def test_kinds_of_refusals_have_a_maximum() -> None:
    run = Run(Plan(["ws://gateway.example"]))
    for number in range(REFUSALS_MAX + 2):
        run.refused(RefusedError(f"reason {number}"), ever_worked=True)
    run.refused(RefusedError("reason 0"), ever_worked=True)
    assert len(run.refusals) == REFUSALS_MAX + 1
    assert (run.refusals["other"], run.refusals["reason 0"]) == (2, 2)
