"""A snapshot within a maximum of bytes, as it is stored and as clients get it."""

from collections.abc import Callable
from typing import Final

import msgspec

from websocket_handler.logs.runs.fold import Fold
from websocket_handler.logs.runs.snapshot import snapshot_of
from websocket_handler.logs.runs.vocabulary import Fields

SNAPSHOT_BYTES_MIN: Final = 4096
"""In so many bytes there is space for a snapshot that says only that it is truncated."""
_AT_LAST: Final = ("runs", "ended", "usage", "interrupts")
"""What is left out after all messages and the state, in this order."""
_encode: Final = msgspec.json.encode
Form = Callable[[Fields], bytes]
"""Makes the push that clients get of a snapshot."""


def fitted(fold: Fold, bytes_max: int, form: Form) -> tuple[bytes, bytes]:
    """The snapshot of a fold as bytes to store, and as `form` makes it. Both have at most `bytes_max` bytes: what is
    too much is left out, the oldest finished messages first, then growing ones, the state, and what is open in runs.
    Then the snapshot is marked as truncated."""
    snapshot = snapshot_of(fold)
    made = _made(snapshot, form)
    excess = _excess(made, bytes_max)
    if excess <= 0:
        return made
    snapshot["truncated"] = True
    while excess > 0 and snapshot["messages"]:
        _leave_out_messages(snapshot, fold, excess)
        made = _made(snapshot, form)
        excess = _excess(made, bytes_max)
    for name in ("state", *_AT_LAST):
        if excess <= 0:
            break
        if name in _AT_LAST:
            snapshot[name] = []
        else:
            snapshot.pop(name, None)
        made = _made(snapshot, form)
        excess = _excess(made, bytes_max)
    return made


def _made(snapshot: Fields, form: Form) -> tuple[bytes, bytes]:
    return _encode(snapshot), form(snapshot)


def _excess(made: tuple[bytes, bytes], bytes_max: int) -> int:
    return max(map(len, made)) - bytes_max


def _leave_out_messages(snapshot: Fields, fold: Fold, excess: int) -> None:
    """Leave out messages until so many bytes are gone: at least one, the oldest finished ones first."""
    kept = {data["id"] for data in snapshot["messages"]}
    messages = [message for message in fold.messages.list if message.data["id"] in kept]
    gone: set[str] = set()
    for message in sorted(messages, key=lambda message: message.growing > 0):
        if excess <= 0:
            break
        excess -= message.size
        gone.add(message.data["id"])
    snapshot["messages"] = [data for data in snapshot["messages"] if data["id"] not in gone]
    snapshot["writers"] = {name: run_id for name, run_id in snapshot["writers"].items() if name not in gone}
