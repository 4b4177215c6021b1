"""A way to publish that keeps what it gets."""

from typing import Any

from websocket_handler_client.core.position import Position
from websocket_handler_client.errors import ClientError, RefusedError
from websocket_handler_client.publishing.outlet import Outgoing


class FakeOutlet:
    """Takes updates as the gateway does: the same numbered object again is not published again, and another object
    under the same number is a `conflict`."""

    needs_numbers = True
    blocks = False

    def __init__(self) -> None:
        self.published: list[dict[str, Any]] = []
        """Everything that followers see, in order."""
        self.faults: list[ClientError] = []
        """What the next calls raise, one each."""
        self._numbered: dict[tuple[str | None, str, int], dict[str, Any]] = {}

    def send(self, outgoing: list[Outgoing], timeout_s: float) -> list[Position | None]:
        """Publish. A refused object makes a refused batch, of which nothing is published."""
        if self.faults:
            raise self.faults.pop(0)
        fresh = [one for one in outgoing if not self._is_there(one)]
        for one in fresh:
            self._numbered[_number(one)] = one.message
            self.published.append(one.message)
        return [None] * len(outgoing)

    def of_type(self, type_: str) -> list[dict[str, Any]]:
        """The published objects of one type."""
        return [message for message in self.published if message.get("type") == type_]

    def close(self) -> None:
        """Nothing to let go of."""

    def _is_there(self, one: Outgoing) -> bool:
        known = self._numbered.get(_number(one))
        if known is not None and known != one.message:
            raise RefusedError("conflict", f"another object has this number: {known}")
        return known is not None


def _number(one: Outgoing) -> tuple[str | None, str, int]:
    return one.project_id, one.message["producer"], one.message["sequence"]
