"""The table of metrics. Every metric of a node is one line here, and nowhere else.

`make metrics` writes `docs/operations/metrics.md` from it; run it after a change.
"""

from collections import Counter
from collections.abc import Callable, Mapping
from copy import copy
from dataclasses import dataclass
from typing import Final, get_args

from websocket_handler.protocol.codes import CloseCode, ErrorCode
from websocket_handler.protocol.messages import AnyCommand
from websocket_handler.protocol.names import Agent
from websocket_handler.telemetry.metrics import Kind, Label, Unit, count, gauge, metrics_of

_OTHER: Final = "other"
_RFC_6455: Final = (1000, 1001, 1002, 1003, 1005, 1006, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014)
"""The close codes with which a connection can end, as the RFC and its registry list them."""

ACTION: Final = Label("action", tuple(command.__struct_config__.tag for command in get_args(AnyCommand)))
AGENT: Final = Label("agent", tuple(map(str, Agent)))
CLOSE_CODE: Final = Label("code", (*map(str, sorted({*_RFC_6455, *CloseCode})), _OTHER))
ERROR_CODE: Final = Label("code", tuple(map(str, ErrorCode)), is_pushed_when_seen=True)
REFUSAL: Final = Label("code", (*map(str, ErrorCode), "dropped", "gone"))
"""`dropped`: the node was too busy even to answer. `gone`: the client left before its handshake was answered."""
FORWARD_OUTCOME: Final = Label("outcome", ("confirmed", "failed", "rejected", "overloaded"))
"""`failed`: no queue took it, in time or until an operator acts; `rejected`: the queue refused this task."""
RUN_REQUEST: Final = Label("what", ("started", "joined", "resumed", "stopped"))
LEASE_WORD: Final = Label("word", ("stalled", "lost"))
RECOVERY_OUTCOME: Final = Label("outcome", ("recovered", "lost"))
SNAPSHOT_OUTCOME: Final = Label("outcome", ("kept", "refused", "failed"))
"""`refused`: another node has saved as much or more. `failed`: the log store did not answer; it is tried again."""
PROTECTION_OUTCOME: Final = Label("outcome", ("protected", "renewed", "released", "waived", "failed"))
UPDATE_OUTCOME: Final = Label("outcome", ("published", "broadcast", "malformed", "failed", "held"))
"""`held`: the gateway could not publish it at once, and will try again."""

DISORDER: Final = Label("what", ("waited", "gap", "late", "double"))
"""`waited`: it waited for updates before it. `gap`: it was published without those before it. `late`: it was published
after its successors. `double`: it was published already."""


@dataclass(slots=True, eq=False)
class Counters:
    """What this node has counted since its start. The fields are plain slots, because the hot path adds to them."""

    connections_opened: int = count("Connections taken in")
    connections_closed: Counter[str] = count("Connections ended, by close code", CLOSE_CODE)
    handshakes_refused: Counter[str] = count("Handshakes refused, by error code", REFUSAL)
    commands: Counter[str] = count("Commands by action", ACTION)
    pings_deferred: int = count("Pings beyond the rate: only the latest is answered, later")
    slow_pauses: int = count("Times a client's outbox filled")
    publications: int = count("Publications committed", pushed_as="Publications")
    segments: int = count("Writes to the log store")
    broadcasts: int = count("Broadcasts sent")
    deliveries: int = count("Publications and broadcasts, once for each client that gets them", pushed_as="Deliveries")
    recoveries: Counter[str] = count("Resumed subscriptions by outcome", RECOVERY_OUTCOME, pushed_as="Recoveries")
    subscription_resets: int = count("Cursors moved because the log no longer reached them")
    streams: int = gauge("Event streams and polls that wait")
    streams_refused: Counter[str] = count("Event streams and waiting polls refused, by code", ERROR_CODE)
    agui_requests: Counter[str] = count("Requests of AG-UI clients by what became of them", RUN_REQUEST)
    run_violations: int = count("Events of runs at which an AG-UI client would stop (`lint-stream` says why)")
    runs_lost: Counter[str] = count("Runs whose agent was silent for RUN_LEASE_S, by what was said", LEASE_WORD)
    agui_cuts: int = count("AG-UI streams cut before the end of their run, so that their clients come back")
    run_snapshots: Counter[str] = count("Snapshots of runs saved in the log store, by outcome", SNAPSHOT_OUTCOME)
    ai_requests: Counter[str] = count("Requests of AI SDK clients by what became of them", RUN_REQUEST)
    ai_cuts: int = count("AI SDK streams cut before the end of their run, so that their clients come back")
    forwards: Counter[tuple[str, str]] = count(
        "Forwards by agent and outcome", AGENT, FORWARD_OUTCOME, pushed_as="Forwards"
    )
    forward_retries: int = count("Forwards tried again")
    forward_seconds: float = count("Time from command to receipt, summed", unit=Unit.SECONDS)
    updates: Counter[str] = count("Messages of the updates queue by outcome", UPDATE_OUTCOME)
    numbered_updates: Counter[str] = count("Updates with producer and sequence that did not come in order", DISORDER)
    errors: Counter[str] = count("Error answers by code", ERROR_CODE, pushed_as="ErrorsByCode")
    scale_in_protections: Counter[str] = count("Protection from scale-in by outcome", PROTECTION_OUTCOME)
    log_records_dropped: int = count("Log lines lost: stdout blocked, or its disk full")

    def connection_closed(self, code: int) -> None:
        """Count the end of a connection. A client may close with any code; an unknown code counts as `other`."""
        label = str(code)
        self.connections_closed[label if label in CLOSE_CODE.values else _OTHER] += 1

    def copy(self) -> "Counters":
        """The counters as they are now."""
        return Counters(**{metric.name: copy(getattr(self, metric.name)) for metric in metrics_of(Counters)})

    def since(self, before: "Counters") -> "Counters":
        """What was counted after `before`. If a value of a label was counted once, it stays, perhaps with 0."""
        counted = Counters()
        for metric in metrics_of(Counters):
            value, old = getattr(self, metric.name), getattr(before, metric.name)
            if metric.kind is Kind.GAUGE:
                setattr(counted, metric.name, value)
            elif metric.labels:
                setattr(counted, metric.name, Counter({key: number - old[key] for key, number in value.items()}))
            else:
                setattr(counted, metric.name, value - old)
        return counted


@dataclass(frozen=True, slots=True)
class Gauges:
    """The state of a node at this moment."""

    connections: int = gauge("Live connections", pushed_as="ActiveConnections")
    subscriptions: int = gauge("Subscriptions")
    projects: int = gauge("Open projects")
    retained_bytes: int = gauge("Bytes of retained publications in memory", unit=Unit.BYTES)
    outbox_bytes: int = gauge("Bytes that wait for clients", unit=Unit.BYTES, pushed_as="OutboxBytes")
    forwards_waiting: Mapping[str, int] = gauge("Forwards not yet answered", AGENT)
    resources_unusable: int = gauge("Queues and tables that only an operator can make usable")
    backplane_down: int = gauge("1 while the node cannot hear what other nodes publish, otherwise 0")
    draining: int = gauge("1 while the node hands its clients over, otherwise 0", pushed_as="Draining")


@dataclass(frozen=True, slots=True)
class Summary:
    """A metric that is only pushed. It exists because an alarm reads one metric and cannot add up the values of a
    label."""

    pushed_as: str
    unit: Unit
    meaning: str
    value: Callable[[Counters], float | None]
    """Computes the value from the counts of an interval; None if there is nothing to push."""


def _forwards(counted: Counters, outcome: str) -> int:
    return sum(counted.forwards[agent, outcome] for agent in AGENT.values)


def _forward_latency_ms(counted: Counters) -> float | None:
    """None if there was no forward: no forward is not a fast one. Forwards that were refused at once do not count."""
    answered = counted.forwards.total() - _forwards(counted, "overloaded")
    return round(1000 * counted.forward_seconds / answered, 3) if answered else None


SUMMARIES: Final = (
    Summary("Errors", Unit.COUNT, "Error answers", lambda counted: counted.errors.total()),
    Summary(
        "ForwardsConfirmed",
        Unit.COUNT,
        "Forwards that a queue accepted",
        lambda counted: _forwards(counted, "confirmed"),
    ),
    Summary(
        "ForwardsFailed",
        Unit.COUNT,
        "Forwards that no queue took, in time or at all",
        lambda counted: _forwards(counted, "failed"),
    ),
    Summary("ForwardLatency", Unit.MILLISECONDS, "Mean time from command to receipt", _forward_latency_ms),
)
