"""A publisher for scripts and Lambdas: it blocks, and keeps no connection alive behind your back."""

import hashlib
import os
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final, Self

from websocket_handler_client.core.position import Position
from websocket_handler_client.errors import ClientError
from websocket_handler_client.publishing.http import HttpOutlet
from websocket_handler_client.publishing.outlet import Outgoing, Outlet
from websocket_handler_client.publishing.sqs import QueueOutlet

TIMEOUT_S: Final = 30.0
WEBSOCKET_HANDLER_URL: Final = "WEBSOCKET_HANDLER_URL"
WEBSOCKET_HANDLER_TOKEN: Final = "WEBSOCKET_HANDLER_TOKEN"  # noqa: S105 - the name of a variable
SQS_QUEUE_URL_UPDATES: Final = "SQS_QUEUE_URL_UPDATES"


def outlet_from(environment: Mapping[str, str]) -> Outlet:
    """The way to the gateway that the environment names: `WEBSOCKET_HANDLER_URL` (with `WEBSOCKET_HANDLER_TOKEN`), or
    else `SQS_QUEUE_URL_UPDATES`. Raises ValueError if it names none."""
    if url := environment.get(WEBSOCKET_HANDLER_URL):
        return HttpOutlet(url, environment.get(WEBSOCKET_HANDLER_TOKEN) or None)
    if queue_url := environment.get(SQS_QUEUE_URL_UPDATES):
        return QueueOutlet(queue_url)
    raise ValueError(f"set {WEBSOCKET_HANDLER_URL}, or {SQS_QUEUE_URL_UPDATES}")


class Publisher:
    """Publishes objects to projects. Not for several threads at once.

    `Publisher("https://host", token=…)` uses HTTP and needs the standard library only, `Publisher(queue_url=…)` the
    updates queue, and `Publisher()` what the environment names (see `outlet_from`). Whatever happens on the way, an
    object that was sent twice is published once.
    """

    def __init__(
        self,
        url: str | None = None,
        *,
        token: str | Callable[[], str] | None = None,
        queue_url: str | None = None,
        outlet: Outlet | None = None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        if outlet is not None:
            self._outlet = outlet
        elif url is not None:
            self._outlet = HttpOutlet(url, token)
        else:
            self._outlet = QueueOutlet(queue_url) if queue_url is not None else outlet_from(os.environ)
        self._timeout_s = timeout_s
        self._producer = uuid.uuid4().hex
        self._sequences: dict[str, int] = {}

    def publish(self, project_id: str, message: dict[str, Any], *, key: str | None = None) -> Position | None:
        """Publish one object. Returns its position; None over the queue, which tells none.

        `key` makes it safe to publish the same object again, for example after a crash: it is published once. Raises
        RefusedError if a further try is of no use, UnansweredError if it is unknown what became of it.
        """
        return self.publish_all(project_id, [message], key=key)[0]

    def publish_all(
        self, project_id: str, messages: Iterable[dict[str, Any]], *, key: str | None = None
    ) -> list[Position | None]:
        """Publish objects in order, in as few requests as possible. Raises as `publish` does; then those before the
        fault may be published. With the same `key`, give the same objects again."""
        return self._send([self._outgoing(project_id, *item, key) for item in enumerate(messages)])

    def broadcast(self, message: dict[str, Any]) -> None:
        """Send an object to every connection of a node. It may arrive twice if the way fails. Raises as `publish`
        does."""
        self._send([Outgoing(None, message)])

    def close(self) -> None:
        """Let go of the connection."""
        self._outlet.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(self, outgoing: list[Outgoing]) -> list[Position | None]:
        try:
            return self._outlet.send(outgoing, self._timeout_s)
        except ClientError:
            self._producer = (
                uuid.uuid4().hex
            )  # the numbers of this one have a gap now, for which the gateway would wait
            self._sequences.clear()
            raise

    def _outgoing(self, project_id: str, index: int, message: dict[str, Any], key: str | None) -> Outgoing:
        is_numbered = "producer" in message and "sequence" in message
        if is_numbered or not self._outlet.needs_numbers:
            return Outgoing(project_id, message, key)
        if key is not None:
            producer, sequence = f"key:{hashlib.sha256(key.encode()).hexdigest()}", index
        else:
            producer, sequence = self._producer, self._sequences.get(project_id, 0)
            self._sequences[project_id] = sequence + 1
        return Outgoing(project_id, {**message, "producer": producer, "sequence": sequence})
