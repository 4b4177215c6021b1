"""The life of a node: starts what `composition` built, keeps it going, and takes it down in order."""

import asyncio
import gc
from collections.abc import Awaitable, Callable, Coroutine
from typing import Final

from websocket_handler.adapters.aws.alb_target import AlbTarget, TargetUnknown
from websocket_handler.adapters.aws.ecs_metadata import own_address
from websocket_handler.adapters.aws.errors import AwsError
from websocket_handler.api.gateway import Reason
from websocket_handler.composition import compose, is_native
from websocket_handler.config import Settings
from websocket_handler.delivery.flush import flush
from websocket_handler.net.drain import hand_over
from websocket_handler.protocol.names import LOOPBACK_HOSTS
from websocket_handler.telemetry.counters import Counters

SWEEP_INTERVAL_S: Final = 5.0
PROBE_INTERVAL_S: Final = 3.0
FLUSH_MARGIN_S: Final = 5.0
"""After the hand-over, what was accepted has this long to reach its queue or its log."""
TARGET_INTERVAL_S: Final = 5.0
RESTART_DELAY_S: Final = 1.0


class App:
    """One node. `start` returns when it accepts connections, `stop` when everything accepted is safe."""

    def __init__(self, settings: Settings, counters: Counters, node_id: str) -> None:
        self._tasks: set[asyncio.Task[None]] = set()
        self.parts = compose(settings, counters, node_id, self.start_task, self.not_ready)
        self.port = 0
        self._is_stopping_now = asyncio.Event()
        self._drain: asyncio.Task[None] | None = None

    # Readiness

    def not_ready(self) -> list[Reason]:
        """Why new clients should be sent elsewhere; empty when they are welcome."""
        parts = self.parts
        reasons = [Reason("node", "draining")] if parts.server.is_draining else []
        faults = {
            parts.store.name: parts.store.failure(),
            "sqs": parts.forwarding.failure(),
            "sqs updates": parts.updates.fault if parts.updates else None,
            "dynamodb state": parts.recorder.fault,
            "authentication": parts.access.failure(),
        }
        reasons += [Reason(name, fault) for name, fault in faults.items() if fault]
        return reasons

    # Life

    def start_task(self, work: Coroutine[None, None, None]) -> None:
        """Run a coroutine in the background; its failure is logged, and it is ended at stop."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._task_ended)

    def _task_ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            self.parts.log.exception("task.failed", fault)

    async def start(self) -> None:
        """Open what the node needs and accept connections. Raises OSError when the port is taken."""
        parts = self.parts
        settings = parts.settings
        await self._open_aws()
        parts.keepalive.start()
        self.start_task(self._supervise("sweep", self._sweep))
        self.start_task(self._supervise("recorder", parts.recorder.run))
        self.start_task(self._supervise("probe", self._probe))
        if parts.store.is_shared:
            self.start_task(self._supervise("follower", parts.follower.run))
        if settings.target_group_arn:
            self.start_task(self._supervise("target", self._watch_target))
        if settings.scale_in_protection_connections:
            self.start_task(self._supervise("scale-in", parts.scale_in.run))
        if parts.updates is not None:
            self.start_task(self._supervise("updates", parts.updates.run))
        if settings.metrics == "emf":
            self.start_task(self._supervise("metrics", lambda: parts.metrics.run(settings.metrics_interval_s)))
        self.port = await parts.listener.listen(settings.websocket_host, settings.websocket_port)
        if settings.auth_mode == "none" and settings.websocket_host not in LOOPBACK_HOSTS:
            parts.log.emit("node.insecure", reason="AUTH_MODE=none and not bound to loopback: everyone may connect")
        facts = {"log_store": parts.store.name, "native_send": is_native(settings)}
        parts.log.emit("node.listening", host=settings.websocket_host, port=self.port, **facts)
        gc.collect()
        gc.freeze()  # what exists now lives as long as the process: never look at it again

    async def _open_aws(self) -> None:
        """Load the SDK now, not under the first client. What fails here fails again, and is told, where it is used."""
        for service in ("sqs", "dynamodb"):
            try:
                await self.parts.aws.open(service)
            except AwsError as fault:
                self.parts.log.emit("dependency.down", dependency=service, reason=str(fault))

    async def _supervise(self, name: str, work: Callable[[], Awaitable[None]]) -> None:
        """Keep a background job alive: whatever ends it is logged, and it starts again."""
        while True:
            try:
                await work()
            except Exception as fault:  # our own bug must not end what the node cannot do without
                self.parts.log.exception("task.failed", fault, task=name)
            await asyncio.sleep(RESTART_DELAY_S)

    async def _sweep(self) -> None:
        dropped = 0
        while True:
            await asyncio.sleep(SWEEP_INTERVAL_S)
            self.parts.node.sweep()
            if self.parts.counters.log_records_dropped > dropped:
                dropped = self.parts.counters.log_records_dropped
                self.parts.log.emit("node.log_records_dropped", total=dropped)

    async def _probe(self) -> None:
        """Ask the log store whether it is there, so that `/ready` is right without traffic."""
        was_down = False
        while True:
            await self.parts.store.check()
            fault = self.parts.store.failure()
            if bool(fault) != was_down:
                was_down = bool(fault)
                event = "dependency.down" if was_down else "dependency.up"
                self.parts.log.emit(event, dependency=self.parts.store.name, reason=fault or "")
            await asyncio.sleep(PROBE_INTERVAL_S)

    async def _watch_target(self) -> None:
        """ECS deregisters a task from the load balancer before it sends SIGTERM: use that time to hand clients over."""
        settings = self.parts.settings
        address = settings.target_address or await own_address(settings.ecs_container_metadata_uri_v4)
        target = AlbTarget(self.parts.aws.call, settings.target_group_arn, address, settings.websocket_port)
        while not self.parts.server.is_draining:
            await asyncio.sleep(TARGET_INTERVAL_S)
            try:
                if await target.is_draining():
                    await self.drain("target")
            except TargetUnknown as fault:
                self.parts.log.emit("target.unknown", reason=str(fault))

    async def drain(self, cause: str) -> None:
        """Refuse new clients, take no further updates, and hand over those who are here. Once; a second caller
        waits for the first."""
        if self._drain is None:
            parts = self.parts
            seconds = parts.settings.drain_seconds
            parts.log.emit("node.draining", cause=cause, connections=len(parts.node.connections), seconds=seconds)
            parts.server.is_draining = True
            if parts.updates is not None:
                parts.updates.stop_receiving()
            parts.node.projects.wake_readers()
            self._drain = asyncio.create_task(self._hand_over(seconds))
        await asyncio.shield(self._drain)

    async def _hand_over(self, seconds: float) -> None:
        parts = self.parts
        released = asyncio.create_task(parts.scale_in.end())  # from now on ECS may end this task
        result = await hand_over(parts.node.connections, parts.keepalive, parts.clock.monotonic, seconds, parts.random)
        parts.log.emit("node.drained", told=result.told, left=result.left)
        await released

    async def stop(self) -> None:
        """Hand clients over, flush what was accepted, and close. `stop_now` cuts it short."""
        parts = self.parts
        await self._unless_stopped_now(self.drain("signal"))
        await self._unless_stopped_now(
            flush(parts.node, parts.forwarding, parts.updates, parts.recorder, parts.follower, FLUSH_MARGIN_S)
        )
        if parts.settings.metrics == "emf":
            parts.metrics.emit()
        await self._close()

    async def _unless_stopped_now(self, work: Coroutine[None, None, None]) -> None:
        """Do it, or what there is time for. A failure of it is logged, and the stop goes on."""
        task = asyncio.create_task(work)
        task.add_done_callback(self._task_ended)
        now = asyncio.create_task(self._is_stopping_now.wait())
        await asyncio.wait({task, now}, return_when=asyncio.FIRST_COMPLETED)
        now.cancel()
        if not task.done():
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def stop_now(self) -> None:
        """Wait for nothing any more."""
        self.parts.log.emit("node.stopping_now")
        self._is_stopping_now.set()

    async def _close(self) -> None:
        parts = self.parts
        parts.keepalive.abort_all()
        parts.keepalive.stop()
        await parts.listener.close()
        await parts.forwarding.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await parts.aws.close()
        parts.log.emit("node.stopped")
