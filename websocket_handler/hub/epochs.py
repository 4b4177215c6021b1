"""Epochs: how one begins, and what its age proves.

An epoch is opaque to clients. It begins with the second in which it was made, in hexadecimal. So a node that meets an
unknown epoch can tell one thing about it: if the log store would still hold what was written under it.
"""

EXPIRY_MARGIN_S = 3600.0
"""The clocks of two nodes may differ by this much, so an epoch that expires within this time proves nothing."""


def begin_epoch(now: float, unique: str) -> str:
    """Make a new epoch. `now` is wall-clock seconds; nobody makes the id `unique` twice."""
    return f"{int(now):x}-{unique}"


def was_never_written(epoch: str, retention_s: float, now: float) -> bool:
    """True if nothing was ever written under an epoch that a durable store does not know. The epoch is younger than
    `retention_s`, the time for which the store retains publications, so the store would still have whatever was written
    under it. `now` is wall-clock seconds."""
    began, _, unique = epoch.partition("-")
    try:
        age_s = now - int(began, 16)
    except ValueError:
        return False
    return bool(unique) and -EXPIRY_MARGIN_S <= age_s <= retention_s - EXPIRY_MARGIN_S
