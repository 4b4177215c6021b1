"""A connection that is gone leaves nothing behind that only the collector of garbage can free: in a wave of reconnects
that costs a quarter of a handshake, and keeps the memory of those who left."""

import gc
from collections import Counter
from collections.abc import Callable

import pytest

from tests.support.frames import CLOSE, client_frame
from tests.support.virtual_time import in_virtual_time, settle
from tests.support.wires import Door, Wire

CLIENTS = 10


def _close(wire: Wire) -> None:
    wire.send(client_frame(CLOSE, b"\x03\xe8"))


def _leave_half_closed(wire: Wire) -> None:
    wire.send_eof()


def _break_the_protocol(wire: Wire) -> None:
    wire.send(b"\xff\xff")


ENDS: dict[str, Callable[[Wire], None]] = {
    "closing handshake": _close,
    "cut": Wire.hang_up,
    "half-close": _leave_half_closed,
    "wrong frame": _break_the_protocol,
}


@pytest.mark.parametrize("end", ENDS)
@in_virtual_time
async def test_a_connection_that_is_gone_is_no_garbage(end: str) -> None:
    door = Door()
    await _come_and_go(door, end)  # what is made once is made now
    gc.collect()
    gc.disable()
    try:
        await _come_and_go(door, end)
        gc.set_debug(gc.DEBUG_SAVEALL)
        gc.collect()
        left = Counter(type(thing).__qualname__ for thing in gc.garbage if type(thing).__module__.startswith(PACKAGE))
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()
    assert left == {}


PACKAGE = "websocket_handler."


async def _come_and_go(door: Door, end: str) -> None:
    wires = [door.enter(f"/ws?project_id=p{number}") for number in range(CLIENTS)]
    await settle()
    for wire in wires:
        wire.command(action="publish", project_id="p0", message={"a": 1})
    await settle()
    assert all(wire.messages() for wire in wires)
    for wire in wires:
        ENDS[end](wire)
    await settle()
