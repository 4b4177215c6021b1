"""A client that is cut again and again, at seeded moments of every kind: what it got, and what it should have got.

`python -m tests.clients.python.cuts --cuts 1000 --seed 7`
"""

import argparse
import asyncio
from collections import Counter
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from tests.clients.python.lent_tokens import LentTokens
from tests.support.patience import PATIENCE_S
from tests.support.town import Town, town
from websocket_handler.access.expiry import end
from websocket_handler.protocol.codes import CloseCode
from websocket_handler_client import Client, ClientError, Options, Position, Updates

KINDS: Final = ("handshake", "frame down", "frame up", "socket", "drain", "kill", "reset", "token")
WEIGHTS: Final = (40, 60, 40, 60, 1, 4, 4, 8)
QUICK: Final = Options(backoff_base_s=0.001, backoff_max_s=0.01, opening_s=PATIENCE_S)
HANDSHAKE_BYTES: Final = 150
"""Within the gateway's answer to a handshake."""
ANSWER_BYTES: Final = 1500
"""Up to somewhere in what follows: `connected`, confirmations, publications."""


@dataclass
class Report:
    """What happened."""

    turns: Counter[str] = field(default_factory=Counter)
    """What was done to the connection, and how often."""
    cuts: int = 0
    """Connections that were cut."""
    handshakes: int = 0
    tokens: int = 0
    """Tokens that the client fetched."""
    updates: int = 0
    joined: int = 0
    """Updates that stood for several deltas."""
    resets: int = 0
    lost: int = 0
    doubled: int = 0
    faults: list[str] = field(default_factory=list)
    """What must not happen: an update that was lost, doubled or out of order; a task or a publication, too."""

    def check(self, name: str, found: object, expected: object) -> None:
        """Note a difference."""
        if found != expected:
            self.faults.append(f"{name}: {found!r} instead of {expected!r}")


class Witness:
    """Reads the project, and knows what has to come next."""

    def __init__(self, report: Report, updates: Updates) -> None:
        self.seen: list[int] = []
        """The numbers since the last reset."""
        self._report = report
        self._updates = updates
        self._moved = asyncio.Event()

    def reset(self, place: Position) -> None:
        """What was read before is void."""
        self._report.resets += 1
        self._report.check("a reset begins at the retained beginning", place.offset, 0)
        self.seen.clear()

    async def read(self) -> None:
        """Read until the end. Every update has the offset behind the one before."""
        async for update in self._updates:
            self._report.updates += 1
            self._report.joined += update.first_offset < update.offset
            expected, numbers = len(self.seen) + 1, [int(number) for number in update["delta"].split()]
            self._report.check("first offset", update.first_offset, expected)
            self._report.check("offset", update.offset, len(self.seen) + len(numbers))
            self._report.lost += max(0, update.first_offset - expected)
            self._report.doubled += len(set(numbers).intersection(self.seen))
            self.seen += numbers
            self._moved.set()

    async def has(self, count: int) -> None:
        """Return once so many updates have come since the reset."""
        while len(self.seen) < count:
            self._moved.clear()
            await self._moved.wait()


class Run:
    """One client, cut so many times."""

    def __init__(self, place: Town, tokens: LentTokens, random: Random, *, folds: bool) -> None:
        self.report = Report()
        self._folds = folds
        self._town = place
        self._tokens = tokens
        self._random = random
        self._published: list[int] = []
        """The numbers in the log of this epoch."""
        self._count = 0

    async def run(self, cuts: int) -> Report:
        """Cut, publish and forward in turns, and compare at the end."""
        voids: list[Witness] = []
        async with Client(self._town.url, token=self._tokens.lend, options=QUICK, fold=self._folds) as client:
            updates = client.project("p").updates(on_reset=lambda place: voids[0].reset(place))
            witness = Witness(self.report, updates)
            voids.append(witness)
            reading = asyncio.create_task(witness.read())
            await client.ping()
            for kind in KINDS:
                await self._turn(client, witness, kind)
            while self._town.wire.cuts < cuts:
                await self._turn(client, witness, self._random.choices(KINDS, WEIGHTS)[0])
            await witness.has(len(self._published))
            self.report.check("updates of the last epoch", witness.seen, self._published)
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)
        self.report.cuts, self.report.handshakes = self._town.wire.cuts, self._town.wire.opened
        self.report.tokens = self._tokens.lent
        return self.report

    async def _turn(self, client: Client, witness: Witness, kind: str) -> None:
        self.report.turns[kind] += 1
        if kind == "reset":
            await witness.has(len(self._published))  # what the lost log held, and nobody had read, is gone
        own = asyncio.create_task(self._publish_and_forward(client)) if self._random.random() < 0.3 else None
        await self._publish(self._random.randrange(4))
        await self._cut(kind)
        await self._publish(self._random.randrange(4))
        if own is not None:
            await own
        if self._random.random() < 0.3:
            await witness.has(len(self._published))

    async def _cut(self, kind: str) -> None:
        down = self._random.randrange(HANDSHAKE_BYTES) if kind == "handshake" else self._random.randrange(ANSWER_BYTES)
        match kind:
            case "handshake" | "frame down":
                self._town.wire.limits.append(("down", down))
            case "frame up":
                self._town.wire.limits.append(("up", 200 + self._random.randrange(400)))
            case "drain":
                await self._town.replace(drain_s=0.5)
            case "kill":
                await self._town.replace(drain_s=0)
            case "reset":
                await self._town.lose_log()
                self._published.clear()
            case "token":
                self._end_tokens()
            case _:
                pass
        for _ in range(self._random.randrange(20)):
            await asyncio.sleep(0)
        self._town.wire.cut()

    def _end_tokens(self) -> None:
        """The tokens that the gateway knows end: those of connections at once, and the others at the next handshake."""
        self._tokens.end()
        for connection in list(self._town.node.core.node.connections.values()):
            end(connection, CloseCode.TOKEN_EXPIRED, "the token expired")

    async def _publish(self, count: int) -> None:
        for _ in range(count):
            self._count += 1
            self._published.append(self._count)
            delta = {"type": "TEXT_MESSAGE_CONTENT", "messageId": "m1", "delta": f"{self._count} "}
            await self._town.publish(delta)

    async def _publish_and_forward(self, client: Client) -> None:
        """A task that is confirmed is in the queue under its own id."""
        self._count += 1
        name = f"m{self._count}"
        try:
            sent = await client.forward("dev", {"name": name}, message_id=name, wait_s=PATIENCE_S, timeout_s=PATIENCE_S)
        except ClientError as fault:
            self.report.faults.append(f"forward: {fault!r}")
            return
        self.report.check("message id", sent.message_id, name)
        tasks: list[dict[str, Any]] = self._town.tasks()
        self.report.check("the queue holds the task", {"name": name} in tasks, True)


async def run_cuts(cuts: int, seed: int, *, folds: bool = False) -> Report:
    """Run one client through so many cuts. A client that `folds` gets joined what it was away for."""
    tokens = LentTokens()
    async with town(tokens) as place:
        return await Run(place, tokens, Random(seed), folds=folds).run(cuts)


def main() -> int:
    """Print what happened. Exit code 1: something was lost, doubled or out of order."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cuts", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--fold", action="store_true", help="ask for joined deltas")
    options = parser.parse_args()
    report = asyncio.run(run_cuts(options.cuts, options.seed, folds=options.fold))
    print(f"cuts: {report.cuts} {dict(report.turns)}")
    print(f"handshakes: {report.handshakes}, tokens: {report.tokens}")
    print(
        f"updates: {report.updates}, joined: {report.joined}, resets: {report.resets},"
        f" lost: {report.lost}, doubled: {report.doubled}"
    )
    print(f"faults: {len(report.faults)}", *report.faults[:10], sep="\n")
    return 1 if report.faults else 0


if __name__ == "__main__":
    raise SystemExit(main())
