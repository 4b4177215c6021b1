"""The proof kit against real gateways: a crash under load, publications over HTTP, and a place where nobody listens."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from demo.resources import create_resources
from demo.testing import Emulator
from tests.support.broken_aws import refused_port
from tests.support.gateway import Gateway, off_loop, running_gateway
from tests.support.lying_gateway import Lie, lying_gateway
from tests.support.tokens import GUARDED, token
from tests.support.verifying import verification
from websocket_handler.cli import EXIT_FAILED

pytestmark = pytest.mark.asyncio


@pytest.fixture(scope="module")
def guarded(emulator_process: Emulator) -> Iterator[Gateway]:
    """A gateway that wants tokens."""
    with running_gateway({**create_resources(emulator_process.url), **GUARDED}) as gateway:
        yield gateway


async def test_a_gateway_that_is_killed_and_started_again_keeps_every_promise(settings: dict[str, str]) -> None:
    async with off_loop(running_gateway(settings)) as gateway:
        port = str(gateway.port)
        run = verification([f"ws://127.0.0.1:{port}"], clients=4, projects=2)
        task = asyncio.create_task(run.run())
        await run.state.until(lambda: run.state.counts.deliveries > 20)
        await asyncio.to_thread(gateway.kill)
        before = run.state.confirmed
        async with off_loop(running_gateway(settings, WEBSOCKET_PORT=port)):
            await run.state.until(lambda: run.state.counts.reconnects == 4 and run.state.confirmed > before)
            run.stop()
            report = await task
    assert (report.exit_code, report.broken, report.unusable) == (0, [], "")
    assert (report.reconnects, report.resets, report.recovery.count) == (4, 0, 4)
    assert report.deliveries == 2 * report.confirmed
    assert report.unconfirmed == 0


async def test_publications_may_go_over_the_http_api_and_need_tokens_like_everything(guarded: Gateway) -> None:
    mine = token(projects=["team-*"], rights=["subscribe", "publish"])
    run = verification(
        [guarded.ws_url], publish_urls=[guarded.base_url], tokens=[mine], project_prefix="team-", rate=100.0
    )
    task = asyncio.create_task(run.run())
    await run.state.until(lambda: run.state.counts.deliveries > 20)
    run.stop()
    report = await task
    assert (report.exit_code, report.broken, report.unusable) == (0, [], "")
    assert report.deliveries == 3 * report.confirmed


async def test_a_token_without_the_right_to_publish_ends_the_run(guarded: Gateway) -> None:
    mine = token(projects=["*"], rights=["subscribe"])
    report = await verification([guarded.ws_url], tokens=[mine]).run()
    assert report.exit_code == EXIT_FAILED
    assert report.unusable.startswith("a publisher got the error forbidden: ")


async def test_a_place_where_nobody_listens_gives_no_verdict() -> None:
    with refused_port() as port:
        report = await verification([f"ws://127.0.0.1:{port}"], settle_s=0.01).run()
    assert report.exit_code == EXIT_FAILED
    assert report.unusable.startswith("0 of 3 clients were subscribed after 0.01 s.")


async def test_what_was_found_up_to_now_is_told_while_it_runs() -> None:
    async with lying_gateway(Lie.DOUBLE) as gateway:
        run = verification([gateway.url])
        assert not run.is_level
        task = asyncio.create_task(run.run())
        await run.state.until(lambda: run.state.counts.doubled == 3 and run.is_level)
        found = run.findings()
        run.stop()
        await task
    assert (found.lost, found.doubled) == (0, 3)
    assert found.deliveries > 0


async def test_a_run_in_which_nothing_was_confirmed_gives_no_verdict() -> None:
    async with lying_gateway() as gateway:
        run = verification([gateway.url])
        run.stop()
        report = await run.run()
    assert (report.exit_code, report.unusable) == (EXIT_FAILED, "No publication was confirmed.")
