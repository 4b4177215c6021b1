"""What a client shows of a project's runs that begins with a snapshot, or with the first entry of the log. It reads
objects, and shares no rule with the product."""

from typing import Any, Final

Event = dict[str, Any]
_TEXTS: Final = {"TEXT_MESSAGE": "messageId", "TOOL_CALL": "toolCallId"}


class Shown:
    """The runs of one project, as one client shows them."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        """The text of each message, and the arguments of each tool call, by their ids, the oldest first."""
        self.open: dict[str, list[str]] = {}
        """What is open in each open run, by their ids."""
        self.state: Any = None
        self.ended: dict[str, str] = {}
        """By the id of a run: how it ended."""
        self.asked: list[str] = []
        """The ids of what people are asked."""

    @property
    def all(self) -> Event:
        """All of it, to compare."""
        things = {run_id: sorted(each) for run_id, each in self.open.items()}
        texts = list(self.texts.items())
        return {"texts": texts, "open": things, "state": self.state, "ended": {**self.ended}, "asked": [*self.asked]}

    def begin(self, snapshot: Event) -> None:
        """Begin with a snapshot, as clients are told it."""
        self.texts = texts_of(snapshot["messages"])
        self.open = {run["run_id"]: [each["id"] for each in run["open"]] for run in snapshot["runs"]}
        self.state = snapshot.get("state")
        self.ended = {each["run_id"]: each["outcome"] for each in snapshot["ended"]}
        self.asked = [each["id"] for each in snapshot["interrupts"]]

    def see(self, entry: Event) -> None:
        """Go on with an entry of the log."""
        kind, run_id = str(entry["type"]), entry.get("runId")
        if kind == "CUSTOM":
            if entry["value"]["interruptId"] in self.asked:
                self.asked.remove(entry["value"]["interruptId"])
        elif kind == "RUN_STARTED":
            self.open.setdefault(entry["runId"], [])
            self.ended.pop(entry["runId"], None)
        elif run_id in self.open:
            self._see_in_run(kind, str(run_id), entry)

    def _see_in_run(self, kind: str, run_id: str, entry: Event) -> None:
        if kind in ("RUN_FINISHED", "RUN_ERROR"):
            del self.open[run_id]
            outcome = entry.get("outcome", {"type": "success" if kind == "RUN_FINISHED" else "error"})
            self.ended[run_id] = outcome["type"]
            self.asked += [each["id"] for each in outcome.get("interrupts", ()) if each["id"] not in self.asked]
        elif kind == "STATE_SNAPSHOT":
            self.state = entry["snapshot"]
        elif kind == "STATE_DELTA":
            added = {operation["path"][1:]: operation["value"] for operation in entry["delta"]}
            self.state = {**(self.state or {}), **added}
        else:
            thing, act = kind.rsplit("_", 1)
            self._see_text(self.open[run_id], entry[_TEXTS[thing]], act, entry)

    def _see_text(self, opened: list[str], thing: str, act: str, entry: Event) -> None:
        if act == "START" and not any(thing in each for each in self.open.values()):
            opened.append(thing)
            self.texts.setdefault(thing, "")
        elif act in ("CONTENT", "ARGS") and thing in opened:
            self.texts[thing] = self.texts.get(thing, "") + entry["delta"]
        elif act == "END" and thing in opened:
            opened.remove(thing)


def texts_of(messages: list[Event]) -> dict[str, str]:
    """The texts of messages as AG-UI has them, and the arguments of their tool calls."""
    texts: dict[str, str] = {}
    for message in messages:
        if "content" in message:
            texts[message["id"]] = message["content"]
        for call in message.get("toolCalls", ()):
            texts[call["id"]] = call["function"]["arguments"]
    return texts


class Truth:
    """What a client shows that has seen one log from its first entry on."""

    def __init__(self, entries: list[Event]) -> None:
        """`entries` may still grow."""
        self._entries = entries
        self._shown = Shown()
        self._at = [self._shown.all]

    def at(self, offset: int) -> Event:
        """What it shows behind the entry at an offset."""
        while len(self._at) <= offset:
            self._shown.see(self._entries[len(self._at) - 1])
            self._at.append(self._shown.all)
        return self._at[offset]
