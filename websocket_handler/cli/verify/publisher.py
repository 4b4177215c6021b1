"""A client that publishes at a steady pace, and repeats each publication with its key until it is confirmed."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Final

from websocket_handler.cli.verify.ledger import Place
from websocket_handler.cli.verify.links import Dial, Link, Message, RefusedError, wait_s_of
from websocket_handler.cli.verify.run import Run

AT_ONCE_MAX: Final = 64
"""So many publications of a publisher wait for their confirmations. It begins no other one meanwhile."""
ANSWER_TIMEOUT_S: Final = 15.0
"""A connection on which no answer comes for so long counts as lost."""
GIVE_UP_S: Final = 240.0
"""A publication is not sent again after this time: a gateway remembers its key for 300 s."""
BEHIND_MAX_S: Final = 1.0
"""Who is later than this does not make up for it."""


@dataclass(slots=True)
class Waiting:
    """A publication without a confirmation. `send_at` is None while an answer is awaited."""

    begun_at: float
    sent_at: float
    send_at: float | None
    tries: int = 0


class Publisher:
    """One client. `index` says which URL, token and project are its own; it goes to the next URL after a failure."""

    def __init__(self, run: Run, dial: Dial, index: int, interval_s: float, first_at: float) -> None:
        """It publishes every `interval_s` seconds, from `first_at` of the loop's clock on."""
        plan = run.plan
        self._run = run
        self._dial = dial
        self._interval_s = interval_s
        self._project_id = plan.project_ids[index % plan.projects]
        self._ledger = run.ledgers[self._project_id]
        self._urls = plan.publish_urls or plan.urls
        self._token = plan.tokens[index % len(plan.tokens)] if plan.tokens else None
        self._turn = index // plan.projects
        self._due_at = first_at
        self._leave_at: float | None = None
        self._waiting: dict[int, Waiting] = {}
        self._failures = 0
        self._has_worked = False
        self.unconfirmed = 0
        """Publications that it gave up: nobody knows if they are in the log."""

    async def run(self) -> None:
        """Publish until the run is over, and repeat what is not confirmed, until cancelled."""
        while True:
            wait_s: float | None = None
            try:
                link = await self._dial(self._urls[self._turn % len(self._urls)], self._token)
                try:
                    await self._work(link)
                finally:
                    await link.close()
            except RefusedError as refusal:
                self._run.refused(refusal, ever_worked=self._has_worked)
                wait_s = refusal.wait_s
            self._turn += 1
            await self._run.pause(self._failures, wait_s)
            self._failures += 1

    def abandon(self) -> None:
        """Nothing more is awaited."""
        self.unconfirmed += len(self._waiting)
        self._waiting.clear()

    @property
    def waits(self) -> bool:
        """True while a publication is not confirmed."""
        return bool(self._waiting)

    async def _work(self, link: Link) -> None:
        """Publish over a link, until the gateway asked to leave. Raises RefusedError."""
        self._leave_at = None
        for waiting in self._waiting.values():
            waiting.send_at = self._now()
        while self._leave_at is None or self._now() < self._leave_at:
            now = self._now()
            self._forget(now)
            await self._send(link, now)
            try:
                async with asyncio.timeout_at(self._next_at(now)):
                    message = await link.receive()
            except TimeoutError:
                self._check_answers(self._now())
                continue
            try:
                self._take(message)
            except (KeyError, TypeError, ValueError) as fault:
                raise RefusedError("a message that makes no sense") from fault

    async def _send(self, link: Link, now: float) -> None:
        if not self._run.is_over.is_set():
            self._due_at = max(self._due_at, now - BEHIND_MAX_S)
            while self._due_at <= now and len(self._waiting) < AT_ONCE_MAX:
                self._due_at += self._interval_s
                self._waiting[self._ledger.new_number()] = Waiting(now, now, now)
        for number, waiting in list(self._waiting.items()):
            if waiting.send_at is not None and waiting.send_at <= now:
                self._run.retries += waiting.tries > 0
                waiting.tries += 1
                waiting.sent_at, waiting.send_at = now, None
                await link.send(self._command(number))

    def _command(self, number: int) -> Message:
        run_id = self._run.plan.run_id
        message = {"type": "verify", "run": run_id, "n": number}
        command = {"action": "publish", "id": str(number), "project_id": self._project_id, "message": message}
        return {**command, "key": f"{run_id}.{number}"}

    def _next_at(self, now: float) -> float:
        """When there is something to do, if no message comes."""
        times = [now + 1.0, *(waiting.send_at for waiting in self._waiting.values() if waiting.send_at is not None)]
        if not self._run.is_over.is_set() and len(self._waiting) < AT_ONCE_MAX:
            times.append(self._due_at)
        if self._leave_at is not None:
            times.append(self._leave_at)
        return min(times)

    def _take(self, message: Message) -> None:
        kind = message.get("type")
        if kind == "publish_confirmed":
            number = int(message["id"])
            if self._waiting.pop(number, None) is not None:
                self._ledger.confirm(number, Place(message["epoch"], message["offset"]))
            self._failures, self._has_worked = 0, True
            self._run.changed()
        elif kind == "reconnect":
            self._leave_at = self._now() + min(message["after_ms"] / 1000, ANSWER_TIMEOUT_S)
        elif kind == "error":
            self._refused(message)

    def _refused(self, message: Message) -> None:
        """A publication was refused: it is sent again later, unless that is of no use."""
        code = str(message.get("code"))
        self._run.refused(RefusedError(code), ever_worked=True)
        if not message.get("retryable"):
            self._run.give_up(f"a publisher got the error {code}: {message.get('message')}")
            return
        waiting = self._waiting.get(int(message.get("id") or -1))
        if waiting is not None:
            wait_s = wait_s_of(message)
            if wait_s is None:
                wait_s = self._run.random.uniform(0.05, min(2.0, 0.1 * 2 ** min(waiting.tries, 10)))
            waiting.send_at = self._now() + wait_s

    def _forget(self, now: float) -> None:
        old = [number for number, waiting in self._waiting.items() if now - waiting.begun_at > GIVE_UP_S]
        for number in old:
            del self._waiting[number]
        self.unconfirmed += len(old)

    def _check_answers(self, now: float) -> None:
        """Raises RefusedError if an answer is overdue."""
        if any(
            waiting.send_at is None and now - waiting.sent_at > ANSWER_TIMEOUT_S for waiting in self._waiting.values()
        ):
            raise RefusedError("no answer in time")

    def _now(self) -> float:
        return asyncio.get_running_loop().time()
