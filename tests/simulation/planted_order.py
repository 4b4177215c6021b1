"""Bugs on purpose in the order of numbered updates."""

from collections.abc import Callable
from typing import Any

from tests.simulation.planted_updates import Patch, delete_too_early
from websocket_handler.delivery.update_order import UpdateOrder
from websocket_handler.delivery.updates import UpdateConsumer
from websocket_handler.hub.order_window import OrderWindow, Released
from websocket_handler.protocol.ordinal import Ordinal


def an_update_waits_for_none_before_it() -> list[Patch]:
    def changed(_self: Any, _source: Any, _sequence: int, item: Any, **_how: Any) -> list[Any]:
        return [Released(item, None, is_behind=False)]

    return [(OrderWindow, "offer", changed)]


def an_update_waits_too_shortly() -> list[Patch]:
    offer: Any = UpdateOrder.offer

    def changed(self: Any, update: Any, _hidden_s: float) -> None:
        offer(self, update, -9.0)

    return [(UpdateOrder, "offer", changed)]


def an_update_that_waits_is_deleted() -> list[Patch]:
    offer: Any = UpdateOrder.offer

    def changed(self: Any, update: Any, hidden_s: float) -> None:
        consumer = self._publish.__self__._published.__self__
        delete_too_early(consumer._under_way, update)
        offer(self, update, hidden_s)

    return [(UpdateOrder, "offer", changed)]


def a_node_that_goes_away_publishes_what_waits() -> list[Patch]:
    stop: Any = UpdateConsumer.stop_receiving

    def changed(self: Any) -> None:
        for update in self._order.take_all():
            self._publisher._publish(update)
        stop(self)

    return [(UpdateConsumer, "stop_receiving", changed)]


def a_number_is_no_key() -> list[Patch]:
    return [(Ordinal, "key", property(lambda self: f"{self.producer} {self.sequence} {id(self)}"))]


PLANTS: dict[str, Callable[[], list[Patch]]] = {
    plant.__name__.replace("_", " "): plant
    for plant in (
        an_update_waits_for_none_before_it,
        an_update_waits_too_shortly,
        an_update_that_waits_is_deleted,
        a_node_that_goes_away_publishes_what_waits,
        a_number_is_no_key,
    )
}
