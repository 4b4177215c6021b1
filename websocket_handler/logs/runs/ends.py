"""How runs ended: outcomes, what they still ask people (interrupts), and the tokens that they used."""

from typing import Final

import msgspec

from websocket_handler.logs.runs.limits import FoldLimits
from websocket_handler.logs.runs.vocabulary import DECIDED, Fields, attempt_of

_TEXT_MAX: Final = 1024
"""So much of an error's text is kept."""
_COUNTS: Final = ("inputTokens", "outputTokens", "totalTokens", "reasoningTokens", "cachedInputTokens")
_size: Final = msgspec.json.encode


class Ends:
    """The ended runs of one project, its open interrupts, and its use of models."""

    __slots__ = ("_limits", "ended", "interrupts", "interrupts_bytes", "usage")

    def __init__(self, limits: FoldLimits) -> None:
        self._limits = limits
        self.ended: dict[str, Fields] = {}
        """By run: its `outcome` (success, interrupt, cancelled, error), and `code` and `message` of an error."""
        self.interrupts: dict[str, Fields] = {}
        """By id: what AG-UI has in an interrupt, and the `runId`."""
        self.interrupts_bytes = 0
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

    def decided(self, fields: Fields) -> None:
        """A CUSTOM event: perhaps it says that an interrupt was answered."""
        if fields["name"] == DECIDED and isinstance(fields["value"], dict):
            self._answer(fields["value"].get("interruptId"))

    def finished(self, fields: Fields, offset: int) -> bool:
        """A run ended without an error. Returns False if there is no space for what it asks."""
        run_id, outcome = fields["runId"], fields.get("outcome") or {"type": "success"}
        kind = outcome["type"] if outcome["type"] in ("interrupt", "cancelled") else "success"
        self._note(run_id, {"outcome": kind, "offset": offset})
        self._count(fields)
        asked = outcome["interrupts"] if kind == "interrupt" else ()
        asked_all = True
        for interrupt in asked:
            asked_all = self._ask(run_id, interrupt) and asked_all
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
        self.interrupts[interrupt["id"]] = interrupt
        self.interrupts_bytes += len(_size(interrupt))

    def _ask(self, run_id: str, interrupt: Fields) -> bool:
        limits, interrupt = self._limits, {**interrupt, "runId": run_id}
        self._answer(interrupt["id"])
        has_space = (
            len(self.interrupts) < limits.interrupts
            and self.interrupts_bytes + len(_size(interrupt)) <= limits.interrupts_bytes
            and len(interrupt["id"].encode()) <= limits.id_bytes
        )
        if has_space:
            self.restore_interrupt(interrupt)
        return has_space

    def _answer(self, interrupt_id: object) -> None:
        if isinstance(interrupt_id, str) and interrupt_id in self.interrupts:
            self.interrupts_bytes -= len(_size(self.interrupts.pop(interrupt_id)))

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
