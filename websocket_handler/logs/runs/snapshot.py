"""A fold as JSON that can be stored, and back. What goes on from it ends as if it had never been stored."""

from typing import Final

import msgspec

from websocket_handler.logs.runs.fold import NO_STATE, Fold
from websocket_handler.logs.runs.limits import FoldLimits
from websocket_handler.logs.runs.open_runs import Run
from websocket_handler.logs.runs.vocabulary import Fields, Kind

VERSION: Final = 1
_TEXTS: Final = (Kind.TEXT, Kind.CALL, Kind.REASONING)


class SnapshotUnreadable(Exception):
    """The bytes are no snapshot, or one of a version that this gateway does not know. Read the log instead."""


def snapshot_of(fold: Fold) -> Fields:
    """The fold as a JSON object. It shares its values with the fold: encode it before the next event."""
    snapshot: Fields = {
        "version": VERSION,
        "project_id": fold.project_id,
        "offset": fold.offset,
        "truncated": fold.truncated,
        "messages": fold.messages.data(),
        "writers": {each.data["id"]: each.run_id for each in fold.messages.list if each.run_id is not None},
        "runs": [_run(run) for run in fold.runs.runs.values()],
        "ended": [{"run_id": run_id, **end} for run_id, end in fold.ends.ended.items()],
        "interrupts": list(fold.ends.interrupts.values()),
        "decisions": [{"interruptId": name, **each} for name, each in fold.ends.decisions.items()],
        "usage": [
            {"provider": provider, "model": model, **counts} for (provider, model), counts in fold.ends.usage.items()
        ],
    }
    return snapshot if fold.state is NO_STATE else snapshot | {"state": fold.state}


def dump(fold: Fold) -> bytes:
    """The fold as bytes to store."""
    return msgspec.json.encode(snapshot_of(fold))


def load(stored: bytes, limits: FoldLimits | None = None) -> Fold:
    """The fold of what `dump` gave. Raises SnapshotUnreadable."""
    try:
        snapshot = msgspec.json.decode(stored)
        if snapshot["version"] != VERSION:
            raise SnapshotUnreadable(f"version {snapshot['version']}")
        return _restored(snapshot, limits)
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise SnapshotUnreadable(str(error)) from None


def _run(run: Run) -> Fields:
    return {
        "run_id": run.run_id,
        "started": run.started,
        "attempt": run.attempt,
        "heard": run.heard,
        "is_waiting": run.is_waiting,
        "is_stalled": run.is_stalled,
        "open": [[*key, fields] for key, fields in run.open.items()],
        "closed_subagents": list(run.closed_subagents),
        "chunks": [[owner, *key] for owner, key in run.chunks.items()],
        "span": run.span,
        "thought": run.thought,
        "thoughts": run.thoughts,
    }


def _restored(snapshot: Fields, limits: FoldLimits | None) -> Fold:
    fold = Fold(snapshot["project_id"], limits)
    fold.offset = int(snapshot["offset"])
    fold.messages.restore(snapshot["messages"], dict(snapshot["writers"]))
    fold.messages.truncated |= bool(snapshot["truncated"])
    fold.state = snapshot.get("state", NO_STATE)
    for each in snapshot["runs"]:
        run = Run(each["run_id"], each["started"], each.get("attempt", 1))
        run.heard = each.get("heard", run.started)
        run.is_waiting, run.is_stalled = each.get("is_waiting", False), each.get("is_stalled", False)
        run.span, run.thought, run.thoughts = each["span"], each["thought"], each["thoughts"]
        for kind, thing, owner, fields in each["open"]:
            run.open[(kind, thing, owner)] = fields
        run.closed_subagents.update(dict.fromkeys(each["closed_subagents"]))
        run.chunks = {lane: (kind, thing, owner) for lane, kind, thing, owner in each["chunks"]}
        fold.runs.put(run)
        for key in run.open:
            if key[0] in _TEXTS:
                fold.messages.grow(key)
    for each in snapshot["ended"]:
        fold.ends.ended[each.pop("run_id")] = each
    for each in snapshot["interrupts"]:
        fold.ends.restore_interrupt(each)
    for each in snapshot["decisions"]:
        fold.ends.decisions[each.pop("interruptId")] = {"asked": 0, **each}
    for each in snapshot["usage"]:
        fold.ends.usage[(each.pop("provider"), each.pop("model"))] = each
    return fold


def told(snapshot: Fields) -> Fields:
    """What clients are told of a snapshot: everything but what only a fold needs."""
    shown: Fields = {name: snapshot[name] for name in ("truncated", "messages", "state") if name in snapshot}
    shown["runs"] = [
        {"run_id": run["run_id"], "open": [{"kind": kind, "id": thing} for kind, thing, _, _ in run["open"]]}
        for run in snapshot["runs"]
    ]
    return shown | {name: snapshot[name] for name in ("ended", "interrupts", "usage")}
