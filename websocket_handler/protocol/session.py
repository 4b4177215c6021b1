"""The protocol state of one connection: which text it may send, and how much of it."""

from dataclasses import dataclass
from typing import Final

from websocket_handler.protocol.codec import decode_command
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.messages import AnyCommand
from websocket_handler.protocol.rate import TokenBucket


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """What one client may send. A rate of 0 means no limit."""

    message_bytes: int = 65536
    commands_per_second: float = 100
    bytes_per_second: float = 0


BURST_S: Final = 2
"""A client may spend this many seconds' worth of its rates at once."""


class Session:
    """Turns the text of one connection into commands. Dies with the connection: resuming is by position."""

    __slots__ = ("_bytes", "_commands", "_limits")

    def __init__(self, limits: SessionLimits, now: float) -> None:
        self._limits = limits
        commands_burst = max(1, limits.commands_per_second * BURST_S)
        self._commands = TokenBucket(limits.commands_per_second, commands_burst, now)
        bytes_burst = max(limits.bytes_per_second * BURST_S, limits.message_bytes)
        self._bytes = TokenBucket(limits.bytes_per_second, bytes_burst, now)

    def receive(self, text: bytes, now: float) -> AnyCommand:
        """The command in one whole message of the client. `now` is monotonic seconds.

        Raises CommandError: `rate_limited`, `message_too_large`, or what `decode_command` finds.
        """
        if not (self._commands.allows(now) and self._bytes.allows(now, len(text))):
            raise _rate_limited()
        if len(text) > self._limits.message_bytes:
            raise self.too_large()
        return decode_command(text)

    def check_rate(self, now: float) -> None:
        """Raises CommandError with `rate_limited` unless one more command would be read. A compressed command is not
        unpacked if it would be refused anyway."""
        if not (self._commands.has(now) and self._bytes.has(now)):
            raise _rate_limited()

    def too_large(self) -> CommandError:
        """The answer to a message beyond the limit; the connection stays where the stream is in step."""
        return CommandError(ErrorCode.MESSAGE_TOO_LARGE, f"a message has at most {self._limits.message_bytes} bytes")


def _rate_limited() -> CommandError:
    return CommandError(ErrorCode.RATE_LIMITED, "too many commands or bytes per second; slow down and send it again")
