"""The engine's maxima, each with its typed answer."""

from dataclasses import dataclass, field

from websocket_handler.hub.log import LogLimits


@dataclass(frozen=True, slots=True)
class DeliveryLimits:
    """How much one node holds."""

    log: LogLimits = field(default_factory=LogLimits)
    message_bytes: int = 65_536
    """One published object, whichever way it came; beyond it: `message_too_large`."""
    history_page_messages: int = 1000
    """The most publications in one `history` reply; a higher `limit` is capped."""
    history_page_bytes: int = 1_048_576
    log_bytes_total: int = 134_217_728
    """All retained publications of all projects: beyond it `shrink` takes from the least recently used."""
    projects: int = 10_000
    """Open projects; beyond it idle ones are closed, and when none is idle: `too_many_projects`."""
    project_idle_s: float = 60.0
    pending_messages: int = 10_000
    """Publications of one project that wait for the log store; beyond it: `overloaded`."""
    pending_bytes: int = 8_388_608
    write_bytes: int = 131_072
    """The most one fan-out write carries to one subscriber, unless a single publication is larger."""
    key_count: int = 10_000
    key_seconds: float = 300.0
    producers: int = 1000
    """Producers of one project whose last sequence is remembered; beyond it the one that published longest ago is
    forgotten, whose next update may have to wait (`delivery/update_order.py`)."""
    connections: int = 10_000
    """Live connections; beyond it handshakes get 503 `too_many_connections`."""
    subscriptions: int = 256
    """Projects one connection follows; beyond it: `too_many_subscriptions`."""
    commands_in_flight: int = 256
    """Commands of one connection that wait for a queue or a store; beyond it: `overloaded`. `delivery.in_flight` says
    what counts for how many."""
    presence_listed: int = 1000
