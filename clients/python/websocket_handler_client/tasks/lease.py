"""Keeps a message hidden from others, from the moment of its receipt until its work is over."""

import asyncio
import logging
from typing import Final

from websocket_handler_client.tasks.queue import LeaseLostError, QueueUnavailableError, Received, TaskQueue

HIDDEN_MAX_S: Final = 12 * 3600.0
"""SQS hides a message for no longer, counted from its receipt."""
log = logging.getLogger("websocket_handler_client.agent")


async def keep(queue: TaskQueue, received: Received) -> None:
    """Extend the time again and again. Returns when the lease is lost: then another agent may have the message."""
    loop = asyncio.get_running_loop()
    begin_s = loop.time()
    hidden_until_s = begin_s + queue.hidden_s
    while True:
        await asyncio.sleep(queue.hidden_s / 3)
        now_s = loop.time()
        room_s = begin_s + HIDDEN_MAX_S - now_s
        if room_s < 1 or now_s >= hidden_until_s:
            return
        try:
            await queue.hide(received.handle, min(queue.hidden_s, room_s))
        except LeaseLostError:
            return
        except QueueUnavailableError as fault:
            log.warning("cannot keep a task hidden, trying again: %s", fault)
        else:
            hidden_until_s = now_s + min(queue.hidden_s, room_s)
