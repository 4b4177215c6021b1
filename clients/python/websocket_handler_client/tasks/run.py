"""The run of a task: what AG-UI clients see of it, from its beginning to its end.

A run begins once and ends once, whoever says so: the gateway, which starts it, this agent, or another try of the same
task. All of them use the same number for it, and the first to say it wins. Nothing that was opened in a run stays open
behind its end, because AG-UI clients stop there.
"""

import json
from collections.abc import AsyncIterable
from typing import Any, Final

from websocket_handler_client.tasks.envelope import Facts
from websocket_handler_client.tasks.voice import Voice

ALIVE: Final = "wsh.alive"
"""The `name` of the CUSTOM event that keeps the lease of a run."""
QUEUED: Final = "wsh.queued"
"""The `name` of the CUSTOM event that says that a run waits for an agent, and nobody has its lease."""
_ENDS: Final = {
    "TEXT_MESSAGE_START": ("TEXT_MESSAGE_END", "messageId"),
    "TOOL_CALL_START": ("TOOL_CALL_END", "toolCallId"),
    "REASONING_START": ("REASONING_END", "messageId"),
    "REASONING_MESSAGE_START": ("REASONING_MESSAGE_END", "messageId"),
    "STEP_STARTED": ("STEP_FINISHED", "stepName"),
    "SUBAGENT_STARTED": ("SUBAGENT_FINISHED", "subagentRunId"),
}
_THINGS: Final = dict(_ENDS.values()) | {"SUBAGENT_ERROR": "subagentRunId"}
_OPENED_BY: Final = {end: end for end, _ in _ENDS.values()} | {"SUBAGENT_ERROR": "SUBAGENT_FINISHED"}


def fields_of(event: Any) -> dict[str, Any]:
    """The fields of an event: a dict, or an object of a library that is built on pydantic. Raises TypeError."""
    if isinstance(event, dict):
        return event
    dump = getattr(event, "model_dump_json", None)
    if dump is None:
        raise TypeError(f"an AG-UI event is a dict or a pydantic object, not {type(event).__name__}")
    fields: dict[str, Any] = json.loads(dump(by_alias=True, exclude_none=True))
    return fields


class Run:
    """The run of one task. Its id is the task's id, and its thread is the project."""

    def __init__(self, voice: Voice, facts: Facts, receives: int = 1) -> None:
        self.run_id = facts.message_id
        self.attempt = 1
        """Which attempt at the run this is. It is another one if the gateway has ended the run before, because it heard
        nothing of its agent."""
        self._receives = receives
        self.has_begun = False
        self.is_over = False
        self._voice = voice
        self._thread = facts.project_id
        self._data = facts.data
        self._open: dict[tuple[str, str], None] = {}
        """What was opened and not closed, as the event that closes it, and its id."""

    @property
    def is_asked_for(self) -> bool:
        """True if an AG-UI client sent the task."""
        return isinstance(self._data, dict) and self._data.get("runId") == self.run_id

    async def begin(self) -> None:
        """Say that the run has begun. Doing it twice changes nothing."""
        if self.has_begun:
            return
        self.has_begun = True
        if self._receives > 1:
            again = {"type": "RUN_STARTED", **self._names(), "attempt": self._receives}
            if await self._voice.begin_again(again, self._receives):
                self.attempt = self._receives
                return
        event: dict[str, Any] = {"type": "RUN_STARTED", **self._names()}
        if self.is_asked_for and isinstance(self._data.get("messages"), list):
            given = {"messages": self._data["messages"], "state": {}, "tools": [], "context": [], "forwardedProps": {}}
            event["input"] = {**self._names(), **given}
        await self._voice.say_once(event, "started")

    async def pass_on(self, events: AsyncIterable[Any]) -> None:
        """Publish the events of an agent. Its own RUN_STARTED is left out. Its RUN_FINISHED or RUN_ERROR ends the run.
        Raises TypeError for what is no event, and what the agent raises."""
        await self.begin()
        async for event in events:
            fields = fields_of(event)
            if fields.get("type") in ("RUN_FINISHED", "RUN_ERROR"):
                await self.end(fields)
            elif fields.get("type") != "RUN_STARTED" and not self.is_over:
                await self.say(fields)

    async def say(self, fields: dict[str, Any]) -> None:
        """Publish one event of the run."""
        self._note(fields)
        await self._voice.say_in_run({**fields, **self._name()})

    async def keep_alive(self) -> None:
        """Keep the lease of the run, if it is under way. Raises ClientError if something could not be sent before."""
        if self.has_begun and not self.is_over:
            await self._voice.beat({"type": "CUSTOM", "name": ALIVE, "value": {}, **self._name()}, self._receives)

    async def give_back(self) -> None:
        """Say that the run, which is under way, waits for another try."""
        if self.has_begun and not self.is_over:
            event = {"type": "CUSTOM", "name": QUEUED, "value": {"runId": self.run_id}, **self._name()}
            await self._voice.say_once(event, f"queued:{self._receives}")

    async def end(self, fields: dict[str, Any]) -> None:
        """Close what is open, and say that the run is over, unless it is."""
        if not self.has_begun or self.is_over:
            return
        self.is_over = True
        for end, thing in list(reversed(self._open)):
            await self.say({"type": end, _THINGS[end]: thing})
        names = self._names() if fields["type"] == "RUN_FINISHED" else {}
        await self._voice.end_run({**fields, **names, **self._name()})

    async def finish(self, result: Any) -> None:
        """The work is done."""
        await self.end({"type": "RUN_FINISHED", **({} if result is None else {"result": result})})

    async def cancel(self) -> None:
        """Somebody stopped the work."""
        await self.end({"type": "RUN_FINISHED", "outcome": {"type": "cancelled"}})

    async def fail(self, reason: str) -> None:
        """The work failed, and nobody will try it again."""
        await self.end({"type": "RUN_ERROR", "message": reason, "code": "failed"})

    def _name(self) -> dict[str, Any]:
        return {"runId": self.run_id, **({"attempt": self.attempt} if self.attempt > 1 else {})}

    def _names(self) -> dict[str, Any]:
        return {"threadId": self._thread, "runId": self.run_id}

    def _note(self, fields: dict[str, Any]) -> None:
        type_ = fields.get("type", "")
        if type_ in _ENDS:
            end, thing = _ENDS[type_]
            self._open[end, str(fields.get(thing))] = None
        elif type_ in _THINGS:
            self._open.pop((_OPENED_BY[type_], str(fields.get(_THINGS[type_]))), None)
