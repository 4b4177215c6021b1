"""Parts around the core that do not belong to it: sessions with AWS, metrics on stdout, the state of this node at its
load balancer.

Each is an `Edge` of `life.py`, or a sign there. The edge that lets clients in is `net.listener`.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from websocket_handler.adapters.aws.alb_target import AlbTarget, TargetUnknown
from websocket_handler.adapters.aws.emf import EmbeddedMetrics
from websocket_handler.adapters.aws.errors import AwsError
from websocket_handler.adapters.aws.wire import AwsWire
from websocket_handler.background import Background
from websocket_handler.telemetry.log import EventLog

TARGET_INTERVAL_S: Final = 5.0
OPENING_S: Final = 10.0


class AwsSessions:
    """The ways to the services that requests need."""

    def __init__(self, aws: AwsWire, log: EventLog) -> None:
        self._aws = aws
        self._log = log

    async def start(self) -> None:
        """Load the SDK now, so that the first client need not wait for it. If something fails here, it fails again when
        it is used, and is reported there. What takes longer than `OPENING_S` goes on while the node works."""
        end = asyncio.get_running_loop().time() + OPENING_S
        for service in ("sqs", "dynamodb"):
            try:
                async with asyncio.timeout_at(end):
                    await self._aws.open(service)
            except AwsError as fault:
                self._log.emit("dependency.down", dependency=service, reason=str(fault))
            except TimeoutError:
                reason = f"no credentials, or no way to the service, within {OPENING_S:g} s"
                self._log.emit("dependency.down", dependency=service, reason=reason)

    async def stop(self) -> None:
        await self._aws.close()


class MetricsOutput:
    """Metrics for CloudWatch, written every `interval_s` seconds and once at the end."""

    def __init__(self, metrics: EmbeddedMetrics, interval_s: float, background: Background) -> None:
        self._metrics = metrics
        self._interval_s = interval_s
        self._background = background

    async def start(self) -> None:
        self._background.keep("metrics", lambda: self._metrics.run(self._interval_s))

    async def stop(self) -> None:
        self._metrics.emit()


class TargetWatch:
    """Watches the state of this node at its load balancer. ECS takes a task out of the load balancer before it sends
    SIGTERM; the node uses that time for the hand-over."""

    def __init__(
        self, aws: AwsWire, log: EventLog, target_group_arn: str, find_address: Callable[[], Awaitable[str]], port: int
    ) -> None:
        """`find_address` gives this task's address in the target group; while that is empty, it is asked again."""
        self._aws = aws
        self._log = log
        self._target_group_arn = target_group_arn
        self._find_address = find_address
        self._port = port

    async def until_draining(self) -> None:
        """Return once the load balancer sends no more clients here, because the node is to go away."""
        target: AlbTarget | None = None
        while True:
            await asyncio.sleep(TARGET_INTERVAL_S)
            try:
                target = target or await self._target()
                if await target.is_draining():
                    return
            except TargetUnknown as fault:
                self._log.emit("target.unknown", reason=str(fault))

    async def _target(self) -> AlbTarget:
        """This node at its load balancer. Raises TargetUnknown."""
        address = await self._find_address()
        if not address:
            raise TargetUnknown("the ECS metadata endpoint does not tell this task's address")
        return AlbTarget(self._aws.call, self._target_group_arn, address, self._port)
