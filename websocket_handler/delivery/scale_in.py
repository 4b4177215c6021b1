"""Protects this node while it has many clients, so that its service does not end it just to have fewer nodes.

Protection also delays deployments, because a deployment waits for a protected node. So a node gives its protection up
as soon as there is another node. If a service usually has one node, a second one means that a deployment is under way,
and then the hand-over at the drain does the work of the protection. Protection lasts minutes and is renewed, so a node
that hangs loses it. If somebody takes the protection away by hand, the node does not ask for it again until it has
become quiet once.
"""

import asyncio
from collections.abc import Callable
from typing import Final

from websocket_handler.ports.clock import Clock
from websocket_handler.ports.task_protection import ProtectionUnavailable, TaskProtection
from websocket_handler.telemetry.counters import Counters

LOOK_INTERVAL_S: Final = 5.0
PROTECTION_MINUTES: Final = 10
RENEW_AFTER_S: Final = 180.0
"""Protection is renewed this long after it began, so that several renewals may fail before it expires."""
RELEASE_SHARE: Final = 0.8
"""The node gives protection up below this share of the threshold. So a number of connections that moves around the
threshold does not switch it on and off."""


class ScaleInProtection:
    """Protects the node from `threshold` connections on; 0 means never. `has_peers` tells if there is another node."""

    def __init__(
        self,
        protection: TaskProtection,
        threshold: int,
        connections: Callable[[], int],
        has_peers: Callable[[], bool],
        clock: Clock,
        counters: Counters,
        report: Callable[[str, dict[str, object]], None],
    ) -> None:
        self._protection = protection
        self._threshold = threshold
        self._connections = connections
        self._has_peers = has_peers
        self._clock = clock
        self._counters = counters
        self._report = report
        self._turn = asyncio.Lock()
        self._may_hold = False
        """True from the request until a release that succeeded, even if the answer to the request was lost."""
        self._expires_at: float | None = None
        """The monotonic second at which the last confirmed protection expires."""
        self._renew_at = 0.0
        self._is_waived = False
        self._is_over = False
        self._is_down = False

    @property
    def is_on(self) -> bool:
        """True if the operator wants protection."""
        return self._threshold > 0

    async def run(self) -> None:
        """Protect or release the node as connections come and go, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_INTERVAL_S)

    async def look(self) -> None:
        """Protect or release the node, as the number of connections demands. A failure is reported once, counted, and
        tried again at the next look."""
        async with self._turn:
            if not self._threshold:
                return
            try:
                if self._is_wanted():
                    await self._hold()
                elif self._may_hold:
                    await self._release()
            except ProtectionUnavailable as fault:
                self._counters.scale_in_protections["failed"] += 1
                self._tell_state(is_down=True, reason=str(fault))
            else:
                self._tell_state(is_down=False, reason="")

    async def end(self) -> None:
        """The node is going away: release it, and never protect it again. This takes at most as long as one call, and
        another one that may be under way."""
        self._is_over = True
        await self.look()

    def _is_wanted(self) -> bool:
        connections = self._connections()
        lowest = RELEASE_SHARE * self._threshold
        if connections < lowest:
            self._is_waived = False
        if self._is_over or self._is_waived or self._has_peers():
            return False
        return connections >= (lowest if self._may_hold else self._threshold)

    async def _hold(self) -> None:
        now = self._clock.monotonic()
        is_new = self._expires_at is None or now >= self._expires_at
        if not is_new:
            if now < self._renew_at:
                return
            if not await self._protection.is_protected():
                self._waive()
                return
        self._may_hold = True
        await self._protection.protect(PROTECTION_MINUTES)
        self._expires_at = now + 60 * PROTECTION_MINUTES
        self._renew_at = now + RENEW_AFTER_S
        self._counters.scale_in_protections["protected" if is_new else "renewed"] += 1
        if is_new:
            self._report("scale_in.protected", {"connections": self._connections()})

    def _waive(self) -> None:
        """Somebody took the protection away before it expired."""
        self._may_hold, self._expires_at, self._is_waived = False, None, True
        self._counters.scale_in_protections["waived"] += 1
        self._report("scale_in.waived", {"connections": self._connections()})

    async def _release(self) -> None:
        await self._protection.release()
        self._may_hold, self._expires_at = False, None
        self._counters.scale_in_protections["released"] += 1
        self._report("scale_in.released", {"connections": self._connections()})

    def _tell_state(self, *, is_down: bool, reason: str) -> None:
        if is_down != self._is_down:
            self._is_down = is_down
            self._report(
                "dependency.down" if is_down else "dependency.up",
                {"dependency": self._protection.name, "reason": reason},
            )
