"""Keeps one link to the gateway: opens it, comes back after cuts, follows a hand-over, and ends it.

The *main* link carries the commands. While a node hands the client over, a second one is opened beside it, and takes
its place once every project is confirmed there.
"""

import json
from collections.abc import Callable
from typing import Any

from websocket_handler_client.core.backoff import after_s, delay_s
from websocket_handler_client.core.calls import Calls
from websocket_handler_client.core.effects import (
    Abort,
    Close,
    Effect,
    Failed,
    FetchToken,
    Open,
    Send,
    StateChanged,
    Unfollowed,
)
from websocket_handler_client.core.endings import Next, Refusal, may_come_back
from websocket_handler_client.core.following import Following
from websocket_handler_client.core.instant import Instant
from websocket_handler_client.core.link import Link
from websocket_handler_client.core.options import Options
from websocket_handler_client.core.state import State
from websocket_handler_client.core.tokens import Tokens
from websocket_handler_client.errors import AwayError, ClientError, ClosedError, UnansweredError


class Connecting:
    """The links of a client. Every public method takes the time and returns what to do, in order."""

    def __init__(self, options: Options, chance: Callable[[], float], *, has_tokens: bool, folds: bool = False) -> None:
        self.options = options
        self._folds = folds
        self.state = State("idle")
        self.links: dict[int, Link] = {}
        self._following = Following()
        self._calls = Calls()
        self._tokens = Tokens(options, are_used=has_tokens)
        self._chance = chance
        self._main: Link | None = None
        self._link_count = 0
        self._command_count = 0
        self._dial_at_s: float | None = None
        self._is_dial_held = False
        """True while a handshake waits for a token."""
        self._attempt = 0
        self._reason = ""
        self._end: ClosedError | None = None
        self._effects: list[Effect] = []

    # What the program asks for

    def start(self, now: Instant) -> list[Effect]:
        """Connect. Does nothing if the client has started."""
        self._start(now)
        return self._done()

    def close(self, now: Instant) -> list[Effect]:
        """End everything, for good."""
        self._stop(ClosedError("closed", "the client was closed"))
        return self._done()

    # What the sockets tell

    def opened(self, number: int, now: Instant) -> list[Effect]:
        """A handshake has succeeded."""
        link = self.links.get(number)
        if link is None:
            self._do(Abort(number))
            return self._done()
        link.opened(now)
        before, self._main = self._main, link
        if before is not None:
            before.retire_at_s = now.s + self.options.closing_s
        for project_id, follow in self._following.projects.items():
            follow.is_dense = False
            self._subscribe(link, project_id)
        self._send_calls(now)
        self._retire_others(now)
        return self._done()

    def refused(self, number: int, refusal: Refusal, now: Instant) -> list[Effect]:
        """A handshake got an HTTP error."""
        if self.links.pop(number, None) is None:
            return []
        self._reason = f"{refusal.code}: {refusal.message}"
        if refusal.next is Next.RENEW and self._tokens.refused():
            self._dial(now)
        elif refusal.next is Next.RETRY:
            self._dial_later(now, self._wait_s(refusal))
        else:
            self._stop(ClosedError(refusal.code, refusal.message))
        return self._done()

    def closed(self, number: int, code: int | None, now: Instant, reason: str = "") -> list[Effect]:
        """A socket has ended, or could not be opened. `code` is None if there was no close frame."""
        link = self.links.pop(number, None)
        if link is not None:
            self._lost(link, code, reason or f"the connection ended with code {code}", now)
        return self._done()

    # What the token provider tells

    def token(self, fetch: int, token: str, now: Instant) -> list[Effect]:
        """The provider gave a token. An answer that comes too late is not looked at."""
        if fetch == self._tokens.fetch:
            self._tokens.take(token, now)
            if self._is_dial_held:
                self._is_dial_held = False
                self._open(now)
            elif self._main is not None:
                self._command(self._main, {"action": "authenticate", "token": token}, "t")
        return self._done()

    def token_failed(self, fetch: int, reason: str, now: Instant, *, is_final: bool = False) -> list[Effect]:
        """The provider raised. It is asked again after a pause, unless there will never be a token."""
        if fetch == self._tokens.fetch:
            self._token_failed(reason, now, is_final=is_final)
        return self._done()

    # Time

    def next_timer(self, now: Instant) -> float | None:
        """When to call `timer`, on the monotonic clock. A message with a publication never makes it earlier."""
        times = [self._dial_at_s, self._tokens.deadline_s, self._calls.due_s()]
        if self._main is not None:
            times.append(self._tokens.refresh_at_s(now))
            times += [follow.retry_at_s for follow in self._following.projects.values()]
        times += [link.due_s(self.options.silence_s) for link in self.links.values()]
        return min((time for time in times if time is not None), default=None)

    def timer(self, now: Instant) -> list[Effect]:
        """Do what is due."""
        for link in list(self.links.values()):
            self._tend(link, now)
        self._tend_token(now)
        if self._dial_at_s is not None and self._dial_at_s <= now.s:
            self._dial(now)
        for call in list(self._calls.open.values()):
            if call.deadline_s <= now.s:
                self._fail(call.number, UnansweredError() if call.was_sent else self._away())
        self._send_calls(now)
        self._subscribe_again(now)
        return self._done()

    # Effects

    def _do(self, effect: Effect) -> None:
        self._effects.append(effect)

    def _fail(self, call: int, error: ClientError) -> None:
        if self._calls.open.pop(call, None) is not None:
            self._do(Failed(call, error))

    def _away(self) -> AwayError:
        """There is no connection, and this is why."""
        reason = f": {self._reason}" if self._reason else ""
        return AwayError(f"there is no connection to the gateway{reason}")

    def _command(self, link: Link, fields: dict[str, Any], prefix: str) -> str:
        """Send a command of the client's own. Returns its id."""
        self._command_count += 1
        command_id = f"{prefix}{self._command_count}"
        self._do(Send(link.number, json.dumps({**fields, "id": command_id}, separators=(",", ":"))))
        return command_id

    def _subscribe(self, link: Link, project_id: str) -> None:
        """Ask for a project on a link, unless a reader is too slow or a pause is not over."""
        follow = self._following.projects[project_id]
        if follow.is_paused or follow.retry_at_s is not None:
            return
        link.forget_project(project_id)
        fields = {"action": "subscribe", "project_id": project_id, **follow.fields()}
        if self._folds:
            fields["fold"] = not follow.is_dense
        link.asked[self._command(link, fields, "s")] = project_id

    def _subscribe_again(self, now: Instant) -> None:
        """Ask again for the projects whose pause is over."""
        for follow in self._following.projects.values():
            if self._main is not None and follow.retry_at_s is not None and follow.retry_at_s <= now.s:
                follow.retry_at_s = None
                self._subscribe(self._main, follow.project_id)

    def _send_calls(self, now: Instant) -> None:
        if self._main is not None:
            for call in self._calls.unsent(now):
                self._do(Send(self._main.number, self._calls.text_for(call, self._main)))

    def _pause_s(self, attempt: int) -> float:
        return delay_s(attempt, self._chance(), self.options.backoff_base_s, self.options.backoff_max_s)

    # Connecting

    def _start(self, now: Instant) -> None:
        if self._link_count == 0 and not self._is_dial_held and self._dial_at_s is None and self._end is None:
            self._dial(now)

    def _is_opening(self) -> bool:
        return any(not link.is_open for link in self.links.values())

    def _dial(self, now: Instant) -> None:
        self._dial_at_s = None
        if self._is_opening() or self._is_dial_held:
            return
        if not self._tokens.is_old(now):
            self._tokens.reuse()
            self._open(now)
            return
        self._is_dial_held = True
        if self._tokens.fetch is None:
            self._do(FetchToken(self._tokens.begin(now)))

    def _open(self, now: Instant) -> None:
        self._link_count += 1
        self.links[self._link_count] = Link(self._link_count, now.s + self.options.opening_s)
        self._do(Open(self._link_count, self._tokens.value))

    def _wait_s(self, refusal: Refusal) -> float | None:
        """How long a refusal asks to wait; None if it does not say."""
        if refusal.wait_s is None or refusal.is_exact:
            return refusal.wait_s
        return after_s(refusal.wait_s, self._chance())

    def _dial_later(self, now: Instant, wait_s: float | None = None) -> None:
        """Plan the next try, and fail the calls that do not want to wait for it."""
        self._dial_at_s = now.s + (self._pause_s(self._attempt) if wait_s is None else wait_s)
        self._attempt += 1
        if self._main is None:
            for call in list(self._calls.open.values()):
                if not call.was_sent and call.wait_until_s <= now.s:
                    self._fail(call.number, self._away())

    def _lost(self, link: Link, code: int | None, reason: str, now: Instant) -> None:
        """A link is gone. Go on with another, or come back, or stop."""
        self._calls.lost(link)
        if code == 4002:
            self._tokens.forget()
        if link.is_open and link is not self._main:
            self._send_calls(now)
            self._retire_others(now)
            return
        self._reason = reason
        if link is self._main:
            if now.s - link.opened_at_s >= self.options.steady_s:
                self._attempt = 0
            self._main = self._other_main()
            self._send_calls(now)
        if not self._is_opening() and not self._is_dial_held:
            self._go_on_after(link, code, reason, now)

    def _go_on_after(self, link: Link, code: int | None, reason: str, now: Instant) -> None:
        """Plan how to come back after a link that was the main one, or should have become it."""
        if link.come_back_at_s is not None:
            self._dial_at_s = max(now.s, link.come_back_at_s, self._dial_at_s or 0.0)
        elif self._main is None and link.is_open and not may_come_back(code, was_announced=False):
            self._stop(ClosedError(f"close_{code}", reason))
        else:
            self._dial_later(now)

    def _other_main(self) -> Link | None:
        """An older link that still works, if there is one."""
        for link in self.links.values():
            if link.is_open and link.closing_until_s is None:
                link.retire_at_s = None
                return link
        return None

    def _retire_others(self, now: Instant) -> None:
        """Close the links whose place another has taken, once nobody needs them."""
        for link in self.links.values():
            if link is self._main or not link.is_open or link.closing_until_s is not None:
                continue
            is_needed = bool(link.calls) or self._main is None or bool(self._main.asked)
            if not is_needed or (link.retire_at_s is not None and link.retire_at_s <= now.s):
                link.closing_until_s = now.s + self.options.closing_s
                link.confirmed.clear()
                self._do(Close(link.number))

    def _drop(self, link: Link, reason: str, now: Instant) -> None:
        """End a link that is of no use."""
        if self.links.pop(link.number, None) is not None:
            self._do(Abort(link.number))
            self._lost(link, None, reason, now)

    def _stop(self, error: ClosedError) -> None:
        if self._end is not None:
            return
        self._end, self._reason = error, error.message
        self._dial_at_s, self._is_dial_held, self._main = None, False, None
        self._tokens.stop()
        for link in self.links.values():
            self._do(Close(link.number) if link.is_open else Abort(link.number))
        self.links.clear()
        for call in list(self._calls.open):
            self._fail(call, error)
        for project_id in self._following.projects:
            self._do(Unfollowed(project_id, error))
        self._following.projects.clear()

    # What is due

    def _tend(self, link: Link, now: Instant) -> None:
        if not link.is_open:
            if link.opening_until_s <= now.s:
                self._drop(link, "the handshake took too long", now)
        elif link.closing_until_s is not None:
            if link.closing_until_s <= now.s:
                self._drop(link, "the closing handshake took too long", now)
        elif link.pong_until_s is not None:
            if link.pong_until_s <= now.s:
                self._drop(link, "the gateway is silent", now)
        elif link.heard_at_s + self.options.silence_s <= now.s:
            link.pong_until_s = now.s + self.options.pong_s
            self._command(link, {"action": "ping"}, "p")
        if link.retire_at_s is not None and link.retire_at_s <= now.s:
            self._retire_others(now)

    def _tend_token(self, now: Instant) -> None:
        if self._tokens.deadline_s is not None and self._tokens.deadline_s <= now.s:
            self._token_failed("the token provider did not answer in time", now, is_final=False)
        refresh_at_s = self._tokens.refresh_at_s(now)
        if self._main is not None and refresh_at_s is not None and refresh_at_s <= now.s:
            self._do(FetchToken(self._tokens.begin(now)))

    def _token_failed(self, reason: str, now: Instant, *, is_final: bool) -> None:
        self._tokens.fail(self._chance(), now)
        self._reason = reason
        if is_final and self._main is None:
            self._stop(ClosedError("unauthorized", reason))
        elif self._is_dial_held:
            self._is_dial_held = False
            self._dial_later(now)

    # State

    def _done(self) -> list[Effect]:
        """The effects so far, and the new state if it is another."""
        state = self._state()
        if state != self.state:
            self.state = state
            self._do(StateChanged(state))
        effects, self._effects = self._effects, []
        return effects

    def _state(self) -> State:
        if self._end is not None:
            return State("closed" if self._end.code == "closed" else "stopped", self._reason)
        if self._main is not None:
            return State("live")
        if self._is_opening():
            return State("connecting", self._reason)
        if self._is_dial_held:
            return State("authenticating", self._reason)
        if self._dial_at_s is not None:
            return State("waiting", self._reason, self._dial_at_s)
        return State("idle")
