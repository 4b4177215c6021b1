"""One client's connection, as the server sees it: commands in, replies and pushes out, in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import hiredis

from tests.support.valkey_model.keyspace import Args
from tests.support.valkey_model.replies import Push, Refused, Reply, Simple, encoded

_INCOMPLETE: Final = object()


class Session:
    """Carries out its commands one after the other. While one of them waits, those behind it wait, too."""

    NOTHING: Final = Simple("nothing")
    """What a command returns that has no reply."""
    LATER: Final = Simple("later")
    """What a command returns whose reply comes with `unblock`."""

    def __init__(
        self, perform: Callable[[Session, Args], Reply], write: Callable[[bytes], None], close: Callable[[], None]
    ) -> None:
        self.version = 2
        """The version of RESP."""
        self.channels: dict[bytes, None] = {}
        self.wrote_at = 0
        """The number of the last change that this client made."""
        self.close = close
        self._perform = perform
        self._write = write
        self._reader = hiredis.Reader(notEnoughData=_INCOMPLETE)
        self._waiting: deque[list[bytes]] = deque()
        self._is_blocked = False
        self._is_performing = False
        self._pushes: list[Push] = []
        """What was pushed during a command of this client: it comes behind the reply."""

    def feed(self, data: bytes) -> None:
        """Bytes of the client have arrived."""
        self._reader.feed(data)
        while (command := self._reader.gets()) is not _INCOMPLETE:
            assert isinstance(command, list)
            self._waiting.append(command)
        self._go_on()

    def _go_on(self) -> None:
        while self._waiting and not self._is_blocked:
            command = self._waiting.popleft()
            self._is_performing = True
            try:
                reply = self._perform(self, command)
            except Refused as fault:
                reply = fault
            self._is_performing = False
            if reply is self.LATER:
                self._is_blocked = True
            elif reply is not self.NOTHING:
                self._write(encoded(reply, self.version))
            pushes, self._pushes = self._pushes, []
            for message in pushes:
                self.push(message)

    def unblock(self, reply: Reply) -> None:
        """The command that waited has its reply."""
        self._is_blocked = False
        self._write(encoded(reply, self.version))
        self._go_on()

    def push(self, message: Push) -> None:
        """Send a message unasked."""
        if self._is_performing:
            self._pushes.append(message)
            return
        self._write(encoded(message, self.version))


@dataclass(frozen=True, eq=False)
class Waiting:
    """A WAIT that has no reply yet."""

    session: Session
    offset: int
    replicas: int
