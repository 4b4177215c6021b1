"""A gateway process that can be killed and started again on the same port."""

import asyncio
import http.client
import os
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[2]
START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 60.0


def free_port() -> int:
    """A loopback port that nobody uses at the moment."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class NodeProcess:
    """One node of the gateway as its own process."""

    def __init__(self, settings: Mapping[str, str], **more: str) -> None:
        self.port = free_port()
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SQS_", "DYNAMODB_"))}
        self._environment = {
            **kept,
            **settings,
            "WEBSOCKET_HOST": "127.0.0.1",
            "WEBSOCKET_PORT": str(self.port),
            "COMMANDS_PER_SECOND": "0",
            "LOG_FORMAT": "json",
            **more,
        }
        self.process: asyncio.subprocess.Process | None = None
        self.log = b""

    @property
    def url(self) -> str:
        """Where clients connect."""
        return f"ws://127.0.0.1:{self.port}/ws"

    async def start(self) -> None:
        """Start it and wait until it is ready. Raises RuntimeError with its log when it is not."""
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "websocket_handler",
            cwd=REPOSITORY,
            env=self._environment,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        assert self.process.stdout is not None
        async with asyncio.timeout(START_TIMEOUT_S):
            async for line in self.process.stdout:
                self.log += line
                if b"node.listening" in line:
                    self._reading = asyncio.create_task(self._read(self.process.stdout))
                    return
        raise RuntimeError(self.log.decode())

    async def _read(self, output: asyncio.StreamReader) -> None:
        async for line in output:
            self.log += line

    async def kill(self) -> None:
        """End it as a crash would: nothing is flushed, nobody is told."""
        await self._signal(signal.SIGKILL)

    async def stop(self) -> int:
        """SIGTERM; its exit code."""
        return await self._signal(signal.SIGTERM)

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal and do not wait."""
        assert self.process is not None
        self.process.send_signal(number)

    async def _signal(self, number: signal.Signals) -> int:
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(number)
        async with asyncio.timeout(STOP_TIMEOUT_S):
            code = await self.process.wait()
            await self._reading
        return code

    def get(self, path: str) -> tuple[int, bytes]:
        """One HTTP answer: its status and body."""
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)) as connection:
            connection.request("GET", path)
            response = connection.getresponse()
            return response.status, response.read()
