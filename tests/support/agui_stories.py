"""Made-up runs of agents: bytes become events of AG-UI. The same bytes tell the same story, fewer bytes a shorter one.

A story that is valid keeps to the rules of AG-UI: clients of both generations take it. A wild one does not.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import msgspec

Fields = dict[str, Any]
PIECES: Final = ("", "a", "Hello ", "é", "😀", '"', "\\", "\n", "a longer piece of text ", "\x00")
VALUES: Final[tuple[Any, ...]] = (None, True, False, 0, 1, -3, "x", "", [], {}, [1, 2], {"a": 1}, {"a": {"b": [1]}})
POINTERS: Final = ("", "/a", "/b", "/a/b", "/a/0", "/a/-", "/a/b/0", "/c~1d", "/c~0d", "/a/1")
ROLES: Final = ("assistant", "user", "system", "developer")


class Story:
    """A story while it is told."""

    def __init__(self, draws: bytes, *, is_valid: bool = True, runs: int = 1, has_subagents: bool = False) -> None:
        self._draws: Iterator[int] = iter(draws)
        self._is_valid = is_valid
        self._runs_max = runs
        self._has_subagents = has_subagents
        self.events: list[Fields] = []
        self._number = 0
        self._runs: list[str] = []
        self._run = ""
        self._open: dict[tuple[str, str], str] = {}
        self._closed: dict[str, list[str]] = {"text": [], "call": [], "reasoning": [], "span": []}
        self._chunked = ""

    def draw(self, below: int) -> int:
        """The next choice. The story ends when there are no more bytes."""
        return next(self._draws) % below

    def pick(self, among: Sequence[Any]) -> Any:
        return among[self.draw(len(among))]

    def tell(self) -> list[Fields]:
        """All events."""
        try:
            while True:
                self._go_on()
        except StopIteration:
            return self.events

    def _go_on(self) -> None:
        if not self._runs:
            self._start_run()
            return
        self._run = self.pick(self._runs)
        self.pick(self._steps())()

    def _steps(self) -> list[Callable[[], None]]:
        things = [self._text, self._text, self._text, self._call, self._call, self._reasoning, self._span, self._step]
        others = [self._result, self._state, self._delta, self._activity, self._activity_delta, self._encrypted]
        rare = [self._chunk, self._snapshot, self._custom, self._end_run, self._tool_chunk]
        more = [self._subagent] if self._has_subagents else []
        more += [self._start_run] if len(self._runs) < self._runs_max else []
        return [*things, *others, *rare, *more, *([] if self._is_valid else [self._nonsense, self._wrong])]

    def _say(self, event_type: str, **fields: Any) -> None:
        if self._chunked and event_type not in (
            "RAW",
            "ACTIVITY_SNAPSHOT",
            "ACTIVITY_DELTA",
            "REASONING_ENCRYPTED_VALUE",
        ):
            self._chunked = ""
        if self._runs_max > 1:
            fields["runId"] = self._run
        if self.draw(16) == 0:
            fields["metadata"] = {self.pick(("k", "l")): self.pick(VALUES)}
        self.events.append({"type": event_type, **fields})

    def _new(self, prefix: str) -> str:
        self._number += 1
        return f"{prefix}{self._number}"

    def _start_run(self) -> None:
        self._run = self._new("run")
        self._runs.append(self._run)
        fields: Fields = {}
        if self.draw(8) == 0:
            fields["input"] = {
                "threadId": "p",
                "runId": self._run,
                "messages": [{"id": self._new("q"), "role": "user", "content": "please"}],
                "tools": [],
                "context": [],
                "state": {},
                "forwardedProps": {},
            }
        self._say("RUN_STARTED", threadId="p", **fields, runId=self._run)

    def _end_run(self) -> None:
        if self.draw(3):
            return
        if self.draw(4) == 0:
            usage = {"usage": [{"model": self.pick(("m", "n")), "inputTokens": self.draw(100)}]} if self.draw(2) else {}
            self._say("RUN_ERROR", message="it failed", **usage)
        else:
            for (kind, thing), run in list(self._open.items()):
                if run == self._run and self._is_valid:
                    self._close(kind, thing)
            outcome = self.pick(
                (
                    {},
                    {"outcome": {"type": "success"}},
                    {"outcome": {"type": "interrupt", "interrupts": [self._interrupt()]}},
                )
            )
            self._say("RUN_FINISHED", threadId="p", **outcome, runId=self._run)
        self._runs.remove(self._run)
        self._open = {key: run for key, run in self._open.items() if run != self._run}

    def _interrupt(self) -> Fields:
        return {"id": self._new("i"), "reason": "approval"}

    def _opened(self, kind: str) -> list[str]:
        return [thing for (each, thing), run in self._open.items() if each == kind and run == self._run]

    def _thing(self, kind: str, prefix: str) -> tuple[str, str]:
        """What to do, and with which thing: open a new one or a closed one, go on with an open one, close it."""
        opened = self._opened(kind)
        act = self.draw(6)
        if not self._is_valid and act == 5:
            return self.pick(("open", "go_on", "close")), f"{prefix}{self.draw(4)}"
        if opened and act < 4:
            return "go_on", self.pick(opened)
        if opened and act == 4:
            return "close", self.pick(opened)
        if len(self._open) > 8:
            return "none", ""
        closed = [each for each in self._closed.get(kind, ()) if (kind, each) not in self._open]
        closed = closed if kind != "subagent" or not self._is_valid else []  # a subagent starts once
        return "open", self.pick(closed) if closed and self.draw(4) == 0 else self._new(prefix)

    def _close(self, kind: str, thing: str) -> None:
        names = {
            "text": ("TEXT_MESSAGE_END", "messageId"),
            "call": ("TOOL_CALL_END", "toolCallId"),
            "reasoning": ("REASONING_MESSAGE_END", "messageId"),
            "span": ("REASONING_END", "messageId"),
            "step": ("STEP_FINISHED", "stepName"),
            "subagent": ("SUBAGENT_FINISHED", "subagentRunId"),
        }
        event_type, field = names[kind]
        self._open.pop((kind, thing), None)
        self._closed.setdefault(kind, []).append(thing)
        self._say(event_type, **{field: thing})

    def _streamed(self, kind: str, prefix: str, open_it: Callable[[str], None], content: str, field: str) -> None:
        act, thing = self._thing(kind, prefix)
        if act == "open":
            self._open[(kind, thing)] = self._run
            open_it(thing)
        elif act == "close":
            self._close(kind, thing)
        elif act == "go_on":
            self._say(content, **{field: thing, "delta": self.pick(PIECES)})

    def _text(self) -> None:
        def open_it(thing: str) -> None:
            self._say("TEXT_MESSAGE_START", messageId=thing, role=self.pick(ROLES))

        self._streamed("text", "m", open_it, "TEXT_MESSAGE_CONTENT", "messageId")

    def _call(self) -> None:
        def open_it(thing: str) -> None:
            texts = [*self._closed["text"], *self._opened("text")]
            parent = {"parentMessageId": self.pick(texts)} if texts and self.draw(2) else {}
            self._say("TOOL_CALL_START", toolCallId=thing, toolCallName=self.pick(("find", "read")), **parent)

        self._streamed("call", "c", open_it, "TOOL_CALL_ARGS", "toolCallId")

    def _reasoning(self) -> None:
        def open_it(thing: str) -> None:
            self._say("REASONING_MESSAGE_START", messageId=thing, role="reasoning")

        self._streamed("reasoning", "t", open_it, "REASONING_MESSAGE_CONTENT", "messageId")

    def _span(self) -> None:
        act, thing = self._thing("span", "s")
        if act == "open":
            self._open[("span", thing)] = self._run
            self._say("REASONING_START", messageId=thing)
        elif act == "close":
            self._close("span", thing)

    def _step(self) -> None:
        act, thing = self._thing("step", "step")
        if act == "open":
            self._open[("step", thing)] = self._run
            self._say("STEP_STARTED", stepName=thing)
        elif act == "close":
            self._close("step", thing)

    def _subagent(self) -> None:
        act, thing = self._thing("subagent", "sub")
        if act == "open":
            parents = self._opened("subagent")
            parent = {"parentSubagentRunId": self.pick(parents)} if parents and self.draw(2) else {}
            self._open[("subagent", thing)] = self._run
            self._say("SUBAGENT_STARTED", subagentRunId=thing, name="child", **parent)
        elif act == "close":
            self._close("subagent", thing)

    def _result(self) -> None:
        calls = [*self._opened("call"), *self._closed["call"], "unknown"]
        self._say("TOOL_CALL_RESULT", messageId=self._new("r"), toolCallId=self.pick(calls), content=self.pick(PIECES))

    def _state(self) -> None:
        self._say("STATE_SNAPSHOT", snapshot=self.pick(VALUES))

    def _delta(self) -> None:
        self._say("STATE_DELTA", delta=[self._operation() for _ in range(self.draw(4))])

    def _operation(self) -> Fields:
        name = self.pick(("add", "add", "add", "replace", "remove", "test", "copy", "move"))
        operation: Fields = {"op": name, "path": self.pick(POINTERS)}
        if name in ("add", "replace", "test"):
            value = self.pick(VALUES)
            operation["value"] = (
                value if operation["path"] or name == "test" else [value]
            )  # nothing is added to a number
        if name in ("copy", "move"):
            operation["from"] = self.pick(POINTERS)
        return operation

    def _activity(self) -> None:
        replace = {"replace": bool(self.draw(2))} if self.draw(3) == 0 else {}
        content = self.pick(({}, {"a": 1}, {"a": [1, 2], "b": "x"}))
        thing = f"a{self.draw(3)}"
        self._say(
            "ACTIVITY_SNAPSHOT", messageId=thing, activityType=self.pick(("plan", "search")), content=content, **replace
        )

    def _activity_delta(self) -> None:
        operations = [self._operation() for _ in range(self.draw(3))]
        operations = [each for each in operations if each["path"]]  # the content of an activity stays an object
        self._say("ACTIVITY_DELTA", messageId=f"a{self.draw(3)}", activityType="plan", patch=operations)

    def _encrypted(self) -> None:
        things = [*self._closed["text"], *self._closed["reasoning"], *self._closed["call"], "unknown"]
        subtype = self.pick(("message", "tool-call"))
        self._say("REASONING_ENCRYPTED_VALUE", subtype=subtype, entityId=self.pick(things), encryptedValue="secret")

    def _chunk(self) -> None:
        thing = self._chunked or self._new("k")
        named = {} if self._chunked and self.draw(2) else {"messageId": thing}
        delta = {"delta": self.pick(PIECES)} if self.draw(4) else {}
        self._say("TEXT_MESSAGE_CHUNK", **named, **delta)
        self._chunked = thing if self._runs_max == 1 else ""

    def _tool_chunk(self) -> None:
        self._say("TOOL_CALL_CHUNK", toolCallId=self._new("kc"), toolCallName="find", delta=self.pick(PIECES))

    def _snapshot(self) -> None:
        if self.draw(3):
            return
        texts = [*self._closed["text"], *self._opened("text")]
        messages: list[Fields] = [{"id": thing, "role": "assistant", "content": "as saved"} for thing in texts[-4:]]
        if self.draw(2):
            call = {"id": self._new("c"), "type": "function", "function": {"name": "find", "arguments": "{}"}}
            messages.append({"id": self._new("m"), "role": "assistant", "toolCalls": [call]})
        if self.draw(4) == 0:
            messages.append({"id": self._new("t"), "role": "reasoning", "content": "thought"})
        self._say("MESSAGES_SNAPSHOT", messages=messages)

    def _custom(self) -> None:
        self._say(*("CUSTOM",), name="x", value=self.pick(VALUES[1:]))

    def _nonsense(self) -> None:
        """An event whose fields are wrong, or no event at all."""
        field = self.pick(("messageId", "delta", "toolCallId", "content", "snapshot", "messages", "runId", "timestamp"))
        names = (
            "TEXT_MESSAGE_CONTENT",
            "STATE_DELTA",
            "RUN_FINISHED",
            "MESSAGES_SNAPSHOT",
            "note",
            "THINKING_END",
            "RAW",
        )
        self.events.append({"type": self.pick(names), field: self.pick(VALUES)})

    def _wrong(self) -> None:
        """An event that is whole, and in the wrong place."""
        thing = self.pick(("m1", "m2", "m3", "c1", "c2", "a0", "run1"))
        event_type = self.pick(
            ("TEXT_MESSAGE_START", "TEXT_MESSAGE_END", "REASONING_MESSAGE_START", "REASONING_START", "RUN_STARTED",
             "RUN_FINISHED", "TEXT_MESSAGE_CHUNK", "THINKING_START", "THINKING_TEXT_MESSAGE_START", "THINKING_END")
        )  # fmt: skip
        fields: Fields = {"messageId": thing, "delta": "w", "role": "reasoning"} if "RUN" not in event_type else {}
        if "MESSAGE_START" in event_type and "TEXT" in event_type:
            fields["role"] = "assistant"
        self.events.append({"type": event_type, **fields, **({"threadId": "p", "runId": thing} if not fields else {})})


def payloads(events: Sequence[Fields]) -> list[bytes]:
    """The events as a log holds them: with project, offset and time."""
    return [
        msgspec.json.encode({**event, "project_id": "p", "offset": offset, "published_at": 1_700_000_000_000})
        for offset, event in enumerate(events, 1)
    ]
