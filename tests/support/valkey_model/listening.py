"""The model on a port of loopback, so that the contract tests of real servers judge it, too."""

from __future__ import annotations

import asyncio
import time
from random import Random
from threading import Event, Thread
from typing import cast

from tests.support.valkey_model.server import ModelServer
from tests.support.valkey_model.session import Session


class _Client(asyncio.Protocol):
    def __init__(self, server: ModelServer) -> None:
        self._server = server

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        socket = cast("asyncio.Transport", transport)
        self._session: Session = self._server.session(socket.write, socket.abort)

    def data_received(self, data: bytes) -> None:
        self._session.feed(data)

    def connection_lost(self, _exc: Exception | None) -> None:
        self._server.gone(self._session)


class ListeningModel:
    """A model in a thread of its own. Its data last as long as the thread."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._loop = asyncio.new_event_loop()
        self._is_ready = Event()
        self._thread = Thread(target=self._run, name="valkey model", daemon=True)

    def start(self) -> None:
        """Accept connections."""
        self._thread.start()
        self._is_ready.wait()

    def stop(self) -> None:
        """End, as a crash does."""
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _run(self) -> None:
        loop, random = self._loop, Random(0)

        def new_id() -> str:
            return f"{random.getrandbits(160):040x}"

        server = ModelServer(lambda: time.time() * 1000, loop.call_later, new_id)
        listener = loop.run_until_complete(loop.create_server(lambda: _Client(server), "127.0.0.1", self.port))
        self._is_ready.set()
        loop.run_forever()
        listener.close()
        for session in list(server.sessions):
            session.close()
        loop.run_until_complete(asyncio.sleep(0))
        loop.close()
