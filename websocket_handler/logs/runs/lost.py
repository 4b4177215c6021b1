"""The end of a run whose agent is gone: what its agent would have published, and an error."""

from websocket_handler.logs.runs import chunks
from websocket_handler.logs.runs.fold import Fold
from websocket_handler.logs.runs.open_runs import Run
from websocket_handler.logs.runs.vocabulary import STALLED, Fields

LOST_CODE = "lost"


def lost_events(fold: Fold, run_id: str, message: str = "the agent is gone: its lease ended") -> list[Fields]:
    """The events to publish for a run whose lease ended: the missing ENDs, the last thing that was opened first, and
    RUN_ERROR with the code `lost`. Each names its run. The list is empty if the run is not open."""
    run = fold.runs.runs.get(run_id)
    if run is None:
        return []
    ends = [chunks.end_of(key).fields for key in reversed(run.open)]
    error: Fields = {"type": "RUN_ERROR", "message": message, "code": LOST_CODE}
    names = {"runId": run_id} if run.attempt == 1 else {"runId": run_id, "attempt": run.attempt}
    return [{**fields, **names} for fields in (*ends, error)]


def stalled_event(run: Run) -> Fields:
    """The event that says that the lease of a run is over."""
    value = {"attempt": run.attempt, "heard": run.heard}
    return {"type": "CUSTOM", "name": STALLED, "value": value, "runId": run.run_id}
