"""What one handshake may cost, with its subscription and its end, in virtual time.

The limits are counts, as in `test_publication_cost.py`: calls of Python functions, writes, and objects that stay. No
clock is read, so a slow machine changes nothing. `python -m bench --cells handshake` measures the same load.
"""

import gc
import sys
from typing import Final

from tests.support.calls import counted_calls
from tests.support.frames import handshake_head
from tests.support.virtual_time import in_virtual_time, settle
from tests.support.wires import Door, Wire

HEAD: Final = handshake_head("/ws?project_id=p")
CALLS_MAX: Final = 140
"""Calls of Python functions for a client that follows one project by its URL, is greeted, and goes."""
BLOCKS_MAX: Final = 8
"""Blocks of memory per client that stay when it is gone: its log event, which the node of this test keeps."""
CLIENTS: Final = 64


async def come_and_go(door: Door) -> Wire:
    """A client that is greeted, and then gone."""
    wire = door.knock()
    wire.send(HEAD)
    wire.hang_up()
    await settle()
    return wire


@in_virtual_time
async def test_a_handshake_is_answered_in_one_write() -> None:
    wire = await come_and_go(Door())
    assert [message["type"] for message in wire.messages()] == ["connected", "subscription_confirmed"]
    assert len(wire.writes) == 1


@in_virtual_time
async def test_a_handshake_takes_a_bounded_number_of_calls() -> None:
    door = Door()
    await come_and_go(door)  # opens the project
    with counted_calls() as calls:
        wire = await come_and_go(door)
    assert len(wire.messages()) == 2
    assert 0 < calls() <= CALLS_MAX


@in_virtual_time
async def test_a_client_that_is_gone_leaves_its_log_event_and_no_more() -> None:
    door = Door()
    for _ in range(3):
        await come_and_go(door)
    gc.collect()
    gc.disable()  # what is left is not even garbage
    try:
        before = sys.getallocatedblocks()
        for _ in range(CLIENTS):
            await come_and_go(door)
        kept = sys.getallocatedblocks() - before
    finally:
        gc.enable()
    assert kept <= BLOCKS_MAX * CLIENTS
