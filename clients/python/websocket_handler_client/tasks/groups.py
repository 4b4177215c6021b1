"""FIFO groups: one task of each is worked on at a time, in the order of the queue."""

from collections import deque

from websocket_handler_client.tasks.queue import Received


class Groups:
    """Which messages wait for one of their own group."""

    def __init__(self) -> None:
        self._waiting: dict[str, deque[Received]] = {}
        """A group is here while a message of it is worked on."""

    def may_begin(self, received: Received) -> bool:
        """True if the message may be worked on now. Otherwise it waits here."""
        if received.group is None:
            return True
        if received.group in self._waiting:
            self._waiting[received.group].append(received)
            return False
        self._waiting[received.group] = deque()
        return True

    def next_after(self, received: Received) -> Received | None:
        """The message that may begin now that this one is done; None if none waits."""
        if received.group is None:
            return None
        waiting = self._waiting[received.group]
        if waiting:
            return waiting.popleft()
        del self._waiting[received.group]
        return None

    def give_up(self, received: Received) -> list[Received]:
        """The messages that must not be worked on because this one, before them, is not done."""
        return list(self._waiting.pop(received.group, ())) if received.group is not None else []
