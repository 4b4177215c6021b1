"""The identity of a log's numbering, and what its age proves.

An epoch is opaque to clients. It begins with the second of its making, in hexadecimal, so that a node can tell one
thing about an epoch that it does not know: whether the log store would still hold what was ever written under it.
"""

EXPIRY_MARGIN_S = 3600.0
"""Clocks of two nodes may differ; an epoch near its expiry proves nothing."""


def begin_epoch(now: float, unique: str) -> str:
    """A new epoch. `now` is wall-clock seconds, `unique` an id that nobody makes twice."""
    return f"{int(now):x}-{unique}"


def was_never_written(epoch: str, retention_s: float, now: float) -> bool:
    """True if nothing was ever written under an epoch that a durable store does not know: the epoch is younger than
    what the store retains, so anything written under it would still be there. `now` is wall-clock seconds."""
    began, _, unique = epoch.partition("-")
    try:
        age_s = now - int(began, 16)
    except ValueError:
        return False
    return bool(unique) and -EXPIRY_MARGIN_S <= age_s <= retention_s - EXPIRY_MARGIN_S
