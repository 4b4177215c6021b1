"""One node of a cluster: the same process as in the other schedules, over the product's own adapters for Valkey."""

from dataclasses import replace
from typing import TYPE_CHECKING

from tests.simulation.node import Process
from websocket_handler.adapters.announced import AnnouncedLogStore
from websocket_handler.adapters.aws.dynamodb_log import DynamoDbLogOptions, DynamoDbLogStore
from websocket_handler.adapters.valkey.log_store import ValkeyLogOptions
from websocket_handler.adapters.valkey.setup import SharedValkey
from websocket_handler.assembly import Ports
from websocket_handler.background import Background
from websocket_handler.delivery.control import CONTROL_LOG
from websocket_handler.hub.log import LogLimits
from websocket_handler.ports.log_store import LogStore
from websocket_handler.telemetry.log import EventLog

if TYPE_CHECKING:
    from tests.simulation.cluster_world import ClusterWorld


class ClusterProcess(Process):
    """A node whose logs are in Valkey, or that hears over Valkey what other nodes wrote to the table."""

    world: "ClusterWorld"

    def _ports(self, log: EventLog, background: Background) -> Ports:
        valkey = SharedValkey(self.world.servers.url, self.name, background.keep, self.random.random)
        usual = super()._ports(log, background)
        shared = replace(usual, backplane=valkey.backplane, tickets=valkey.tickets, directory=valkey.directory)
        if not self.world.plan.has_logs:
            table = DynamoDbLogOptions(history=CONTROL_LOG)
            common = DynamoDbLogStore(self._table(), background.start, self.world.clock, table)
            return replace(
                shared,
                log_store=AnnouncedLogStore(usual.log_store, valkey.backplane),
                common_store=AnnouncedLogStore(common, valkey.backplane),
            )

        def store(limits: LogLimits) -> LogStore:
            options = ValkeyLogOptions(history=limits, commit=self.world.plan.commit)
            kept = valkey.log_store(background.start, self.world.clock, self.new_id, options)
            return AnnouncedLogStore(kept, valkey.backplane)

        return replace(shared, log_store=store(self._log_limits()), common_store=store(CONTROL_LOG), peers=valkey.peers)
