"""What a node tells about itself each second."""

import msgspec

from websocket_handler.telemetry.counters import Counters
from websocket_handler.telemetry.report import Reporter, State


def state(**others: object) -> State:
    fields: dict[str, object] = {
        "connections": 3,
        "projects": 2,
        "forwards_waiting": 1,
        "is_draining": False,
        "lag_ms": (0.04, 12.345),
        "memory_bytes": 1000,
        "cpu_s": 2.5,
        **others,
    }
    return State(**fields)  # type: ignore[arg-type]


def test_a_report_counts_from_the_one_before() -> None:
    counters = Counters(publications=10, deliveries=100)
    counters.errors["rate_limited"] = 5
    reporter = Reporter("n1", counters, now=100.0, cpu_s=2.0)
    counters.publications += 4
    counters.errors["forbidden"] += 2
    counters.forwards["dev", "confirmed"] += 3
    counters.forwards["qa", "failed"] += 1
    counters.forwards["qa", "overloaded"] += 1
    first = msgspec.json.decode(reporter.report(101.25, state()))
    assert first == {
        "type": "node",
        "node_id": "n1",
        "seconds": 1.25,
        "connections": 3,
        "projects": 2,
        "draining": False,
        "opened": 0,
        "closed": {},
        "refused": {},
        "publications": 4,
        "deliveries": 0,
        "forwards": 3,
        "forwards_failed": 2,
        "forwards_waiting": 1,
        "errors": {"forbidden": 2},
        "slow": 0,
        "resets": 0,
        "lag_ms": [0.0, 12.3],
        "memory_bytes": 1000,
        "cpu_s": 0.5,
    }
    counters.deliveries += 7
    second = msgspec.json.decode(reporter.report(102.25, state(cpu_s=2.5, is_draining=True)))
    assert (second["publications"], second["deliveries"], second["errors"]) == (0, 7, {})
    assert (second["seconds"], second["cpu_s"], second["draining"]) == (1.0, 0.0, True)
