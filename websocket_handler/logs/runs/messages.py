"""The messages of a project, as AG-UI clients build them from events: texts grow, tool calls join their message.

Their size as JSON is counted as they grow. What exceeds it pushes out the oldest finished messages.
"""

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from websocket_handler.logs.runs.limits import FoldLimits
from websocket_handler.logs.runs.open_runs import Key
from websocket_handler.logs.runs.vocabulary import Fields, Kind

_encode: Final = msgspec.json.encode
_PIECES: Final = 256
"""So many pieces of a growing text are joined to one."""


class Full(Exception):
    """A message, or all of them, would become larger than they may be. Nothing has changed."""


class Message:
    """One message, and how long it is as JSON."""

    __slots__ = ("data", "growing", "run_id", "size")

    def __init__(self, data: Fields, run_id: str | None) -> None:
        self.data = data
        self.run_id = run_id
        """The run that wrote it; None if a user did."""
        self.size = len(_encode(data))
        self.growing = 0
        """How many of its texts are growing. A message that grows is not dropped."""


class Text:
    """A text that grows: the content of a message, or the arguments of a tool call."""

    __slots__ = ("holder", "message", "name", "pieces")

    def __init__(self, message: Message, holder: Fields, name: str) -> None:
        self.message = message
        self.holder = holder
        self.name = name
        self.pieces: list[str] = []

    def join(self) -> None:
        """Write what came in into the message. Its size was counted before."""
        if self.pieces:
            before = self.holder.get(self.name)
            self.holder[self.name] = (before if type(before) is str else "") + "".join(self.pieces)
            self.pieces.clear()


class Messages:
    """The messages of one project, in their order."""

    __slots__ = ("_by_call", "_by_id", "_growing", "_limits", "list", "run_id", "size", "truncated")

    def __init__(self, limits: FoldLimits) -> None:
        self._limits = limits
        self.list: list[Message] = []
        self.run_id: str | None = None
        """The run that writes new messages."""
        self._by_id: dict[str, Message] = {}
        self._by_call: dict[str, tuple[Message, Fields]] = {}
        self._growing: dict[Key, Text | None] = {}
        self.size = 0
        """All messages as JSON, without what stands between them."""
        self.truncated = False
        """True if a message was dropped, or a part of one left out, because there was no space for it."""

    def data(self) -> list[Fields]:
        """The messages as AG-UI has them."""
        for text in self._growing.values():
            if text is not None:
                text.join()
        return [message.data for message in self.list]

    def find(self, message_id: str) -> Message | None:
        """The message with this id."""
        return self._by_id.get(message_id)

    def find_call(self, call_id: str) -> tuple[Message, Fields] | None:
        """A tool call, and the message that it is in."""
        return self._by_call.get(call_id)

    def add(self, data: Fields, after: Message | None = None) -> Message:
        """Add a message at the end, or behind another one. Raises Full."""
        message = Message(data, self.run_id)
        self._make_space(message.size, message)
        if after is None or after not in self.list:
            self.list.append(message)
        else:
            self.list.insert(self._behind(after), message)
        self._note(message)
        self._find_lost()
        return message

    def restore(self, messages: Iterable[Fields], writers: dict[str, str]) -> None:
        """Take over the messages of a snapshot, and the runs that wrote them."""
        self.replace_all((), {data["id"]: data for data in messages})
        for message in self.list:
            message.run_id = writers.get(message.data["id"])

    def replace_all(self, kept: Iterable[Message], new: dict[str, Fields]) -> None:
        """Put these messages in the place of all: those that are kept, with the new data where there is some of their
        id, then the other new ones. A new message that is too large is left out."""
        for text in self._growing.values():
            if text is not None:
                text.join()
        messages = [Message(new[each.data["id"]], each.run_id) if each.data["id"] in new else each for each in kept]
        known = {message.data["id"] for message in messages}
        messages += [Message(data, self.run_id) for message_id, data in new.items() if message_id not in known]
        fitting = [message for message in messages if message.size <= self._limits.message_bytes]
        self.truncated |= len(fitting) < len(messages)
        growing = list(self._growing)
        self.list, self.size = [], 0
        self._by_id.clear()
        self._by_call.clear()
        for message in fitting:
            message.growing = 0
            self.list.append(message)
            self._note(message)
        self._growing.clear()
        for key in growing:
            self.grow(key)
        for message in list(self._droppable(None)):
            if self.size <= self._limits.messages_bytes and len(self.list) <= self._limits.messages:
                break
            self._drop(message)

    def update(self, message: Message, target: Fields, changes: Fields) -> None:
        """Change fields of a message, or of a tool call in it. None removes a field. Raises Full."""
        for text in self._growing.values():
            if text is not None and text.message is message:
                text.join()
        changed = {name: value for name, value in {**target, **changes}.items() if value is not None}
        more = len(_encode(changed)) - len(_encode(target))
        self._make_space(more, message)
        target.clear()
        target.update(changed)
        message.size += more
        self.size += more

    def add_call(self, message: Message, call: Fields) -> None:
        """Add a tool call to a message. Raises Full."""
        self.update(message, message.data, {"toolCalls": [*message.data.get("toolCalls", ()), call]})
        self._by_call[call["id"]] = (message, call)
        self._find_lost()

    def become(self, message: Message, data: Fields) -> None:
        """Put an activity in the place of a message of another kind. Texts that grew in it are lost. Raises Full."""
        self.update(message, message.data, dict.fromkeys(message.data) | data)
        for key, text in self._growing.items():
            if text is not None and text.message is message:
                self._growing[key] = None
        message.growing = 0
        for call_id, (holder, _) in list(self._by_call.items()):
            if holder is message:
                del self._by_call[call_id]

    def grow(self, key: Key) -> None:
        """A text begins to grow, or goes on: that of the message or call that the key names, if one is there."""
        kind, thing, _ = key
        text = None
        if kind == Kind.CALL:
            found = self._by_call.get(thing)
            if found is not None:
                text = self._text(found[0], found[1]["function"], "arguments")
        else:
            message = self._by_id.get(thing)
            if message is not None and message.data["role"] != "activity":
                text = self._text(message, message.data, "content")
        self._growing[key] = text
        if text is not None:
            text.message.growing += 1

    def _find_lost(self) -> None:
        """What was open without a message may have one now."""
        for key in [key for key, text in self._growing.items() if text is None]:
            self.grow(key)

    def _text(self, message: Message, holder: Fields, name: str) -> Text:
        """The text that grows there. A text message and a reasoning message may have one id, and so one text."""
        if message.growing:
            for text in self._growing.values():
                if text is not None and text.holder is holder and text.name == name:
                    return text
        return Text(message, holder, name)

    def append(self, key: Key, delta: str) -> bool:
        """A piece of a growing text. Returns False if nothing grows under this key. Raises Full."""
        text = self._growing.get(key)
        if text is None:
            return False
        message, more = text.message, len(_encode(delta)) - 2
        if not text.pieces and type(text.holder.get(text.name)) is not str:
            before = text.holder.get(text.name)
            more += len(',"content":""') if before is None else 2 - len(_encode(before))
        self._make_space(more, message)
        message.size += more
        self.size += more
        text.pieces.append(delta)
        if len(text.pieces) > _PIECES:
            joined = "".join(text.pieces)
            text.pieces[:] = [joined]
        return True

    def is_lost(self, key: Key) -> bool:
        """True if something is open whose message is gone: clients have it open, too, and show nothing of it."""
        return key in self._growing and self._growing[key] is None

    def stop(self, key: Key) -> None:
        """A text grows no more."""
        text = self._growing.pop(key, None)
        if text is not None:
            text.join()
            text.message.growing -= 1

    def _make_space(self, more: int, message: Message) -> None:
        limits = self._limits
        is_new = message.data["id"] not in self._by_id
        if (message.size if is_new else message.size + more) > limits.message_bytes:
            self.truncated = True
            raise Full
        if self.size + more <= limits.messages_bytes and len(self.list) + is_new <= limits.messages:
            return
        droppable = list(self._droppable(message))
        freed = sum(each.size for each in droppable)
        if (
            self.size + more - freed > limits.messages_bytes
            or len(self.list) + is_new - len(droppable) > limits.messages
        ):
            self.truncated = True
            raise Full
        for each in droppable:
            if self.size + more <= limits.messages_bytes and len(self.list) + is_new <= limits.messages:
                break
            self._drop(each)

    def _droppable(self, keep: Message | None) -> Iterator[Message]:
        """Finished messages, the oldest ones first."""
        return (message for message in self.list if not message.growing and message is not keep)

    def _drop(self, message: Message) -> None:
        self.list.remove(message)
        self.size -= message.size
        self.truncated = True
        self._by_id.pop(message.data["id"], None)
        for call in message.data.get("toolCalls") or ():
            self._by_call.pop(call["id"], None)

    def _note(self, message: Message) -> None:
        self.size += message.size
        self._by_id[message.data["id"]] = message
        for call in message.data.get("toolCalls") or ():
            self._by_call[call["id"]] = (message, call)

    def _behind(self, message: Message) -> int:
        """The place behind a message and the results of its tools that stand there already."""
        place = self.list.index(message) + 1
        while place < len(self.list) and self.list[place].data["role"] == "tool":
            place += 1
        return place


def merged(target: Fields, fields: Fields) -> Fields:
    """The metadata of a message or of a tool call after those of an event, key by key."""
    return {**target.get("metadata", {}), **fields["metadata"]}
