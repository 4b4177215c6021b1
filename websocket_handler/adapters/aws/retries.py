"""Tries calls of AWS again."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from websocket_handler.adapters.aws.errors import AwsError, Fault
from websocket_handler.ports.backoff import Backoff

Answer = TypeVar("Answer")


async def retried(
    attempt: Callable[[], Awaitable[Answer]],
    timeout_s: float,
    backoff: Backoff,
    may_retry: Callable[[], bool] = lambda: True,
    began: float | None = None,
) -> Answer:
    """Repeat `attempt` while its fault is transient and `may_retry` permits one more, for `timeout_s` seconds in total:
    from now on, or since the loop's time `began`.

    Raises the last attempt's AwsError. Safe to cancel where `attempt` is.
    """
    last: AwsError | None = None
    failures = 0
    try:
        async with asyncio.timeout_at((asyncio.get_running_loop().time() if began is None else began) + timeout_s):
            while True:
                try:
                    return await attempt()
                except AwsError as error:
                    if error.fault is not Fault.TRANSIENT or not may_retry():
                        raise
                    last = error
                await asyncio.sleep(backoff.delay_s(failures))
                failures += 1
    except TimeoutError:
        raise last or AwsError(Fault.TRANSIENT, "Timeout", f"no answer in {timeout_s:g} s") from None
