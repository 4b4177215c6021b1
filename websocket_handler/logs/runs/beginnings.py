"""What was under way where a log begins whose older entries are gone."""

from collections.abc import Iterable
from typing import Final

from websocket_handler.logs.runs.events import Event, read_event
from websocket_handler.logs.runs.open_runs import Key, Run, key_of
from websocket_handler.logs.runs.vocabulary import ACTS, Act, Fields

UNKNOWN: Final[Fields] = {"role": "assistant", "toolCallName": "unknown"}
"""What stands for the event that opened something, if the log no longer holds it."""


def runs_without_beginning(payloads: Iterable[bytes]) -> list[Run]:
    """The runs that were under way where a log begins whose older entries are gone, and what was open in them: whatever
    goes on or is closed there without having been opened."""
    runs: dict[str, Run | None] = {}
    known: set[Key] = set()
    for payload in payloads:
        event = read_event(payload)
        run_id = event.fields.get("runId") if isinstance(event, Event) else None
        if not isinstance(event, Event) or run_id is None:
            continue
        run = runs.setdefault(run_id, None if event.type == "RUN_STARTED" else Run(run_id))
        key = key_of(event)
        if run is not None and key is not None and key not in known and ACTS[event.type][1] is not Act.OPEN:
            run.open[key] = UNKNOWN
        if key is not None:
            known.add(key)
    return [run for run in runs.values() if run is not None]
