"""The first attempt of a call on the table, on the short way of `begun_call`: what the gate hears of it."""

from collections.abc import Callable

from websocket_handler.adapters.aws.begun_call import BegunCall
from websocket_handler.adapters.overload.gate import Gate
from websocket_handler.adapters.overload.lag import LoopLag


class FirstAttempt:
    """`ended` is called once. Then it has a result, or the call goes on in a coroutine: `Table.finish`."""

    __slots__ = ("_ended", "_gate", "began", "call", "measured", "timeout_s")

    def __init__(
        self, gate: Gate, lag: LoopLag, timeout_s: float, began: float, ended: "Callable[[FirstAttempt], None]"
    ) -> None:
        self.timeout_s = timeout_s
        self.began = began
        self.measured = lag.measured()
        """For how long the loop is late meanwhile."""
        self._gate = gate
        self._ended = ended
        self.call: BegunCall

    @property
    def has_result(self) -> bool:
        """True after a good answer."""
        return self.call.result is not None

    def call_ended(self, call: BegunCall) -> None:
        """For `call`: it has ended."""
        if call.result is not None:
            self._gate.answered(self.began, lag_s=self.measured.late_s(), is_failed=False)
            self.measured.end()
        ended = self._ended
        del self._ended  # as in `BegunCall`
        ended(self)

    def abandon(self) -> None:
        """Nobody waits for it any more."""
        self.call.abandon()
        self.measured.end()
