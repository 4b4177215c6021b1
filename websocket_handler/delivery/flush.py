"""Going away without a loss: what a node accepted reaches its queue or its log before the node ends."""

import asyncio
from typing import Final

from websocket_handler.delivery.follower import Follower
from websocket_handler.delivery.forwarding import Forwarding
from websocket_handler.delivery.node import Node
from websocket_handler.delivery.recorder import StateRecorder
from websocket_handler.delivery.updates import UpdateConsumer
from websocket_handler.logs.projects import Projects

LOOK_INTERVAL_S: Final = 0.01


async def flush(
    node: Node,
    forwarding: Forwarding,
    updates: UpdateConsumer | None,
    recorder: StateRecorder,
    follower: Follower,
    timeout_s: float,
) -> None:
    """Wait until every publication, forward and update that was accepted is answered, then leave the tables of
    who is connected and who serves. Gives up after `timeout_s`."""
    at_work: list[Projects | Forwarding | UpdateConsumer] = [node.projects, forwarding]
    if updates is not None:
        at_work.append(updates)
    try:
        async with asyncio.timeout(timeout_s):
            while not all(part.is_settled for part in at_work):  # noqa: ASYNC110 - they settle on their own, in any order
                await asyncio.sleep(LOOK_INTERVAL_S)
            await recorder.write()
            if node.engine.store.is_shared:
                await follower.leave()
    except TimeoutError:
        return
