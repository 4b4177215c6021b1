"""Planted bugs in the reading of the updates queue."""

from collections.abc import Callable
from typing import Any

from websocket_handler.delivery.update_publishing import UpdatePublisher
from websocket_handler.delivery.updates import UpdateConsumer

Patch = tuple[Any, str, Any]
"""An owner, the name of its attribute, and the value that replaces it."""


def delete_too_early(under_way: Any, update: Any) -> None:
    """Let the message of an update be deleted that is not published."""
    under_way._published.append(update.handle)
    under_way.has_published.set()


def an_update_is_deleted_before_the_commit() -> list[Patch]:
    publish: Any = UpdatePublisher._publish

    def changed(self: Any, update: Any) -> None:
        delete_too_early(self._published.__self__._under_way, update)
        publish(self, update)

    return [(UpdatePublisher, "_publish", changed)]


def updates_are_received_while_the_store_is_down() -> list[Patch]:
    async def changed(self: Any) -> None:
        """Goes on."""

    return [(UpdateConsumer, "_store_is_up", changed)]


def an_outage_gives_updates_back_to_the_queue() -> list[Patch]:
    def changed(self: Any, update: Any, fault: Any) -> None:
        self._left(update, "failed", fault)

    return [(UpdatePublisher, "_refused", changed)]


PLANTS: dict[str, Callable[[], list[Patch]]] = {
    plant.__name__.replace("_", " "): plant
    for plant in (
        an_update_is_deleted_before_the_commit,
        updates_are_received_while_the_store_is_down,
        an_outage_gives_updates_back_to_the_queue,
    )
}
