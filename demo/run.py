"""The whole system on this machine with one command: AWS emulator, gateway and four agents.

`python -m demo.run` is `websocket-handler dev` with a more faithful AWS: the emulator has DynamoDB, too, where the logs
outlive the gateway. The agents are written with the Python SDK.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from typing import ClassVar

from demo.resources import AGENTS, create_resources
from websocket_handler.cli.dev.parts import Part
from websocket_handler.cli.dev.system import UPDATES_HIDDEN_S, System, say, start
from websocket_handler.cli.dev.welcome import Words, welcome


class Demo(System):
    """Emulator, gateway, and a process for each agent."""

    COMMAND: ClassVar[str] = "demo.run"
    TARGET: ClassVar[str] = "run"
    """Of make."""
    NAME = "the demo"
    AGAIN = "make run"
    PLACE = "its emulator"
    ENDED = "The demo has stopped."
    STOPS: ClassVar[Sequence[str]] = ("gateway", "agent", "emulator")

    def _welcome(self, seconds: float, address: str) -> str:
        return self._text(seconds, address)

    def _text(self, seconds: float, address: str, more: str = "") -> str:
        words = Words("The demo", "the emulator", f'make {self.TARGET} ARGS="--without dev"')
        return welcome(words, seconds, address, self._parts, self._environment, more)

    def _start_queues(self) -> None:
        say("starting the AWS emulator")
        lost = "It held the queues and the table, so the demo stops."
        endpoint_url = self._start_announced("emulator", ["demo.emulator", "--port", "0", "--ready-file"], lost)
        say("creating queues and table in it")
        self._environment.update(create_resources(endpoint_url, updates_hidden_s=UPDATES_HIDDEN_S))
        self._environment["AWS_DEFAULT_REGION"] = self._environment["AWS_REGION"]

    def _start_agents(self) -> None:
        for agent in self._agents:
            self._launch(Part(f"agent {agent}", ["demo.agent", agent], self._environment, 5.0, may_be_stopped=True))


def _read_options(arguments: list[str] | None, command: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog=f"python -m {command}", description="Gateway, agents and AWS, locally.")
    parser.add_argument("--host", help="where the gateway listens; without it WEBSOCKET_HOST, else 127.0.0.1")
    parser.add_argument("--port", type=int, help="the gateway's port; without it WEBSOCKET_PORT, else 8080")
    parser.add_argument(
        "--without", choices=AGENTS, action="append", default=[], help="a demo agent to leave out; may be repeated"
    )
    parser.add_argument("--ends-with", type=int, metavar="PID", help="stop when this parent process is gone")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None, kind: type[Demo] = Demo) -> int:
    """Runs a demo until somebody stops it. Returns the exit code: 2 when a setting is wrong, 3 when the port is
    taken, 1 when the demo could not start or go on for another reason."""
    options = _read_options(arguments, kind.COMMAND)
    return start(kind, options.host, options.port, options.without, options.ends_with)


if __name__ == "__main__":
    sys.exit(main())
