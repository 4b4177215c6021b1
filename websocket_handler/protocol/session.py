"""The protocol state of one connection: which text it may send, and how much of it."""

from dataclasses import dataclass, field
from typing import Final

from websocket_handler.protocol.codec import decode_command
from websocket_handler.protocol.codes import CommandError, ErrorCode
from websocket_handler.protocol.messages import AnyCommand, Publish
from websocket_handler.protocol.rate import TokenBucket

PUBLISHING_FACTOR: Final = 10
"""How many times faster than its other commands a client may publish, unless the operator sets another rate."""
BURST_S: Final = 2
"""A client may spend this many seconds' worth of its rates at once."""


@dataclass(frozen=True, slots=True)
class SessionLimits:
    """What one client may send. A rate of 0 means no limit."""

    message_bytes: int = 65536
    commands_per_second: float = 100
    """The rate of all commands except the publications of a client that may publish."""
    bytes_per_second: float = 0
    publishes_per_second: float | None = None
    """None means `PUBLISHING_FACTOR` times the rate of the other commands."""
    publish_bytes_per_second: float | None = None
    is_unlimited: bool = field(init=False)
    """True if no kind of command has a rate."""

    def __post_init__(self) -> None:
        rates = (self.commands_per_second, self.bytes_per_second, *self.publishing_per_second)
        object.__setattr__(self, "is_unlimited", not any(rates))

    @property
    def publishing_per_second(self) -> tuple[float, float]:
        """How many publications per second a client may send, and how many bytes of them."""
        commands, octets = self.publishes_per_second, self.publish_bytes_per_second
        return (
            PUBLISHING_FACTOR * self.commands_per_second if commands is None else commands,
            PUBLISHING_FACTOR * self.bytes_per_second if octets is None else octets,
        )


class Session:
    """Turns the text of one connection into commands. It ends with the connection; a client resumes with its position.

    An agent that publishes the steps of its work sends more than a person at a browser. The gateway tells the two apart
    by what they do, because without authentication everybody has every right. So `publish` has rates of its own if the
    client may publish, and all other texts share the rates of commands.
    """

    __slots__ = ("_limits", "_others", "_publications", "may_publish")

    def __init__(self, limits: SessionLimits, now: float, *, may_publish: bool = False) -> None:
        self.may_publish = may_publish
        """True while the client has the right to publish."""
        self._limits = limits
        self._others: _Allowance | None = None
        self._publications: _Allowance | None = None

    def receive(self, text: bytes, now: float) -> AnyCommand:
        """The command in one whole message of the client. `now` is monotonic seconds.

        Raises CommandError: `rate_limited`, `message_too_large`, or an error of `decode_command`.
        """
        size = len(text)
        if self._limits.is_unlimited:
            if size > self._limits.message_bytes:
                raise self.too_large()
            return decode_command(text)
        self.check_rate(now, size)
        try:
            if size > self._limits.message_bytes:
                raise self.too_large()
            command = decode_command(text)
        except CommandError:
            self._spend(size, now, is_publication=False)
            raise
        self._spend(size, now, is_publication=self.may_publish and isinstance(command, Publish))
        return command

    def check_rate(self, now: float, size: float = 1.0) -> None:
        """Raises CommandError with `rate_limited` unless one more command would be accepted. It saves decompressing a
        command that would be refused."""
        if self._commanding(now).has(now, size):
            return
        if not (self.may_publish and self._publishing(now).has(now, size)):
            raise _rate_limited()

    def _spend(self, size: int, now: float, *, is_publication: bool) -> None:
        """Raises CommandError with `rate_limited` if nothing is left for this kind of command. A text that was read and
        then refused counts for the other kind, so that a client cannot make the gateway read more texts than both rates
        allow."""
        own = self._publishing(now) if is_publication else self._commanding(now)
        if not own.takes(now, size):
            other = self._commanding(now) if is_publication else self._publishing(now)
            other.takes(now, size)
            raise _rate_limited()

    def _commanding(self, now: float) -> "_Allowance":
        """The allowance for all commands but publications. It is made when the first command comes, because most
        connections only listen."""
        if self._others is None:
            limits = self._limits
            self._others = _Allowance(limits.commands_per_second, limits.bytes_per_second, limits.message_bytes, now)
        return self._others

    def _publishing(self, now: float) -> "_Allowance":
        """The allowance for publications. It is made when the first publication comes, because most clients never
        publish."""
        if self._publications is None:
            self._publications = _Allowance(*self._limits.publishing_per_second, self._limits.message_bytes, now)
        return self._publications

    def too_large(self) -> CommandError:
        """The answer to a message above the limit. The connection stays open if the stream is in step."""
        return CommandError(ErrorCode.MESSAGE_TOO_LARGE, f"a message has at most {self._limits.message_bytes} bytes")


class _Allowance:
    """How much of one kind may still come: commands, and their bytes."""

    __slots__ = ("_bytes", "_commands")

    def __init__(self, commands_per_second: float, bytes_per_second: float, message_bytes: int, now: float) -> None:
        self._commands = TokenBucket(commands_per_second, max(1, commands_per_second * BURST_S), now)
        self._bytes = TokenBucket(bytes_per_second, max(bytes_per_second * BURST_S, message_bytes), now)

    def has(self, now: float, size: float) -> bool:
        """True if one more command of `size` bytes may come."""
        return self._commands.has(now) and self._bytes.has(now, size)

    def takes(self, now: float, size: float) -> bool:
        """Take one command of `size` bytes if there is room for it."""
        return self.has(now, size) and self._commands.allows(now) and self._bytes.allows(now, size)


def _rate_limited() -> CommandError:
    return CommandError(ErrorCode.RATE_LIMITED, "too many commands or bytes per second; slow down and send it again")
