"""What a metric is. A class lists metrics as its fields: each field is a plain attribute, and a row of the table.

    deliveries: int = count("Publications handed to clients", pushed_as="Deliveries")

`metrics_of` gives the rows. Prometheus asks for all of them. Rows with a name in `pushed_as` are also written out at an
interval, for a service that does not ask. The list in the documentation is made from the rows, too.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any, Final

_METRIC: Final = "metric"


class Kind(StrEnum):
    """How the value of a metric moves: it only grows, or it goes up and down."""

    COUNTER = "counter"
    GAUGE = "gauge"


class Unit(StrEnum):
    """The unit of a metric."""

    COUNT = "count"
    BYTES = "bytes"
    SECONDS = "seconds"
    MILLISECONDS = "milliseconds"


@dataclass(frozen=True, slots=True)
class Label:
    """A name by which a metric is divided, and its values. They are a closed set: a client can never choose one."""

    name: str
    values: tuple[str, ...]
    is_pushed_when_seen: bool = False
    """True if a value is pushed only after it has occurred once: the service that gets pushed metrics charges for each
    one."""


@dataclass(frozen=True, slots=True)
class Metric:
    """One row of the table."""

    name: str
    """The attribute's name; in Prometheus it stands after the prefix."""
    kind: Kind
    unit: Unit
    labels: tuple[Label, ...]
    meaning: str
    pushed_as: str
    """Its name in the service to which it is pushed; empty if it is not pushed."""


def count(meaning: str, *labels: Label, unit: Unit = Unit.COUNT, pushed_as: str = "") -> Any:
    """Make a field that only grows: a number, or with labels a `collections.Counter`.

    The counter's key is the value of the label, or the tuple of the labels' values.
    """
    return _field(Kind.COUNTER, meaning, labels, unit, pushed_as)


def gauge(meaning: str, *labels: Label, unit: Unit = Unit.COUNT, pushed_as: str = "") -> Any:
    """Make a field that goes up and down: a number, or with labels a mapping with keys as in `count`."""
    return _field(Kind.GAUGE, meaning, labels, unit, pushed_as)


def _field(kind: Kind, meaning: str, labels: tuple[Label, ...], unit: Unit, pushed_as: str) -> Any:
    row = {_METRIC: Metric("", kind, unit, labels, meaning, pushed_as)}
    return field(default_factory=Counter, metadata=row) if labels else field(default=0, metadata=row)


def metrics_of(table: type) -> tuple[Metric, ...]:
    """The rows that a class lists, in its order."""
    return tuple(replace(row.metadata[_METRIC], name=row.name) for row in fields(table))


def by_labels(values: Mapping[Any, float]) -> Mapping[tuple[str, ...], float]:
    """The values of a metric with labels, each by the tuple of its labels' values."""
    return {key if isinstance(key, tuple) else (key,): value for key, value in values.items()}
