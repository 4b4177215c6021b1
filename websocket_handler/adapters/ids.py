"""Ids that nobody can guess and no two nodes make twice."""

import secrets


def new_id() -> str:
    """16 characters of [A-Za-z0-9_-], 96 bits of chance."""
    return secrets.token_urlsafe(12)


def new_hex_id() -> str:
    """32 hexadecimal digits, 128 bits of chance: the form of message ids that the gateway makes."""
    return secrets.token_hex(16)
