"""Slow clients: a thousand that stop reading cost one outbox each, the others notice nothing, and all catch up.

Run alone: python -m tests.proof.slow --clients 1000
"""

import json
from dataclasses import dataclass

import psutil

from demo.resources import create_resources
from demo.testing import running_emulator
from tests.proof.command import run_alone
from tests.proof.node import NodeProcess
from tests.support.frames import text_frame
from tests.support.raw_socket import RawSocket

PROJECT = "proj_slow"
OUTBOX_BYTES = 65_536
PAYLOAD = "x" * 2000
RECEIVE_BUFFER_BYTES = 4096


@dataclass(frozen=True, slots=True)
class SlowReport:
    """The figures of one proof; `memory_mib` is the node's resident memory after each hundred publications."""

    clients: int
    publications: int
    sent_each_bytes: int
    memory_mib: list[float]
    growth_per_client_bytes: float
    reader_offsets: list[int]
    late_offsets: list[list[int]]

    def __str__(self) -> str:
        everything = list(range(1, self.publications + 1))
        return (
            f"{self.clients} clients that read nothing of {self.sent_each_bytes / 1e6:.1f} MB each; "
            f"growth {self.growth_per_client_bytes / 1024:.1f} KiB per client beside the log "
            f"(outbox limit {OUTBOX_BYTES / 1024:.0f} KiB); "
            f"memory after every 100 publications, MiB: {self.memory_mib}; "
            f"{len(self.late_offsets)} of them read at the end and had all {self.publications} in order: "
            f"{all(offsets == everything for offsets in self.late_offsets)}"
        )


async def follower(port: int, project_id: str) -> RawSocket:
    """A WebSocket with a small receive buffer that follows a project and has read up to the confirmation. It reads
    only when it is told to."""
    client = await RawSocket.connect(port, f"/ws?project_id={project_id}", receive_buffer_bytes=RECEIVE_BUFFER_BYTES)
    while (await client.message())["type"] != "subscription_confirmed":
        pass
    return client


async def offsets(client: RawSocket, last: int) -> list[int]:
    """The offsets of all publications up to `last`."""
    seen: list[int] = []
    while not seen or seen[-1] < last:
        seen.append((await client.message())["offset"])
    return seen


async def prove_slow(clients: int, publications: int) -> SlowReport:
    """Half of the clients never read while `publications` are sent; one reads all along; then some slow ones read."""
    with running_emulator() as emulator:
        node = NodeProcess(
            create_resources(emulator.url),
            LOG_STORE="memory",
            OUTBOX_BYTES=str(OUTBOX_BYTES),
            MAX_MESSAGE_BYTES="16384",
            HISTORY_MESSAGES=str(publications),
            HISTORY_BYTES=str(publications * 4096),
            PING_INTERVAL_S="3600",
            DRAIN_SECONDS="1",
        )
        await node.start()
        assert node.process is not None
        process = psutil.Process(node.process.pid)
        slow = [await follower(node.port, PROJECT) for _ in range(clients)]
        reader = await follower(node.port, PROJECT)
        publisher = await follower(node.port, "proj_other")
        memory = [process.memory_info().rss]
        reader_offsets: list[int] = []
        for start in range(0, publications, 100):
            for _ in range(100):
                publisher.writer.write(_publish_frame())
            reader_offsets += await offsets(reader, start + 100)
            memory.append(process.memory_info().rss)
        late = [await offsets(client, publications) for client in slow[:: max(1, clients // 20)]]
        for client in [*slow, reader, publisher]:
            client.writer.transport.abort()
        await node.stop()
    growth = (memory[-1] - memory[0] - publications * (len(PAYLOAD) + 400) * 2) / clients
    sent = publications * len(PAYLOAD)
    return SlowReport(
        clients, publications, sent, [round(rss / 2**20, 1) for rss in memory], growth, reader_offsets, late
    )


def _publish_frame() -> bytes:
    command = {"action": "publish", "project_id": PROJECT, "message": {"type": "step", "text": PAYLOAD}}
    return text_frame(json.dumps(command))


if __name__ == "__main__":
    run_alone(prove_slow, clients=1000, publications=2000)
