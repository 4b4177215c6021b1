"""How runs ended: outcomes, what they still ask people (interrupts), and the tokens that they used."""

from typing import Final

import msgspec

from websocket_handler.logs.runs.limits import FoldLimits
from websocket_handler.logs.runs.vocabulary import ANSWERED, DECIDED, Fields, attempt_of

_TEXT_MAX: Final = 1024
"""So much of an error's text is kept."""
_COUNTS: Final = ("inputTokens", "outputTokens", "totalTokens", "reasoningTokens", "cachedInputTokens")
_size: Final = msgspec.json.encode


class Ends:
    """The ended runs of one project, its open interrupts, and its use of models."""

    __slots__ = ("_limits", "decisions", "ended", "interrupts", "interrupts_bytes", "usage")

    def __init__(self, limits: FoldLimits) -> None:
        self._limits = limits
        self.ended: dict[str, Fields] = {}
        """By run: its `outcome` (success, interrupt, cancelled, error), and `code` and `message` of an error."""
        self.interrupts: dict[str, Fields] = {}
        """By id: what AG-UI has in an interrupt, the `runId`, and as `askedOffset` where in the log it was asked."""
        self.interrupts_bytes = 0
        self.decisions: dict[str, Fields] = {}
        """By the id of an interrupt that was answered: the `runId` that asked, the `agent`, `by` whom and `at` what
        time it was decided, where it was `asked`, at which `offset` the answer stands, and `is_sent` once the agent's
        queue has it."""
        self.usage: dict[tuple[str, str], Fields] = {}
        """By provider and model: tokens, in AG-UI's names."""

    def started(self, fields: Fields) -> None:
        """A run started, perhaps once more. It answers interrupts if it says so, or if it goes on with the run that
        asked."""
        self.ended.pop(fields["runId"], None)
        for answer in (fields.get("input") or {}).get("resume") or ():
            if isinstance(answer, dict):
                self._answer(answer.get("interruptId"))
        parent = fields.get("parentRunId")
        for interrupt_id in [name for name, each in self.interrupts.items() if each["runId"] == parent]:
            self._answer(interrupt_id)

    def decided(self, fields: Fields, offset: int = 0) -> None:
        """A CUSTOM event: perhaps it says that an interrupt was answered, or that the agent's queue has the answer."""
        name, value = fields["name"], fields["value"]
        if not isinstance(value, dict):
            return
        interrupt_id = value.get("interruptId")
        if name == DECIDED:
            interrupt = self._answer(interrupt_id)
            if interrupt is not None:
                self._remember(interrupt, value, offset)
        elif name == ANSWERED and isinstance(interrupt_id, str) and interrupt_id in self.decisions:
            decision = self.decisions[interrupt_id]
            if value.get("asked", decision["asked"]) == decision["asked"]:  # else it was asked again meanwhile
                decision["is_sent"] = True

    def _remember(self, interrupt: Fields, value: Fields, offset: int) -> None:
        told = {name: _short(value.get(name)) for name in ("agent", "by", "at")}
        places = {"asked": interrupt["askedOffset"], "offset": offset}
        self.decisions[interrupt["id"]] = {"runId": interrupt["runId"], **told, **places, "is_sent": False}
        if len(self.decisions) > self._limits.decisions:
            sent = (name for name, each in self.decisions.items() if each["is_sent"])
            del self.decisions[next(sent, next(iter(self.decisions)))]

    def finished(self, fields: Fields, offset: int) -> bool:
        """A run ended without an error. Returns False if there is no space for what it asks."""
        run_id, outcome = fields["runId"], fields.get("outcome") or {"type": "success"}
        kind = outcome["type"] if outcome["type"] in ("interrupt", "cancelled") else "success"
        self._note(run_id, {"outcome": kind, "offset": offset})
        self._count(fields)
        asked = outcome["interrupts"] if kind == "interrupt" else ()
        asked_all = True
        for interrupt in asked:
            asked_all = self._ask(run_id, interrupt, fields.get("agent"), offset) and asked_all
        return asked_all

    def failed(self, run_id: str | None, fields: Fields, offset: int) -> None:
        """A run ended with an error."""
        if run_id is not None:
            end: Fields = {"outcome": "error", "offset": offset, "message": fields["message"][:_TEXT_MAX]}
            code, attempt = fields.get("code"), attempt_of(fields)
            end |= {} if code is None else {"code": code[:_TEXT_MAX]}
            self._note(run_id, end if attempt == 1 else end | {"attempt": attempt})
        self._count(fields)

    def restore_interrupt(self, interrupt: Fields) -> None:
        """Take over an interrupt of a snapshot."""
        interrupt.setdefault("askedOffset", 0)
        self.interrupts[interrupt["id"]] = interrupt
        self.interrupts_bytes += len(_size(interrupt))

    def _ask(self, run_id: str, interrupt: Fields, agent: object, offset: int) -> bool:
        limits, interrupt = self._limits, {**interrupt, "runId": run_id, "askedOffset": offset}
        if isinstance(agent, str):
            interrupt["agent"] = agent
        self._answer(interrupt["id"])
        self.decisions.pop(interrupt["id"], None)
        unsent = sum(not each["is_sent"] for each in self.decisions.values())
        has_space = (
            len(self.interrupts) < limits.interrupts
            and len(self.interrupts) + unsent < limits.decisions
            and self.interrupts_bytes + len(_size(interrupt)) <= limits.interrupts_bytes
            and len(interrupt["id"].encode()) <= limits.id_bytes
        )
        if has_space:
            self.restore_interrupt(interrupt)
        return has_space

    def _answer(self, interrupt_id: object) -> Fields | None:
        if not isinstance(interrupt_id, str) or interrupt_id not in self.interrupts:
            return None
        interrupt = self.interrupts.pop(interrupt_id)
        self.interrupts_bytes -= len(_size(interrupt))
        return interrupt

    def _note(self, run_id: str, end: Fields) -> None:
        self.ended.pop(run_id, None)
        self.ended[run_id] = end
        if len(self.ended) > self._limits.ended_runs:
            del self.ended[next(iter(self.ended))]

    def _count(self, fields: Fields) -> None:
        """Add up tokens. What has no space is not counted."""
        for each in fields.get("usage") or ():
            names = (each.get("provider") or "", each.get("model") or "")
            if names not in self.usage and (
                len(self.usage) >= self._limits.models
                or any(len(name.encode()) > self._limits.id_bytes for name in names)
            ):
                continue
            total = self.usage.setdefault(names, {})
            for count in _COUNTS:
                if each.get(count) is not None:
                    total[count] = total.get(count, 0) + each[count]


def _short(text: object) -> str:
    return text[:_TEXT_MAX] if isinstance(text, str) else ""
