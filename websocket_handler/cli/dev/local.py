"""The system of `websocket-handler dev`: gateway, queues in memory and demo agents, from the wheel alone."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from websocket_handler.cli.dev.parts import Part
from websocket_handler.cli.dev.settings import STAND_INS
from websocket_handler.cli.dev.system import System, say
from websocket_handler.cli.dev.welcome import Words, welcome

REGION: Final = STAND_INS["AWS_REGION"]
LOOPBACK: Final = "127.0.0.1"
DEFAULT_ADDRESS: Final = f"{LOOPBACK}:8080"
"""Where the client commands look."""
IN_MEMORY: Final = {"LOG_STORE": "memory", "CONNECTION_RECORDS": "off", "DYNAMODB_TABLE_NAME": "none"}
"""The settings of a gateway without a table."""
MORE: Final = """Or from another shell:

  {program} tail proj_123
  {program} forward pm '{{"text":"Build a login page"}}' --project proj_123 --wait

Everything is in memory: when this ends, the queues and the logs are gone."""


class Local(System):
    """A process behind the gateway, which holds the queues and has the agents, and the gateway."""

    NAME = "dev"
    AGAIN = "websocket-handler dev"
    PLACE = "its own queues and logs in memory"
    ENDED = "dev has stopped. Its queues and logs are gone."
    STAND_INS = IN_MEMORY
    STOPS = ("gateway", "queues")

    def _welcome(self, seconds: float, address: str) -> str:
        words = Words("dev", "these queues", f"{self.AGAIN} --without dev", "its clients are told that the log is new")
        return welcome(words, seconds, address, self._parts, self._environment, self.more(address))

    def more(self, address: str) -> str:
        """What else to try and to know."""
        elsewhere = "" if address == DEFAULT_ADDRESS else f"WEBSOCKET_HANDLER_URL=ws://{address} "
        return MORE.format(program=f"{elsewhere}websocket-handler")

    def _start_queues(self) -> None:
        say("starting the queues and the agents")
        config = {"region": REGION, "agents": list(self._agents), "front": self._front()}
        command = [f"{__package__}.backstage", json.dumps(config)]
        told = self._start_announced("queues", command, "It held the queues, so dev stops.")
        self._environment.update(json.loads(told))

    def _front(self) -> dict[str, object] | None:
        """What stands between clients and the gateway; None for nothing."""
        return None

    def _gateway(self, name: str, host: str, port: int, more: Mapping[str, str]) -> Part:
        return super()._gateway(name, host, port, {**IN_MEMORY, **more})
