"""Asks Sentinels who the primary is, all of them at once: one that is away, or behind the others, does not decide."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final

import hiredis

from websocket_handler.adapters.valkey.connection import Reply
from websocket_handler.adapters.valkey.url import Address

ANSWER_S: Final = 1.0
"""How long the Sentinels together may take. Those that have not answered by then do not count."""


class NotNamed(Exception):
    """No Sentinel knows the primary. The text says what each of them answered."""


@dataclass(frozen=True, slots=True)
class Named:
    """The primary that most of those Sentinels name that answered."""

    address: Address
    is_agreed: bool
    """True if more than half of all Sentinels name it."""


class Sentinels:
    """The Sentinels of one primary."""

    def __init__(
        self, addresses: Sequence[Address], primary: str, ask: Callable[[Address, str], Awaitable[Reply]]
    ) -> None:
        """`primary` is what they call it. `ask` asks one of them for its address."""
        self._addresses = addresses
        self._primary = primary
        self._ask = ask

    async def named(self) -> Named:
        """The primary's address, as soon as more than half of them agree on it, or all have answered, or a second is
        over. Raises NotNamed."""
        loop = asyncio.get_running_loop()
        until = loop.time() + ANSWER_S
        asked = [loop.create_task(self._answer(address)) for address in self._addresses]
        try:
            while True:
                waiting = [task for task in asked if not task.done()]
                answers = [task.result() for task in asked if task.done()]
                votes = Counter(answer for answer in answers if isinstance(answer, Address)).most_common(1)
                is_agreed = bool(votes) and votes[0][1] > len(asked) / 2
                left_s = until - loop.time()
                if is_agreed or not waiting or left_s <= 0:
                    break
                await asyncio.wait(waiting, timeout=left_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in asked:
                task.cancel()
            await asyncio.gather(*asked, return_exceptions=True)
        if votes:
            return Named(votes[0][0], is_agreed)
        faults = [answer for answer in answers if isinstance(answer, str)]
        raise NotNamed("; ".join([*faults, *["a Sentinel does not answer"] * len(waiting)]))

    async def _answer(self, sentinel: Address) -> Address | str:
        """The address that one of them names, or why it names none."""
        try:
            named = await self._ask(sentinel, self._primary)
        except (OSError, hiredis.HiredisError) as error:
            return f"{sentinel}: {error}"
        if isinstance(named, list) and len(named) == 2:
            return Address(named[0].decode(), int(named[1]))
        return f"{sentinel} knows no primary called {self._primary!r}"
