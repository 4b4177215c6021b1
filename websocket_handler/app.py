"""Makes a node from its settings. `composition` gives the ports and the edges, `assembly` the core, and `life` starts
and stops them."""

import gc

from websocket_handler import composition
from websocket_handler.adapters.aws.sdk import Aws
from websocket_handler.adapters.aws.wire import AwsWire
from websocket_handler.api.requests import Requests
from websocket_handler.assembly import assemble
from websocket_handler.background import Background
from websocket_handler.config import Settings
from websocket_handler.edges import AwsSessions
from websocket_handler.life import Edges, Life
from websocket_handler.net.listener import Listener
from websocket_handler.protocol.names import LOOPBACK_HOSTS
from websocket_handler.telemetry.counters import Counters
from websocket_handler.telemetry.log import EventLog


class App:
    """One node as a process: what `serve` runs."""

    def __init__(self, settings: Settings, counters: Counters, node_id: str) -> None:
        log = EventLog()
        background = Background(log)
        aws = AwsWire(Aws(settings.aws_region, settings.aws_endpoint_url or None))
        ports = composition.aws_ports(settings, aws, log, counters, background)
        self.core = assemble(ports, composition.core_options(settings, node_id))
        requests = Requests()
        self.entrance = composition.make_entrance(settings, self.core, requests)
        self._listener = Listener(settings.listen_hosts, settings.websocket_port, self.entrance.protocol)
        edges = Edges(
            below=[AwsSessions(aws, log)],
            above=[*composition.metrics_output(settings, self.core, background), requests, self._listener],
            signs={
                **composition.drain_signs(settings, aws, log),
                "operator": self.core.control.until_asked_to_leave,
            },
        )
        self.life = Life(self.core, background, edges, settings.drain_seconds)
        self._settings = settings

    @property
    def port(self) -> int:
        """The port on which it listens."""
        return self._listener.port

    async def start(self) -> None:
        """Open what the node needs, and accept clients. Raises OSError if the port is taken."""
        await self.life.start()
        settings, log = self._settings, self.core.ports.log
        if settings.auth_mode == "none" and not LOOPBACK_HOSTS.issuperset(settings.listen_hosts):
            log.emit("node.insecure", reason="AUTH_MODE=none and not bound to loopback: everyone may connect")
        facts = {"log_store": self.core.ports.log_store.name, "native_send": composition.is_native(settings)}
        log.emit("node.listening", host=settings.websocket_host, port=self.port, **facts)
        gc.collect()
        gc.freeze()  # whatever exists now lives as long as the process, so the collector need not look at it again

    async def stop(self) -> None:
        """Hand clients over, flush what was accepted, and end."""
        await self.life.stop()

    def stop_now(self) -> None:
        """Make `stop` wait for nothing any more."""
        self.life.stop_now()
