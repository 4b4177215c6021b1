"""The time by which requests are signed and credentials expire: AWS's, as far as its answers tell.

AWS refuses a request that was signed with a time that is minutes off, however often it is sent. The refusal has the
right time in it.
"""

import time
from collections.abc import Callable
from email.utils import parsedate_to_datetime
from typing import Final

SKEW_S_MIN: Final = 60.0
"""AWS accepts minutes of difference. If the clocks differ by less than this, the time was not the fault."""
_CODES: Final = frozenset(
    {
        "InvalidSignatureException",
        "RequestExpired",
        "RequestInTheFuture",
        "RequestTimeTooSkewed",
        "SignatureDoesNotMatch",
    }
)


class AwsClock:
    """`own` is our clock: seconds since the epoch."""

    def __init__(self, own: Callable[[], float] = time.time) -> None:
        self._own = own
        self.skew_s = 0.0
        """By how many seconds AWS's clock is ahead of ours."""

    def now(self) -> float:
        """Seconds since the epoch."""
        return self._own() + self.skew_s

    def was_wrong(self, code: str, date: str, skew_s: float) -> bool:
        """True if AWS refused a request because of its time; then this clock is right now, and the request can be sent
        again. `code` and `date` are the refusal's, `skew_s` is what `skew_s` was when the request was signed."""
        if code not in _CODES:
            return False
        try:
            found_s = parsedate_to_datetime(date).timestamp() - self._own()
        except ValueError:
            return False
        if abs(found_s - skew_s) < SKEW_S_MIN:
            return False
        self.skew_s = found_s
        return True
