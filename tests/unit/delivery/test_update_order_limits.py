"""Numbered updates that wait: how many, for how long, through outages, and while the node goes away."""

import asyncio
from typing import Final

from tests.support.doubles import NEVER_OLD
from tests.support.memory_ports import MemoryUpdateSource
from tests.support.virtual_time import in_virtual_time, settle
from tests.unit.delivery.mixed_queue import System
from websocket_handler.delivery.update_order import (
    LOOK_INTERVAL_S,
    READS_PER_LOOK_MAX,
    STOPPED_MAX_S,
    WAIT_MARGIN_S,
    WAIT_MAX_S,
)
from websocket_handler.delivery.update_publishing import HOLD_MAX_S
from websocket_handler.delivery.updates_under_way import UNDER_WAY_MAX
from websocket_handler.hub.order_window import OrderLimits
from websocket_handler.logs.limits import DeliveryLimits

WAIT_S: Final = MemoryUpdateSource.hidden_s + WAIT_MARGIN_S


@in_virtual_time
async def test_nothing_is_looked_up_in_the_store_unless_something_waits_and_then_ever_less_often() -> None:
    system = System()
    system.put(0, 1)
    await asyncio.sleep(10)
    assert system.store.reads == []
    system.put(3)
    await asyncio.sleep(20)
    assert 18 <= len(system.store.reads) <= 30


@in_virtual_time
async def test_in_one_look_only_so_many_logs_are_read() -> None:
    system = System()
    for index in range(READS_PER_LOOK_MAX):
        system.put(5, project_id=f"p{index}")
    await asyncio.sleep(1.5 * LOOK_INTERVAL_S)
    assert len(system.store.reads) == READS_PER_LOOK_MAX
    crowded = System()
    for index in range(READS_PER_LOOK_MAX + 1):
        crowded.put(5, project_id=f"p{index}")
    await asyncio.sleep(1.5 * LOOK_INTERVAL_S)
    assert len(crowded.store.reads) == READS_PER_LOOK_MAX
    await asyncio.sleep(LOOK_INTERVAL_S)
    assert set(crowded.store.reads) == {f"p{index}" for index in range(READS_PER_LOOK_MAX + 1)}


@in_virtual_time
async def test_more_may_wait_than_may_be_under_way_and_what_is_missing_still_comes() -> None:
    system = System()
    system.put(*range(1, 2 * UNDER_WAY_MAX))
    await asyncio.sleep(0.3)
    assert system.log() == []
    assert len(system.source.hidden) == 2 * UNDER_WAY_MAX - 1
    system.put(0)
    await asyncio.sleep(5)
    assert system.log() == list(range(2 * UNDER_WAY_MAX))
    assert system.source.hidden == {}


@in_virtual_time
async def test_beyond_the_maximum_of_a_producer_its_first_are_published() -> None:
    most = OrderLimits().per_producer
    system = System()
    system.put(0, *range(2, 2 + most))
    await asyncio.sleep(5)
    assert system.log() == [0]
    system.put(9999)
    await settle(3000)
    assert system.log() == list(range(2, 2 + most)), "and 0, which is no longer retained"
    assert system.gateway.node.project("p").journal.log.head == 1 + most
    assert [fields["reason"] for _, fields in system.gateway.events] == ["producer"]


@in_virtual_time
async def test_while_nothing_can_be_received_no_wait_ends() -> None:
    system = System()
    system.put(0)
    await settle()
    system.put(2)
    await settle()
    system.store.is_down = True
    await asyncio.sleep(STOPPED_MAX_S - 1)
    system.store.is_down = False
    await asyncio.sleep(WAIT_S / 2)
    assert system.log() == [0]
    system.put(1)
    await asyncio.sleep(10)
    assert system.log() == [0, 1, 2]
    assert "update.gap" not in system.gateway.names


@in_virtual_time
async def test_a_wait_ends_all_the_same_where_nothing_can_be_received_for_long() -> None:
    system = System()
    system.put(0, 2)
    await settle()
    system.store.is_down = True
    await asyncio.sleep(STOPPED_MAX_S + WAIT_S + HOLD_MAX_S + 30)
    assert system.gateway.names.count("update.failed") == 1
    assert system.gateway.consumer.is_settled
    assert list(system.source.hidden) == ["2"], "it is left in the queue, for another node"


@in_virtual_time
async def test_what_goes_back_into_the_queue_after_an_outage_comes_again_in_its_turn() -> None:
    system = System()
    system.put(0)
    await settle()
    system.put(1, 2, 3)
    system.store.is_down = True
    await asyncio.sleep(HOLD_MAX_S + 30)
    assert system.gateway.names.count("update.failed") == 3
    system.store.is_down = False
    await asyncio.sleep(30)
    system.source.reappear()
    system.put(4)
    reversed_order = list(reversed(system.source._waiting.items()))
    system.source._waiting.clear()
    system.source._waiting.update(reversed_order)
    await asyncio.sleep(30)
    assert system.log() == [0, 1, 2, 3, 4]


@in_virtual_time
async def test_a_node_that_goes_away_leaves_what_waits_in_the_queue() -> None:
    system = System()
    system.put(0, 2, 3)
    await settle()
    gateway = system.gateway
    gateway.consumer.stop_receiving()
    await settle()
    assert gateway.consumer.is_settled
    assert gateway.events == [("updates.left", {"waiting": 2})]
    assert sorted(system.source.hidden) == ["2", "3"]
    await asyncio.sleep(WAIT_S + 1)
    assert system.log() == [0]
    assert system.source.extended == set()
    system.start()
    system.source.reappear()
    system.put(1)
    await asyncio.sleep(1)
    assert system.log() == [0, 1, 2, 3]


@in_virtual_time
async def test_a_node_that_goes_away_with_nothing_waiting_says_nothing() -> None:
    system = System()
    system.put(0)
    await settle()
    system.gateway.consumer.stop_receiving()
    assert system.gateway.events == []


@in_virtual_time
async def test_a_project_that_cannot_be_opened_keeps_its_order() -> None:
    limits = DeliveryLimits(log=NEVER_OLD, projects=1)
    system = System(limits)
    blocker = system.gateway.node.feed("other")
    system.put(2, 0, 1)
    await asyncio.sleep(2)
    assert system.log() == []
    blocker.close()
    await asyncio.sleep(WAIT_S)
    assert system.log() == [0, 1, 2]


@in_virtual_time
async def test_however_long_the_queue_hides_a_message_the_wait_has_an_end() -> None:
    system = System()
    system.source.hidden_s = 43_200.0
    system.put(0, 2)
    await asyncio.sleep(WAIT_MAX_S + 1)
    assert system.log() == [0, 2]
