"""The load balancer. It finds a node for every client, and learns late that a node goes away."""

from random import Random
from typing import TYPE_CHECKING, Final

from tests.simulation.arrivals import Arrival
from tests.simulation.clients import Client
from tests.simulation.dialing import Wish, request
from tests.simulation.network import Link, Peer
from tests.simulation.watch import LinkWatch

if TYPE_CHECKING:
    from tests.simulation.node import Process
    from tests.simulation.world import World

ADDRESS: Final = "10.9.9.9"
LAG_S: Final = 1.0
LATENCIES_S: Final = (0.001, 0.01, 0.05)


class Balancer:
    """Stands in front of all nodes. If the plan has one proxy, the nodes see its address instead of the clients'."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._random = Random(f"balancer {world.scenario.seed}")
        self._is_seen = bool(world.scenario.door.proxy_hops)

    def seen(self, address: str) -> str:
        """The address that a node sees for a client's address."""
        return ADDRESS if self._is_seen else address

    def named(self, address: str) -> str | None:
        """The client's address as the load balancer names it in a header; None if it names none."""
        return address if self._is_seen else None

    def reachable(self, random: Random) -> "list[Process]":
        """The nodes that clients can reach."""
        now, lag_s = self._world.loop.time(), random.uniform(0, LAG_S)
        return [
            process
            for process in self._world.processes
            if process.is_listening and (process.left_at is None or now < process.left_at + lag_s)
        ]

    def one_of(self, random: Random, nodes: "list[Process]") -> "Process":
        """Choose one of these nodes. A node that goes away is more likely, because it tests more."""
        leaving = [process for process in nodes if process.left_at is not None]
        return random.choice(leaving if leaving and random.random() < 0.7 else nodes)

    def dial(self, client: Client) -> None:
        """A client wants a connection."""
        self._world.loop.later(client.random.uniform(0.001, 0.05), self._dialled, client)

    def _dialled(self, client: Client) -> None:
        if nodes := self.reachable(client.random):
            client.reached(client.random.choice(nodes))
        else:
            client.refused()

    def knock(self, peer: Peer, process: "Process", address: str, wish: Wish) -> tuple[Link, Arrival]:
        """Open a socket to a node, and send nothing yet."""
        world, credential = self._world, wish.credential
        who = f"{process.name} {len(process.links)} {address}"
        arrival = Arrival(who, process.name, address, wish.origin, credential.token, credential.ticket)
        latency_s = self._random.choice(LATENCIES_S)
        link = Link(world.loop, process, peer, self.seen(address), latency_s, world.scenario.kernel_bytes)
        link.watcher = LinkWatch(world, link, arrival)
        if not world.workload.is_over and self._random.random() < 0.2:
            link.speed = self._random.choice((300.0, 5000.0))
        process.accept(link)
        return link, arrival

    def send(self, link: Link, arrival: Arrival, wish: Wish) -> None:
        """Pass a handshake on."""
        arrival.asked_at = self._world.loop.time()
        self._world.trace(f"{arrival.who} asks for {wish.described}")
        link.send(request(wish, self.named(arrival.address)))
