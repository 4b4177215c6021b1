"""The process behind the gateway of `websocket-handler dev`: the queues in memory, and the demo agents.

`python -m websocket_handler.cli.dev.backstage CONFIG READY`. CONFIG is a `Config` as JSON. As soon as the queues can be
used, the file READY has the environment that leads to them, as JSON. With `front`, a proxy stands before the gateway.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Final

import msgspec
import uvloop

from websocket_handler.cli.dev.agents import DemoAgent
from websocket_handler.cli.dev.settings import AGENTS, reachable
from websocket_handler.cli.dev.sqs import Sqs
from websocket_handler.cli.dev.sqs_server import serving_application

HOST: Final = "127.0.0.1"
UPDATES: Final = "updates"
UPDATES_HIDDEN_S: Final = 5
"""What a gateway had received when it was killed comes again after this time. SQS's own default is 30 s."""
RECEIVES_MAX: Final = 5
CREDENTIALS: Final = {"AWS_ACCESS_KEY_ID": "local", "AWS_SECRET_ACCESS_KEY": "local"}
"""SDKs want some. Nobody checks them."""


async def create_queues(sqs: Sqs) -> dict[str, str]:
    """The queues of the agents and the updates queue, each with its dead-letter queue. Returns their URLs by name."""
    urls = {}
    for name in (*AGENTS, UPDATES):
        dead = await sqs.call("CreateQueue", {"QueueName": f"agenticai-{name}-local-dead-letters"})
        asked = {"QueueUrl": dead["QueueUrl"], "AttributeNames": ["QueueArn"]}
        arn = (await sqs.call("GetQueueAttributes", asked))["Attributes"]["QueueArn"]
        attributes = {"RedrivePolicy": json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": RECEIVES_MAX})}
        if name == UPDATES:
            attributes["VisibilityTimeout"] = str(UPDATES_HIDDEN_S)
        made = await sqs.call("CreateQueue", {"QueueName": f"agenticai-{name}-local", "Attributes": attributes})
        urls[name] = str(made["QueueUrl"])
    return urls


class Front(msgspec.Struct):
    """Where clients connect, and the port of this machine at which the gateway is."""

    hosts: list[str]
    port: int
    target_port: int


class Config(msgspec.Struct):
    """What this process does."""

    region: str
    agents: list[str]
    front: Front | None = None


class Agents:
    """The demo agents at work."""

    def __init__(self, names: Sequence[str], urls: Mapping[str, str], sqs: Sqs) -> None:
        self._names = names
        self._urls = urls
        self._sqs = sqs
        self._working: list[asyncio.Task[None]] = []
        self.start()

    def start(self) -> None:
        """Let each of them begin. Those that work already are killed in the middle of it."""
        for task in self._working:
            task.cancel()
        agents = [DemoAgent(name, self._urls, self._sqs.call) for name in self._names]
        self._working = [*self._working, *(asyncio.create_task(agent.run()) for agent in agents)]
        self._working = [task for task in self._working if not task.done()]

    async def stop(self) -> None:
        """End all of them."""
        for task in self._working:
            task.cancel()
        await asyncio.gather(*self._working, return_exceptions=True)


async def run(config: Config, ready: Path) -> None:
    """Serve the queues and work on tasks, until SIGTERM or SIGINT."""
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    async with serving_application(HOST, 0, config.region) as application, AsyncExitStack() as stack:
        sqs = application.sqs
        urls = await create_queues(sqs)
        agents = Agents(config.agents, urls, sqs)
        if config.front is not None:
            application.chaos = await stack.enter_async_context(_chaos(config.front, sqs, agents))
        variables = {f"SQS_QUEUE_URL_{name.upper()}": url for name, url in urls.items()}
        _write(ready, {**_environment(config.region, sqs.url), **variables})
        await stopping.wait()
        await agents.stop()


@asynccontextmanager
async def _chaos(front: Front, sqs: Sqs, agents: Agents) -> AsyncIterator[Callable[[str, float], dict[str, Any]]]:
    """What lets things fail, for the length of a `with` block."""
    from websocket_handler.cli.dev.chaos import Chaos, new_verification  # noqa: PLC0415 - only where somebody wants it
    from websocket_handler.cli.dev.proxy import Proxy  # noqa: PLC0415

    def give_twice(seconds: float) -> None:
        sqs.twice_until = sqs.now() + seconds

    proxy = Proxy(front.target_port)
    async with proxy.serving(front.hosts, front.port) as port:
        host = reachable(front.hosts[0])
        verification = new_verification(f"ws://{f'[{host}]' if ':' in host else host}:{port}")
        witnesses = asyncio.create_task(verification.run())
        try:
            yield Chaos(proxy, verification, give_twice, agents.start).do
        finally:
            witnesses.cancel()
            await asyncio.gather(witnesses, return_exceptions=True)


def _environment(region: str, url: str) -> dict[str, str]:
    return {"AWS_ENDPOINT_URL": url, "AWS_REGION": region, "AWS_DEFAULT_REGION": region, **CREDENTIALS}


def _write(ready: Path, environment: dict[str, str]) -> None:
    """Write the file in one step, so that a reader never sees half of it."""
    partial = ready.with_name(f"{ready.name}.partial")
    partial.write_text(json.dumps(environment), encoding="utf-8")
    partial.replace(ready)


if __name__ == "__main__":
    uvloop.run(run(msgspec.json.decode(sys.argv[1], type=Config), Path(sys.argv[2])))
