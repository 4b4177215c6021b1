"""How long a socket is kept whose client may still be sending, in virtual time."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.support.clock import loop_time
from tests.support.virtual_time import in_virtual_time
from websocket_handler.net.lingering import LINGER_BYTES, LINGER_S, LINGER_TOTAL_S, Lingering


class Wire:
    """The gateway's end of a socket."""

    def __init__(self, unsent: int = 0, *, can_write_eof: bool = True) -> None:
        self.unsent = unsent
        self.protocol: Any = None
        self.said: list[str] = []
        self.ended_at: float | None = None
        self._can_write_eof = can_write_eof

    def is_closing(self) -> bool:
        return self.ended_at is not None

    def can_write_eof(self) -> bool:
        return self._can_write_eof

    def write_eof(self) -> None:
        self.said.append("eof")

    def set_protocol(self, protocol: object) -> None:
        self.protocol = protocol

    def resume_reading(self) -> None:
        self.said.append("reads")

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def close(self) -> None:
        self.ended_at = loop_time()
        if self.protocol is not None:
            self.protocol.connection_lost(None)

    abort = close

    def lasted_s(self, began_at: float) -> float:
        """How long it was kept."""
        assert self.ended_at is not None
        return round(self.ended_at - began_at, 3)


def ended(lingering: Lingering, wire: Wire) -> Wire:
    """A socket after its last answer."""
    transport: Any = wire
    lingering.end(transport)
    return wire


@in_virtual_time
async def test_nothing_follows_the_answer_and_a_silent_client_is_dropped() -> None:
    began_at, wire = loop_time(), ended(Lingering(), Wire())
    assert wire.said == ["eof", "reads"]
    await asyncio.sleep(2 * LINGER_S)
    assert wire.lasted_s(began_at) == LINGER_S


@in_virtual_time
async def test_a_client_that_closes_its_side_ends_it() -> None:
    wire = ended(Lingering(), Wire())
    assert not wire.protocol.eof_received()
    wire.close()
    began_at = loop_time()
    await asyncio.sleep(2 * LINGER_S)
    assert wire.lasted_s(began_at) == 0


@in_virtual_time
async def test_a_client_that_sends_slowly_is_heard_out() -> None:
    began_at, wire = loop_time(), ended(Lingering(), Wire())
    for _ in range(10):
        await asyncio.sleep(LINGER_S - 0.1)
        wire.protocol.data_received(b"x")
    assert wire.ended_at is None
    await asyncio.sleep(3 * LINGER_S)
    assert 10 * (LINGER_S - 0.1) < wire.lasted_s(began_at) < 10 * (LINGER_S - 0.1) + 2 * LINGER_S


@in_virtual_time
async def test_a_client_that_sends_for_ever_is_dropped() -> None:
    began_at, wire = loop_time(), ended(Lingering(), Wire())
    while wire.ended_at is None:
        await asyncio.sleep(LINGER_S / 2)
        wire.protocol.data_received(b"x")
    assert wire.lasted_s(began_at) == LINGER_TOTAL_S


@in_virtual_time
async def test_a_client_that_reads_slowly_gets_its_whole_answer() -> None:
    began_at, wire = loop_time(), ended(Lingering(), Wire(unsent=100))
    while wire.unsent:
        await asyncio.sleep(LINGER_S / 2)
        wire.unsent -= 1
    assert wire.ended_at is None
    assert loop_time() - began_at > LINGER_TOTAL_S
    await asyncio.sleep(2 * LINGER_S)
    assert wire.is_closing()


@in_virtual_time
async def test_a_client_that_reads_no_more_is_dropped() -> None:
    began_at, wire = loop_time(), ended(Lingering(), Wire(unsent=100))
    await asyncio.sleep(2 * LINGER_S)
    assert wire.lasted_s(began_at) == LINGER_S


@pytest.mark.parametrize("bytes_max", [LINGER_BYTES, 1000])
@in_virtual_time
async def test_so_many_bytes_are_taken_and_not_one_more(bytes_max: int) -> None:
    wire = ended(Lingering(bytes_max=bytes_max), Wire())
    wire.protocol.data_received(bytes(bytes_max))
    assert not wire.is_closing()
    wire.protocol.data_received(b"x")
    assert wire.is_closing()


@in_virtual_time
async def test_so_many_sockets_linger_and_then_the_first_is_dropped() -> None:
    lingering = Lingering(sockets_max=3)
    wires = [ended(lingering, Wire()) for _ in range(3)]
    assert not any(wire.is_closing() for wire in wires)
    wires.append(ended(lingering, Wire()))
    assert [wire.is_closing() for wire in wires] == [True, False, False, False]
    wires[2].close()
    wires.append(ended(lingering, Wire()))
    assert [wire.is_closing() for wire in wires] == [True, False, True, False, False]
    await asyncio.sleep(2 * LINGER_S)
    assert all(wire.is_closing() for wire in wires)


@in_virtual_time
async def test_a_socket_of_which_one_side_cannot_be_closed_alone_is_closed() -> None:
    wire = ended(Lingering(), Wire(can_write_eof=False))
    assert wire.is_closing()
    assert ended(Lingering(), wire).said == []
