"""Every time limit and maximum of a client, in one place."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """How long a client waits for what, in seconds, and how much it keeps."""

    opening_s: float = 10.0
    """The deadline of a handshake. No library of any language has one that holds in every case."""
    closing_s: float = 5.0
    """The deadline of a closing handshake, and of the last replies on a connection that is replaced."""
    token_s: float = 10.0
    """The deadline of the token provider."""
    silence_s: float = 25.0
    """After this time without any message the client sends a `ping`."""
    pong_s: float = 10.0
    """The deadline of the answer; then the connection counts as dead."""
    backoff_base_s: float = 1.0
    backoff_max_s: float = 20.0
    steady_s: float = 10.0
    """A connection that lived this long makes the next back-off begin at its base again."""
    refresh_at: float = 0.8
    """The share of its life after which a token is replaced."""
    buffer_updates: int = 1000
    """Updates that wait for one slow reader. Beyond it the client asks the gateway to stop, and resumes later."""

    def __post_init__(self) -> None:
        """Raises ValueError if a value is negative, or if nothing would be kept."""
        numbers = {name: getattr(self, name) for name in self.__dataclass_fields__}
        for name, number in numbers.items():
            if number < 0:
                raise ValueError(f"{name} is negative: {number}")
        if self.buffer_updates < 1:
            raise ValueError("buffer_updates is at least 1")
