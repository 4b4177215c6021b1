"""Ids that no two nodes make twice."""

import os
import secrets
from collections.abc import Callable
from itertools import count


def new_id() -> str:
    """Makes an id of 16 characters [A-Za-z0-9_-] with 96 random bits: nobody can guess it."""
    return secrets.token_urlsafe(12)


def numbered_ids() -> Callable[[], str]:
    """Makes ids that no two nodes make twice, but that somebody can guess: random bits once, and a number. They cost no
    system call."""
    chance, numbers = new_id(), count(1)
    return lambda: f"{chance}{next(numbers):x}"


def new_hex_id() -> str:
    """Makes an id of 32 hexadecimal digits with 128 random bits: the form of message ids that the gateway makes."""
    return os.urandom(16).hex()  # what `secrets` does, in one call instead of four
