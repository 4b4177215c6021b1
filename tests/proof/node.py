"""A gateway process that can be killed and started again on the same port."""

import asyncio
import json
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.support.gateway import REPOSITORY, clean_environment
from tests.support.patience import PATIENCE_S


class NodeProcess:
    """One node of the gateway as its own process. The port that it found at its first start stays its own."""

    def __init__(self, settings: Mapping[str, str], checkout: Path = REPOSITORY, **more: str) -> None:
        """`checkout` is where the gateway's code is; another one than this has a virtual environment of its own."""
        self.port = 0
        self._checkout = checkout
        self._settings = {
            **settings,
            "WEBSOCKET_HOST": "127.0.0.1",
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
            sys.executable if self._checkout == REPOSITORY else str(self._checkout / ".venv/bin/python"),
            "-m",
            "websocket_handler",
            cwd=self._checkout,
            env=clean_environment({**self._settings, "WEBSOCKET_PORT": str(self.port)}),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        assert self.process.stdout is not None
        async with asyncio.timeout(PATIENCE_S):
            async for line in self.process.stdout:
                self.log += line
                if b"node.listening" in line:
                    self.port = int(json.loads(line)["port"])
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

    async def _signal(self, number: signal.Signals) -> int:
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(number)
        async with asyncio.timeout(PATIENCE_S):
            code = await self.process.wait()
            await self._reading
        return code
