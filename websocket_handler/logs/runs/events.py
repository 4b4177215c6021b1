"""Reads publications of a log as events of runs."""

from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct

from websocket_handler.logs.runs import shapes
from websocket_handler.logs.runs.problems import Problem
from websocket_handler.logs.runs.tolerance import noted_nulls, tolerated
from websocket_handler.logs.runs.vocabulary import BOTH, TYPES, Fields


class Event(NamedTuple):
    """An event whose fields have the shape that AG-UI wants."""

    type: str
    fields: Fields
    """The publication's fields, without what clients of 1.0 overlook."""
    offset: int = 0
    """Its offset in the project's log; 0 if it is in none."""
    notes: tuple[Problem, ...] = ()
    """What was overlooked."""


class Malformed(NamedTuple):
    """A publication with the type of an event, and fields that AG-UI does not allow."""

    type: str
    offset: int
    problem: Problem
    seen: Event | None = None
    """What those clients see that do not stop there; None if all of them stop."""


class _Head(Struct):
    type: Any = None
    offset: Any = 0


_read_head: Final = msgspec.json.Decoder(_Head).decode
_read: Final = msgspec.json.Decoder().decode


class Other(NamedTuple):
    """A publication that is no event."""

    offset: int = 0
    type: object = None


def read_event(payload: bytes) -> Event | Malformed | Other:
    """Read one publication as the log holds it. Bytes that are no JSON object are `Other`; nothing is raised."""
    try:
        head = _read_head(payload)
        offset = head.offset if type(head.offset) is int else 0
        if type(head.type) is not str or head.type not in TYPES:
            return Other(offset, head.type)
        return _checked(head.type, _read(payload), offset)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Other()


def event_of(fields: Fields) -> Event | Malformed | Other:
    """The same for an object that was read already."""
    offset = fields.get("offset")
    offset = offset if type(offset) is int else 0
    event_type = fields.get("type")
    if type(event_type) is not str or event_type not in TYPES:
        return Other(offset, event_type)
    return _checked(event_type, fields, offset)


def _checked(event_type: str, fields: Fields, offset: int) -> Event | Malformed:
    problem = shapes.problem_in(event_type, fields)
    if problem is not None:
        return Malformed(event_type, offset, problem, _seen(event_type, fields, offset, problem))
    fields, notes = tolerated(event_type, fields)
    return Event(event_type, fields, offset, notes)


def _seen(event_type: str, fields: Fields, offset: int, problem: Problem) -> Event | None:
    if problem.stops == BOTH:
        return None
    if not problem.stops:  # only the id of the run is wrong, at which clients do not look
        fields, notes = tolerated(event_type, {name: value for name, value in fields.items() if name != "runId"})
        return Event(event_type, fields, offset, notes)
    stand_in = "RAW" if event_type == "RAW" else "CUSTOM"  # 0.0.59 goes on, and shows nothing of it
    return Event(stand_in, {"name": "", "value": None, "event": None}, offset, noted_nulls(event_type, fields))
