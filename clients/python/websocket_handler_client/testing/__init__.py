"""For the tests of programs that use this package: a gateway, a queue and a way to publish, all in this process."""

from websocket_handler_client.testing.gateway import FakeGateway
from websocket_handler_client.testing.outlet import FakeOutlet
from websocket_handler_client.testing.queue import FakeQueue

__all__ = ["FakeGateway", "FakeOutlet", "FakeQueue"]
