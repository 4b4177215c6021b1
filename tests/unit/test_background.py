"""Background work: its failures are told, its jobs start again, and nothing of it outlives the end."""

import asyncio

from tests.support.nodes import NotedEvents
from tests.support.virtual_time import in_virtual_time, settle
from websocket_handler.background import RESTART_DELAY_S, Background


async def fail() -> None:
    raise RuntimeError("a bug")


@in_virtual_time
async def test_a_failure_is_logged_once() -> None:
    log = NotedEvents()
    Background(log).start(fail())
    await settle()
    assert log.names == ["task.failed"]


@in_virtual_time
async def test_a_job_that_ends_or_fails_starts_again_after_a_second() -> None:
    log, begun = NotedEvents(), []
    background = Background(log)

    async def job() -> None:
        begun.append(asyncio.get_running_loop().time())
        if len(begun) == 1:
            raise RuntimeError("a bug")

    background.keep("job", job)
    await asyncio.sleep(2.5 * RESTART_DELAY_S)
    assert [at - begun[0] for at in begun] == [0, RESTART_DELAY_S, 2 * RESTART_DELAY_S]
    assert [(event, fields["task"]) for event, fields in log.events] == [("task.failed", "job")]


@in_virtual_time
async def test_the_end_cancels_everything_and_waits_for_it() -> None:
    log, ended = NotedEvents(), []
    background = Background(log)

    async def work(name: str) -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0)
            ended.append(name)

    background.start(work("started"))
    background.keep("kept", lambda: work("kept"))
    await settle()
    await background.end()
    assert sorted(ended) == ["kept", "started"]
    assert log.names == []
