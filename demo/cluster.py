"""Three nodes that behave as one, on this machine with one command.

`python -m demo.cluster`. It is `demo.run` with three gateways, whose logs are in Valkey, behind HAProxy. Whatever you
kill of these is started again. `LOG_STORE=dynamodb` keeps the logs in the emulator's table, and Valkey is only the
backplane.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from demo.programs import balancer_configuration, haproxy, valkey_answers, valkey_command, valkey_server
from demo.run import Demo, main
from websocket_handler.cli.dev.parts import DemoError, Part
from websocket_handler.cli.dev.settings import Choice
from websocket_handler.cli.dev.system import free_port, is_ready, say

NODES = 3
LOOPBACK = "127.0.0.1"
PROGRAM_STOP_TIMEOUT_S = 5.0
MORE = """To see that they are one, publish on one node and follow on another:

{nodes}

Or let the proof kit judge, while you kill nodes, the balancer or Valkey:

  .venv/bin/python -m websocket_handler verify ws://{address} --duration 60"""


class Cluster(Demo):
    """Three nodes, their Valkey server and their load balancer, beside what the demo has anyway."""

    COMMAND: ClassVar[str] = "demo.cluster"
    TARGET: ClassVar[str] = "cluster"
    AGAIN = "make cluster"
    STAND_INS: ClassVar[Mapping[str, str]] = {"VALKEY_URL": "redis://127.0.0.1", "NODE_ID": ""}
    DEFAULTS: ClassVar[Mapping[str, str]] = {"LOG_STORE": "valkey", "BACKPLANE": "valkey", "TRUSTED_PROXY_HOPS": "1"}
    STOPS = ("node", "balancer", "agent", "valkey", "emulator")

    def __init__(self, environment: dict[str, str], choice: Choice, port: int, agents: Sequence[str]) -> None:
        super().__init__(environment, choice, port, agents)
        self._folder = tempfile.TemporaryDirectory()
        self._node_ports: dict[str, int] = {}

    def run(self, ends_with: int | None = None) -> None:
        """As the demo's. What Valkey has written is gone at the end."""
        with self._folder:
            super().run(ends_with)

    def _start(self) -> None:
        """Starts what the nodes need, then the nodes, then the balancer."""
        haproxy(), valkey_server()  # before anything has to be stopped again
        valkey_port = free_port([LOOPBACK], 0, self.AGAIN)
        self._node_ports = {f"node {number}": self._node_port(number) for number in range(1, NODES + 1)}
        self._start_queues()
        say("starting Valkey")
        command = valkey_command(valkey_port, self._folder.name)
        valkey = self._program("valkey", command, lambda: valkey_answers(valkey_port))
        self._wait_until(valkey.came_up, "Valkey did not start")
        say(f"starting {NODES} nodes, the balancer and the agents")
        more = {"WEBSOCKET_HOST": LOOPBACK, "VALKEY_URL": f"redis://{LOOPBACK}:{valkey_port}", "NODE_ID": ""}
        for name, port in self._node_ports.items():
            self._launch(self._gateway(name, LOOPBACK, port, more))
        configuration = Path(self._folder.name) / "haproxy.cfg"
        text = balancer_configuration(self._choice.hosts, self._port, self._node_ports)
        configuration.write_text(text, encoding="utf-8")
        balancer = self._program(
            "balancer", [haproxy(), "-q", "-db", "-f", str(configuration)], lambda: is_ready(self._host, self._port)
        )
        self._start_agents()
        nodes = [part for part in self._parts if part.name in self._node_ports]
        for part in (*nodes, balancer):
            self._wait_until(part.came_up, f"{part.name} did not become ready")

    def _node_port(self, number: int) -> int:
        """The one behind the balancer's, or any free one if that is taken."""
        beside = self._choice.port + number if self._choice.port else 0
        try:
            return free_port([LOOPBACK], beside, self.AGAIN)
        except DemoError:
            return free_port([LOOPBACK], 0, self.AGAIN)

    def _program(self, name: str, command: list[str], is_up: Callable[[], bool]) -> Part:
        part = Part(name, command, self._environment, PROGRAM_STOP_TIMEOUT_S, is_up, is_program=True)
        self._launch(part)
        return part

    def _welcome(self, seconds: float, address: str) -> str:
        nodes = "\n".join(f"  {name}      http://{LOOPBACK}:{port}/" for name, port in self._node_ports.items())
        more = MORE.format(nodes=nodes, address=address)
        return self._text(seconds, address, more)


if __name__ == "__main__":
    sys.exit(main(kind=Cluster))
