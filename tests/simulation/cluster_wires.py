"""The way between a node and a server of Valkey: bytes in order in both directions, held up, cut or lost, without
sockets."""

import asyncio
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any, Final

from tests.simulation.loop import Owner, SimulationLoop, owner
from tests.support.valkey_model.server import ModelServer
from tests.support.valkey_model.session import Session

LATENCIES_S: Final = (0.0002, 0.001, 0.004)


class Host:
    """What listens at one address: a server, or the Sentinels."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.is_up = True
        """False while nothing listens there: who connects is refused."""
        self.is_silent = False
        """True while the host is gone from the network: nobody gets any answer."""
        self.is_held = False
        """True while the process is stopped: what arrives waits."""

    def connected(self, write: Callable[[bytes], None], close: Callable[[], None]) -> Session:
        """A client has connected."""
        raise NotImplementedError

    def gone(self, session: Session) -> None:
        """A client's connection has ended."""


class ServerHost(Host):
    """A server at its address."""

    def __init__(self, name: str, server: ModelServer) -> None:
        super().__init__(name)
        self.server = server

    def connected(self, write: Callable[[bytes], None], close: Callable[[], None]) -> Session:
        return self.server.session(write, close)

    def gone(self, session: Session) -> None:
        self.server.gone(session)


class Wire(asyncio.Transport):
    """A connection. This object is the node's end of it."""

    def __init__(
        self, network: "Network", process: Owner, host: Host, protocol: asyncio.Protocol, latency_s: float
    ) -> None:
        super().__init__()
        self.process = process
        self.host = host
        self._network = network
        self._protocol = protocol
        self._latency_s = latency_s
        self._up: deque[bytes] = deque()
        """What is on its way to the server."""
        self._down: deque[bytes] = deque()
        """What is on its way to the node."""
        self._held_up: deque[bytes] = deque()
        """What has arrived at the server's machine, and waits for the server."""
        self._held_down: deque[bytes] = deque()
        self.is_closed = False
        """True once one of the two ends has closed it."""
        self.session = host.connected(self._answer, self.server_closes)

    @property
    def is_held(self) -> bool:
        """True while nothing gets through."""
        return self.host.is_silent or self._network.is_cut_off(self.process)

    # The node's end

    def write(self, data: Any) -> None:
        if not self.is_closed and self._network.may_act(self.process):
            self._up.append(bytes(data))
            self._network.loop.later(self._latency_s, self._arrive_up)

    def is_closing(self) -> bool:
        return self.is_closed

    def abort(self) -> None:
        """The node gives the connection up. What it sent before may still arrive."""
        if not self.is_closed:
            self.is_closed = True
            self._network.in_process(self.process, self._protocol.connection_lost, None)
            if self._network.random.random() < 0.5:
                self._up.clear()
                self._held_up.clear()
            self._network.loop.later(self._latency_s, self._forget)

    def close(self) -> None:
        self.abort()

    def _forget(self) -> None:
        """The server learns of the end, once it is reached."""
        if self.is_held or self.host.is_held:
            self._network.loop.later(0.2, self._forget)
            return
        while self.host.is_up and (self._held_up or self._up):
            self.session.feed((self._held_up or self._up).popleft())
        self.host.gone(self.session)
        self._network.wires.pop(self, None)

    # The server's end

    def _arrive_up(self) -> None:
        if self._up:
            self._held_up.append(self._up.popleft())
            self.release()

    def _answer(self, data: bytes) -> None:
        self._down.append(data)
        self._network.loop.later(self._latency_s, self._arrive_down)

    def _arrive_down(self) -> None:
        if self._down:
            self._held_down.append(self._down.popleft())
            self.release()

    def _receive(self, data: bytes) -> None:
        if not self.is_closed:
            self._protocol.data_received(data)

    def server_closes(self) -> None:
        """The server ends the connection, or the network does: the node learns it a little later."""
        if self.is_closed:
            return
        self.is_closed = True
        self._up.clear()
        self._held_up.clear()
        self.host.gone(self.session)
        self._network.wires.pop(self, None)
        self._network.loop.later(self._latency_s, self._tell_end)

    def _tell_end(self) -> None:
        if self.is_held:
            self._network.loop.later(0.2, self._tell_end)
            return
        self._network.in_process(self.process, self._protocol.connection_lost, None)

    def release(self) -> None:
        """What has arrived gets through, unless it still has to wait."""
        if self.is_held:
            return
        while self._held_up and not self.host.is_held and self.host.is_up:
            self.session.feed(self._held_up.popleft())
        while self._held_down:
            data = self._held_down.popleft()
            self._network.in_process(self.process, self._receive, data)


class Network:
    """All connections between nodes and servers."""

    def __init__(self, loop: SimulationLoop, random: Random, trace: Callable[[str], None]) -> None:
        self.loop = loop
        self.random = random
        self.hosts: dict[str, Host] = {}
        self.wires: dict[Wire, None] = {}
        self._trace = trace
        self._cut_off: dict[Owner, None] = {}

    async def dial(
        self, make_protocol: Callable[[], asyncio.Protocol], name: str
    ) -> tuple[asyncio.Transport, asyncio.Protocol]:
        """A node connects. Raises OSError if nothing listens there; waits for ever if nothing gets through."""
        process, host, latency_s = owner(), self.hosts[name], self.random.choice(LATENCIES_S)
        assert process is not None, "only nodes connect"
        if not self.may_act(process):
            await self.loop.create_future()
        await asyncio.sleep(2 * latency_s)
        while host.is_silent or self.is_cut_off(process):  # noqa: ASYNC110 - time is virtual
            await asyncio.sleep(0.2)
        if not host.is_up:
            raise ConnectionRefusedError(f"nothing listens at {name}")
        self._trace(f"{process.name} connects to {name}")
        protocol = make_protocol()
        wire = Wire(self, process, host, protocol, latency_s)
        self.wires[wire] = None
        protocol.connection_made(wire)
        return wire, protocol

    def may_act(self, process: Owner) -> bool:
        """True if an effect still leaves the process."""
        acts: bool = process.may_act()  # type: ignore[attr-defined] # every owner here is a node
        return acts

    def in_process(self, process: Owner, callback: Callable[..., object], *args: object) -> None:
        """Call `callback` in the node, in its own turn of the loop."""
        self.loop.call_soon(callback, *args, context=process.context)

    # Faults

    def is_cut_off(self, process: Owner) -> bool:
        """True while a node reaches no server."""
        return process in self._cut_off

    def cut_off(self, process: Owner) -> None:
        """From now on a node reaches no server, and nobody tells it."""
        self._cut_off[process] = None

    def rejoin(self, process: Owner) -> None:
        """A node that was cut off reaches the servers again."""
        self._cut_off.pop(process, None)
        self.release()

    def release(self) -> None:
        """Let everything through that no longer has to wait."""
        for wire in list(self.wires):
            wire.release()

    def close_all(self, host: Host, chance: float = 1.0) -> None:
        """End the connections to a host, or some of them."""
        for wire in list(self.wires):
            if wire.host is host and self.random.random() < chance:
                wire.server_closes()

    def died(self, process: Owner) -> None:
        """A node died: its kernel closes its connections."""
        for wire in list(self.wires):
            if wire.process is process:
                wire.abort()
