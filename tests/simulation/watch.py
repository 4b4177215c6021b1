"""Checks what a node writes to one socket: bounded memory, order, and who may get it."""

from typing import TYPE_CHECKING

from tests.simulation.arrivals import Arrival, State
from tests.simulation.network import Link, frames_in

if TYPE_CHECKING:
    from tests.simulation.world import World

FRAME_BYTES = 500
"""More bytes than frames and the gateway's own fields add to the payloads of one write."""


class LinkWatch:
    """Watches one link."""

    def __init__(self, world: "World", link: Link, arrival: Arrival) -> None:
        self._world = world
        self._link = link
        self._arrival = arrival

    def wrote(self, data: bytes, *, is_over_mark: bool) -> None:
        arrival, was_dialing = self._arrival, self._arrival.state is State.DIALING
        if self._world.scenario.has_compression and not was_dialing:
            data = _inflated(data)
        self._world.door_rules.wrote(arrival, data)
        if was_dialing:
            data = data.partition(b"\r\n\r\n")[2]
            if self._world.scenario.has_compression and arrival.state is State.OPEN:
                data = _inflated(data)
        self._check_size(data, is_over_mark=is_over_mark)

    def _check_size(self, data: bytes, *, is_over_mark: bool) -> None:
        """Memory is bounded: one write may cross the high-water mark, and after it no publication may be written."""
        plan, violation = self._world.scenario, self._world.checker.violation
        if b'"epoch":' in data:
            return
        if is_over_mark and b'"offset":' in data:
            violation(f"a publication is written to a full outbox of {self._link.outbox_bytes} bytes")
        allowed = max(plan.outbox_bytes // 2, plan.padding + FRAME_BYTES)
        if len(data) > allowed + FRAME_BYTES:
            violation(f"one write of {len(data)} bytes, {allowed} may be")

    def unsent(self, data: bytes) -> None:
        self._world.door_rules.unsent(self._arrival, data)

    def overtook(self) -> None:
        self._world.checker.violation("a publication was sent past bytes that wait")

    def ended(self) -> None:
        self._world.door_rules.ended(self._arrival, is_cut=self._link.is_cut)


def _inflated(data: bytes) -> bytes:
    """The same frames with their payloads unpacked; control frames stay as they are."""
    if data[0] & 0x0F >= 8:
        return data
    return b"".join(payload for _opcode, _is_compressed, payload, _length in frames_in(data))
