"""Numbered updates of a queue that mixes them: in order, none lost, none twice. Time is virtual."""

import asyncio
from collections.abc import Iterable
from random import Random
from typing import Final

from tests.support.memory_ports import MemoryUpdateSource
from tests.support.virtual_time import in_virtual_time, settle
from tests.unit.delivery.mixed_queue import System
from websocket_handler.delivery.update_order import LOOK_INTERVAL_S, WAIT_MARGIN_S
from websocket_handler.protocol.publication import read_object

WAIT_S: Final = MemoryUpdateSource.hidden_s + WAIT_MARGIN_S


def deliveries(handles: Iterable[str]) -> list[int]:
    return sorted(map(int, handles))


@in_virtual_time
async def test_updates_that_overtook_each_other_are_published_in_order() -> None:
    system = System()
    system.put(3, 1, 0, 4, 2)
    await settle()
    assert system.log() == [0, 1, 2, 3, 4]
    assert system.source.hidden == {}
    assert system.gateway.counters.numbered_updates == {"waited": 3}
    assert system.gateway.counters.updates == {"published": 5}
    assert system.gateway.consumer.is_settled
    assert system.gateway.names == []


@in_virtual_time
async def test_what_waits_is_neither_published_nor_deleted_and_stays_hidden() -> None:
    system = System()
    system.put(0, 2, 3)
    await asyncio.sleep(MemoryUpdateSource.hidden_s)
    assert system.log() == [0]
    assert system.source.deleted == ["1"]
    assert system.source.extended == {"2", "3"}
    assert not system.gateway.consumer.is_settled
    system.put(1)
    await settle()
    assert system.log() == [0, 1, 2, 3]
    assert deliveries(system.source.deleted) == [1, 2, 3, 4]


@in_virtual_time
async def test_what_a_killed_node_had_received_is_not_overtaken() -> None:
    """As it was seen: tokens 120 to 129 came after 359."""
    system = System()
    system.put(*range(120))
    await settle(200)
    system.store.is_down = True
    system.put(*range(120, 130))
    await settle()
    assert len(system.source.hidden) == 10
    await system.gateway.kill()
    system.store.is_down = False
    other = system.start()
    system.put(*range(130, 360))
    await asyncio.sleep(MemoryUpdateSource.hidden_s + 1)
    assert system.log() == list(range(120))
    system.source.reappear()
    await settle(500)
    assert system.log() == list(range(360))
    assert system.source.hidden == {}
    assert other.names == []


@in_virtual_time
async def test_a_node_that_begins_knows_from_the_log_how_far_a_producer_has_come() -> None:
    system = System()
    system.put(0, 1, 2)
    await settle()
    await system.gateway.kill()
    other = system.start()
    system.put(3)
    await settle()
    assert system.log() == [0, 1, 2, 3] or other.counters.numbered_updates["waited"] == 1
    await asyncio.sleep(2 * LOOK_INTERVAL_S)
    assert system.log() == [0, 1, 2, 3]


@in_virtual_time
async def test_after_its_time_an_update_is_published_without_those_before_it_and_that_is_told() -> None:
    system = System()
    system.put(0, 1, 5, 4)
    await asyncio.sleep(WAIT_S - LOOK_INTERVAL_S)
    assert system.log() == [0, 1]
    await asyncio.sleep(3 * LOOK_INTERVAL_S)
    assert system.log() == [0, 1, 4, 5]
    gap = {"project_id": "p", "producer": "a", "missing_from": 2, "missing_to": 3, "reason": "time"}
    assert system.gateway.events == [("update.gap", gap)]
    assert system.gateway.counters.numbered_updates == {"waited": 2, "gap": 1}
    system.put(6)
    await settle()
    assert system.log() == [0, 1, 4, 5, 6]


@in_virtual_time
async def test_a_late_update_is_published_late_and_that_is_told() -> None:
    system = System()
    system.put(0, 2)
    await asyncio.sleep(WAIT_S + 1)
    system.put(1)
    await settle()
    assert system.log() == [0, 2, 1]
    assert system.source.hidden == {}
    late = {"project_id": "p", "update_id": "u3", "producer": "a", "sequence": 1}
    assert system.gateway.events[-1] == ("update.late", late)
    assert system.gateway.counters.numbered_updates == {"waited": 1, "gap": 1, "late": 1}


@in_virtual_time
async def test_a_double_is_deleted_and_not_published_whichever_node_gets_it() -> None:
    system = System()
    system.put(0, 1, 1, 0)
    await settle()
    await system.gateway.kill()
    other = system.start()
    system.put(1, 2)
    await asyncio.sleep(1)
    assert system.log() == [0, 1, 2]
    assert system.source.hidden == {}
    assert system.gateway.counters.numbered_updates["double"] == 2
    assert other.counters.numbered_updates["late"] == 0
    assert (system.gateway.names, other.names) == ([], [])


@in_virtual_time
async def test_another_object_under_the_same_number_is_refused_and_left_in_the_queue() -> None:
    system = System()
    system.put(0)
    await settle()
    system.put(0, more=',"other":1')
    system.put(1)
    await settle()
    assert system.log() == [0, 1]
    assert list(system.source.hidden) == ["2"]
    assert [fields["code"] for _, fields in system.gateway.events] == ["conflict"]


@in_virtual_time
async def test_a_wrong_number_is_malformed() -> None:
    system = System()
    system.put(-1, 2**53)
    system.put(0, producer="a b")
    await settle()
    assert system.log() == []
    assert [(event, fields["code"]) for event, fields in system.gateway.events] == [
        ("update.malformed", "invalid_field")
    ] * 3
    assert len(system.source.hidden) == 3


@in_virtual_time
async def test_an_update_whose_predecessor_was_refused_does_not_wait_for_it() -> None:
    system = System()
    system.put(0)
    await settle()
    await asyncio.sleep(1)
    system.gateway.node.publish(  # another publication has taken the number
        system.gateway.node.prepare(read_object(b'{"producer":"a","sequence":1,"by":"http"}'), "p"), lambda _: None
    )
    await settle()
    system.put(1, 2)
    await settle()
    assert system.log() == [0, 1, 2]
    assert system.gateway.names == ["update.malformed"]


@in_virtual_time
async def test_what_was_published_in_another_way_counts_too() -> None:
    system = System()
    system.put(2)
    await settle()
    for sequence in (0, 1):
        body = b'{"producer":"a","sequence":%d}' % sequence
        system.gateway.node.publish(system.gateway.node.prepare(read_object(body), "p"), lambda _: None)
    await asyncio.sleep(2 * LOOK_INTERVAL_S)
    assert system.log() == [0, 1, 2]


@in_virtual_time
async def test_what_another_node_published_is_not_waited_for() -> None:
    """Two nodes read one queue: each gets a part, and the log joins them."""
    system = System()
    system.source.pause_s = 0.01
    other = system.start()
    system.put(*Random(1).sample(range(200), 200))
    await asyncio.sleep(20)
    assert system.log() == list(range(200))
    assert system.source.hidden == {}
    both = system.gateway.counters.updates["published"], other.counters.updates["published"]
    assert sum(both) == 200
    assert min(both) > 50
    assert (system.gateway.names, other.names) == ([], [])


@in_virtual_time
async def test_the_order_of_a_fifo_queue_is_the_order() -> None:
    system = System(is_ordered=True)
    system.put(5, 3, 3, 4)
    await settle()
    assert system.log() == [5, 3, 4]
    assert system.gateway.counters.numbered_updates == {}
