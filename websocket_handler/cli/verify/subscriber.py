"""A client that follows one project through any number of reconnects, as the protocol tells every client to."""

from __future__ import annotations

import asyncio
from typing import Final

from websocket_handler.cli.verify.ledger import FOREIGN, Place
from websocket_handler.cli.verify.links import Dial, Link, Message, RefusedError, wait_s_of
from websocket_handler.cli.verify.run import Run
from websocket_handler.cli.verify.witness import Witness

CONFIRMATION_TIMEOUT_S: Final = 20.0
LEAVE_MAX_S: Final = 60.0
"""The longest that a client waits after a `reconnect` push."""


class Subscriber:
    """One client. `index` says which URL, token and project are its own; it goes to the next URL after a failure."""

    def __init__(self, run: Run, dial: Dial, index: int) -> None:
        plan = run.plan
        self._run = run
        self._dial = dial
        self._project_id = plan.project_ids[index % plan.projects]
        self._ledger = run.ledgers[self._project_id]
        self.witness = Witness(self._ledger, run.counts)
        self._token = plan.tokens[index % len(plan.tokens)] if plan.tokens else None
        self._turn = index // plan.projects
        self._folds = self._turn % 2 == 1
        """True if it asks for joined deltas: every second subscriber of a project does."""
        self._down_since: float | None = None
        self._target: Place | None = None
        self._leave_at: float | None = None
        self._failures = 0
        self._is_confirmed = False

    @property
    def is_live(self) -> bool:
        """True while its subscription is confirmed, and it has what was confirmed before that."""
        return self._is_confirmed and self._down_since is None

    @property
    def is_level(self) -> bool:
        """True while it has everything that is confirmed."""
        return self.witness.has_reached(self._ledger.head)

    async def run(self) -> None:
        """Follow, until cancelled."""
        while True:
            wait_s: float | None = None
            try:
                link = await self._dial(self._url, self._token, self._query)
                try:
                    await self._follow(link)
                finally:
                    self._ended()
                    await link.close()
            except RefusedError as refusal:
                self._run.refused(refusal, ever_worked=self.witness.position is not None)
                wait_s = refusal.wait_s
            self._turn += 1
            await self._run.pause(self._failures, wait_s)
            self._failures += 1

    @property
    def _url(self) -> str:
        urls = self._run.plan.urls
        return urls[self._turn % len(urls)]

    @property
    def _query(self) -> str:
        position = self.witness.position
        since = "" if position is None else f"&since={position.epoch}:{position.offset}"
        return f"project_id={self._project_id}{since}{'&fold=true' if self._folds else ''}"

    async def _follow(self, link: Link) -> None:
        """Take what comes, until the gateway asked to leave. Raises RefusedError."""
        self._leave_at = None
        deadline = self._now() + CONFIRMATION_TIMEOUT_S
        while True:
            until = self._leave_at if self._is_confirmed or self._leave_at is not None else deadline
            try:
                async with asyncio.timeout_at(until):
                    message = await link.receive()
            except TimeoutError:
                if self._leave_at is not None:
                    return
                raise RefusedError("no confirmation in time") from None
            try:
                self._take(message)
            except (KeyError, TypeError, ValueError) as fault:
                raise RefusedError("a message that makes no sense") from fault

    def _take(self, message: Message) -> None:
        kind = message.get("type")
        if "offset" in message and "epoch" not in message:
            self._publication(message)
            self._look()
        elif kind == "subscription_confirmed":
            self._confirmed(Place(message["epoch"], message["offset"]), recovered=message["recovered"])
        elif kind == "subscription_reset":
            self.witness.reset(Place(message["epoch"], message["offset"]))
            self._look()
        elif kind == "reconnect":
            self._leave_at = self._now() + min(message["after_ms"] / 1000, LEAVE_MAX_S)
        elif kind == "error":
            self._refused(message)

    def _publication(self, message: Message) -> None:
        """Take a publication, or deltas of others that came joined and go on right where the subscriber is. Anything
        else is one publication, and the witness finds what is wrong with it."""
        position, offset = self.witness.position, message["offset"]
        next_one = None if position is None else position.offset + 1
        if self._folds and offset != next_one and message.get("first_offset") == next_one:
            self.witness.joined(message["first_offset"], offset)
            return
        is_ours = message.get("run") == self._run.plan.run_id
        self.witness.shown(offset, message["n"] if is_ours else FOREIGN)

    def _confirmed(self, place: Place, *, recovered: bool) -> None:
        if self.witness.position is not None:
            self._run.counts.reconnects += 1
        self.witness.confirmed(place, recovered=recovered)
        head = self._ledger.head
        self._target = head if head is not None and head.epoch == place.epoch else None
        self._is_confirmed = True
        self._failures = 0
        self._look()

    def _refused(self, message: Message) -> None:
        code = str(message.get("code"))
        if not message.get("retryable"):
            self._run.give_up(f"a subscriber got the error {code}: {message.get('message')}")
        raise RefusedError(code, wait_s_of(message))

    def _ended(self) -> None:
        """It has no subscription any more."""
        self._is_confirmed = False
        if self._down_since is None and self.witness.position is not None:
            self._down_since = self._now()

    def _look(self) -> None:
        """Note the end of a recovery: it has everything that was confirmed when it was let in again."""
        if self._down_since is not None and self._is_confirmed and self._has_reached_target():
            self._run.recoveries_s.append(self._now() - self._down_since)
            self._down_since = None
        self._run.changed()

    def _has_reached_target(self) -> bool:
        position, target = self.witness.position, self._target
        return target is None or position is None or position.epoch != target.epoch or position.offset >= target.offset

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
