"""Reads publications of a log as events of runs."""

from typing import Any, Final, NamedTuple

import msgspec
from msgspec import Struct

from websocket_handler.logs.runs import shapes
from websocket_handler.logs.runs.problems import Problem
from websocket_handler.logs.runs.tolerance import tolerated
from websocket_handler.logs.runs.vocabulary import TYPES, Fields


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
        return Malformed(event_type, offset, problem)
    fields, notes = tolerated(event_type, fields)
    return Event(event_type, fields, offset, notes)
