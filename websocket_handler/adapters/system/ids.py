"""Ids that no two nodes make twice."""

import secrets
from collections.abc import Callable
from itertools import count


def new_id() -> str:
    """16 characters of [A-Za-z0-9_-], 96 bits of chance: nobody can guess it."""
    return secrets.token_urlsafe(12)


def numbered_ids() -> Callable[[], str]:
    """Makes ids that no two nodes make twice, but that can be guessed: chance once, and a number. They cost no system
    call."""
    chance, numbers = new_id(), count(1)
    return lambda: f"{chance}{next(numbers):x}"


def new_hex_id() -> str:
    """32 hexadecimal digits, 128 bits of chance: the form of message ids that the gateway makes."""
    return secrets.token_hex(16)
