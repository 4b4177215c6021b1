"""The client without its sockets: what comes in, and the time, decide what is done next."""

from typing import Any, Final

from websocket_handler_client.core.connecting import Connecting
from websocket_handler_client.core.effects import Answered, Broadcast, Effect, Send, Unfollowed
from websocket_handler_client.core.endings import wait_s_of
from websocket_handler_client.core.following import BrokenOrderError, Follow, PartlyKnownError
from websocket_handler_client.core.instant import Instant
from websocket_handler_client.core.link import Link
from websocket_handler_client.core.messages import Kind, Message, kind_of, read
from websocket_handler_client.core.position import Position
from websocket_handler_client.core.token_life import read_time
from websocket_handler_client.errors import RefusedError

AWAY: Final = ("waiting", "stopped", "closed")


class Core(Connecting):
    """One client: what goes over its links. Every public method takes the time and returns what to do, in order."""

    # What the program asks for

    def follow(self, project_id: str, start: dict[str, Any], now: Instant) -> list[Effect]:
        """Follow a project from `start`: `since`, `rewind`, `from` or nothing."""
        if self._end is not None:
            self._do(Unfollowed(project_id, self._end))
            return self._done()
        self._following.projects[project_id] = Follow(project_id, start)
        if self._main is not None:
            self._subscribe(self._main, project_id)
        self._start(now)
        return self._done()

    def begin_at(self, project_id: str, start: dict[str, Any], now: Instant) -> list[Effect]:
        """Follow a project that is followed already from another place on: a reader has come that is further back."""
        if project_id in self._following.projects:
            self._unsubscribe(project_id)
        return self.follow(project_id, start, now)

    def divide(self, project_id: str, start: dict[str, Any]) -> list[Effect]:
        """Follow a project from `start`, and let nothing come joined: a reader has a part of what came joined."""
        self._unsubscribe(project_id)
        self._following.projects[project_id] = Follow(project_id, start, is_dense=True)
        if self._main is not None:
            self._subscribe(self._main, project_id)
        return self._done()

    def unfollow(self, project_id: str, now: Instant) -> list[Effect]:
        """Follow a project no longer."""
        if self._following.projects.pop(project_id, None) is not None:
            self._unsubscribe(project_id)
            self._retire_others(now)
        return self._done()

    def pause(self, project_id: str) -> list[Effect]:
        """A reader is too slow: take nothing further of this project for now."""
        follow = self._following.projects.get(project_id)
        if follow is not None and not follow.is_paused:
            follow.is_paused = True
            self._unsubscribe(project_id)
        return self._done()

    def resume(self, project_id: str) -> list[Effect]:
        """The readers have caught up: go on where they stand."""
        follow = self._following.projects.get(project_id)
        if follow is not None and follow.is_paused:
            follow.is_paused = False
            if self._main is not None:
                self._subscribe(self._main, project_id)
        return self._done()

    def position(self, project_id: str) -> Position | None:
        """Behind the last update of a project; None before the first confirmation."""
        follow = self._following.projects.get(project_id)
        return None if follow is None else follow.position

    def call(self, fields: dict[str, Any], timeout_s: float, wait_s: float, now: Instant) -> tuple[int, list[Effect]]:
        """Send a command and await its reply for `timeout_s`. Without a connection, wait for one for `wait_s`; the very
        first one is always waited for. Returns the call's number."""
        call = self._calls.add(fields, timeout_s, wait_s, now)
        self._start(now)
        if self._end is not None:
            self._fail(call.number, self._end)
        elif self._main is not None:
            self._do(Send(self._main.number, self._calls.text_for(call, self._main)))
        elif self.state.name in AWAY and wait_s <= 0:
            self._fail(call.number, self._away())
        return call.number, self._done()

    def abandon(self, call: int) -> list[Effect]:
        """Nobody awaits this call any more."""
        self._calls.open.pop(call, None)
        return self._done()

    # What the sockets tell

    def received(self, number: int, text: str | bytes, now: Instant) -> list[Effect]:
        """A message came."""
        link = self.links.get(number)
        if link is None:
            return []
        link.heard_at_s, link.pong_until_s = now.s, None
        message = read(text)
        if message is None:
            return []
        try:
            if "offset" in message and "epoch" not in message:  # a publication: the hot path
                update = self._following.publication(link, message)
                return [] if update is None else [update]
            if kind_of(message) is Kind.BROADCAST:
                return [Broadcast(message)]
            self._take(link, message, now)
            self._retire_others(now)
        except PartlyKnownError as known:
            return self.divide(known.project_id, self._following.projects[known.project_id].fields())
        except (BrokenOrderError, KeyError, TypeError) as fault:
            self._drop(link, f"the gateway broke the protocol: {fault!r}", now)
        return self._done()

    def _take(self, link: Link, message: Message, now: Instant) -> None:
        """A reply or a push."""
        command_id = message.get("id")
        type_: str = message["type"]
        match type_:
            case "subscription_confirmed":
                self._confirmed(link, message)
            case "subscription_reset":
                self._effects += self._following.reset(link, message, self._others(link))
                self._snapshot_again(message["project_id"])
            case "snapshot":
                self._effects += self._following.snapshot(link, message)
            case "reconnect":
                self._come_back(link, message["after_ms"] / 1000, now)
            case "unsubscription_confirmed" if command_id is None:
                self._not_permitted(message["project_id"])
            case "token_expiring":
                self._tokens.hurry(now)
            case "authenticated":
                self._tokens.set_end(read_time(message.get("expires_at")), now)
            case "error":
                self._error(link, message, now)
            case _:
                call = link.calls.pop(str(command_id), None)
                if call is not None and self._calls.open.pop(call, None) is not None:
                    self._do(Answered(call, message))

    def _others(self, link: Link) -> list[Link]:
        return [other for other in self.links.values() if other is not link]

    def _come_back(self, link: Link, after_s: float, now: Instant) -> None:
        """The gateway hands the client over: come back whatever close code follows."""
        link.come_back_at_s = now.s + after_s
        if link is self._main and not self._is_opening():
            self._dial_at_s = link.come_back_at_s

    # Subscriptions

    def _confirmed(self, link: Link, message: Message) -> None:
        project_id = link.asked.pop(str(message.get("id")), None)
        if project_id in self._following.projects:
            self._effects += self._following.confirmed(link, message, self._others(link))
            if not message["recovered"]:
                self._snapshot_again(project_id)

    def _snapshot_again(self, project_id: str) -> None:
        """After a reset: a project that began with a snapshot begins with another one."""
        follow = self._following.projects.get(project_id)
        if follow is not None and follow.awaits_snapshot:
            self._unsubscribe(project_id)
            if self._main is not None:
                self._subscribe(self._main, project_id)

    def _not_permitted(self, project_id: str) -> None:
        self._give_up(project_id, RefusedError("forbidden", "the new token no longer permits this project"))

    def _give_up(self, project_id: str, error: RefusedError) -> None:
        if self._following.projects.pop(project_id, None) is not None:
            self._unsubscribe(project_id)
            self._do(Unfollowed(project_id, error))

    def _unsubscribe(self, project_id: str) -> None:
        for link in self.links.values():
            is_there = project_id in link.confirmed or project_id in link.asked.values()
            link.forget_project(project_id)
            if is_there and link.is_open and link.closing_until_s is None:
                self._command(link, {"action": "unsubscribe", "project_id": project_id}, "u")

    # Errors

    def _error(self, link: Link, message: Message, now: Instant) -> None:
        command_id = str(message.get("id"))
        error = RefusedError(message["code"], message["message"], retryable=message["retryable"])
        if command_id in link.calls:
            self._call_refused(link.calls.pop(command_id), error, wait_s_of(message), now)
        elif command_id in link.asked:
            self._subscribe_refused(link.asked.pop(command_id), error, wait_s_of(message), now)
        elif command_id.startswith("t"):
            self._tokens.fail(self._chance(), now)  # the old token still counts

    def _call_refused(self, number: int, error: RefusedError, wait_s: float | None, now: Instant) -> None:
        """Plan another try if one may help and there is time for it; otherwise the call has failed."""
        call = self._calls.open.get(number)
        if call is None:
            return
        call.link = None
        call.retry_at_s = now.s + (self._pause_s(call.attempt) if wait_s is None else wait_s)
        call.attempt += 1
        if not error.retryable or call.retry_at_s >= call.deadline_s:
            self._fail(number, error)

    def _subscribe_refused(self, project_id: str, error: RefusedError, wait_s: float | None, now: Instant) -> None:
        follow = self._following.projects.get(project_id)
        if follow is None:
            return
        if not error.retryable:
            self._give_up(project_id, error)
            return
        follow.retry_at_s = now.s + (self._pause_s(follow.attempt) if wait_s is None else wait_s)
        follow.attempt += 1
