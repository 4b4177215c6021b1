"""What an agent has said and not yet sent: in order, with a maximum, many updates in one request."""

import asyncio
from collections import deque
from collections.abc import Sequence
from typing import Final

from websocket_handler_client.core.position import Position
from websocket_handler_client.errors import ClientError, RefusedError
from websocket_handler_client.publishing.outlet import Outgoing, Outlet

WAITING_MAX: Final = 1000
"""Updates that wait. Beyond it whoever says something waits, too."""
BATCH_MAX: Final = 100
TIMEOUT_S: Final = 60.0
Sent = asyncio.Future[Position | None]
"""Gives where an update stands in the log, if the way tells it and the update is the one that stands there."""


class Outbox:
    """One for all tasks of an agent."""

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self._waiting: deque[tuple[Outgoing, Sent]] = deque()
        self._has_something = asyncio.Event()
        self._has_room = asyncio.Event()
        self._has_room.set()

    @property
    def tells_positions(self) -> bool:
        """True if the gateway answers to each update."""
        return not self._outlet.needs_numbers

    async def put(self, outgoing: Outgoing) -> "Sent":
        """Add an update. Returns a future that is done once it is sent, or has failed with ClientError."""
        await self._has_room.wait()
        sent: Sent = asyncio.get_running_loop().create_future()
        self._waiting.append((outgoing, sent))
        self._has_something.set()
        if len(self._waiting) >= WAITING_MAX:
            self._has_room.clear()
        return sent

    async def run(self) -> None:
        """Send until cancelled."""
        while True:
            await self._has_something.wait()
            batch = [self._waiting.popleft() for _ in range(min(BATCH_MAX, len(self._waiting)))]
            self._has_room.set()
            if not self._waiting:
                self._has_something.clear()
            await self._send(batch)

    async def _send(self, batch: "list[tuple[Outgoing, Sent]]") -> None:
        """Send a batch. If one of it is refused, the others are sent one by one."""
        try:
            positions = await self._hand_on([outgoing for outgoing, _ in batch])
        except RefusedError as fault:
            if len(batch) > 1:
                for one in batch:
                    await self._send([one])
            elif fault.code == "conflict":  # an earlier run of the task said something else here: it is in the log
                _settle(batch, [None])
            else:
                _settle(batch, fault)
        except ClientError as fault:
            _settle(batch, fault)
        else:
            _settle(batch, positions)

    async def _hand_on(self, outgoing: list[Outgoing]) -> Sequence[Position | None]:
        if self._outlet.blocks:
            return await asyncio.to_thread(self._outlet.send, outgoing, TIMEOUT_S)
        return self._outlet.send(outgoing, TIMEOUT_S)


def _settle(batch: "list[tuple[Outgoing, Sent]]", answer: Sequence[Position | None] | ClientError) -> None:
    for place, (_, sent) in enumerate(batch):
        if sent.done():
            continue
        if not isinstance(answer, ClientError):
            sent.set_result(answer[place])
        else:
            sent.set_exception(answer)
            sent.exception()  # it is looked at when the task says something more, or ends
