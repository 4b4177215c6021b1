"""A call in the future that can be called off."""

import asyncio

from tests.support.virtual_time import in_virtual_time
from websocket_handler.api.deadline import Deadline


@in_virtual_time
async def test_the_call_comes_at_its_time() -> None:
    called: list[float] = []
    loop = asyncio.get_running_loop()
    deadline, began = Deadline(), loop.time()
    deadline.set(2.0, lambda: called.append(loop.time() - began))
    await asyncio.sleep(1.9)
    assert (called, deadline.is_set) == ([], True)
    await asyncio.sleep(1.0)
    assert called == [2.0]


@in_virtual_time
async def test_a_call_that_is_called_off_does_not_come() -> None:
    called: list[str] = []
    deadline = Deadline()
    deadline.call_off()
    deadline.set(1.0, lambda: called.append("first"))
    deadline.call_off()
    await asyncio.sleep(2.0)
    assert (called, deadline.is_set) == ([], False)


@in_virtual_time
async def test_a_second_call_replaces_the_first() -> None:
    called: list[str] = []
    deadline = Deadline()
    deadline.set(1.0, lambda: called.append("first"))
    deadline.set(2.0, lambda: called.append("second"))
    await asyncio.sleep(3.0)
    assert called == ["second"]
