"""What this node counts. Plain integers, because the hot path adds to them; `/metrics` reads them."""

from collections import Counter


class Counters:
    """Totals since the node started."""

    __slots__ = (
        "broadcasts",
        "close_codes",
        "commands",
        "connections_opened",
        "deliveries",
        "errors",
        "forward_retries",
        "forward_seconds",
        "forwards",
        "handshakes_refused",
        "log_records_dropped",
        "pings_deferred",
        "protections",
        "publications",
        "recoveries",
        "resets",
        "segments",
        "slow_pauses",
        "streams",
        "streams_refused",
        "updates",
    )

    def __init__(self) -> None:
        self.connections_opened = 0
        self.publications = 0
        self.segments = 0
        self.broadcasts = 0
        self.deliveries = 0
        """Publications and broadcasts handed to a transport, counted once per subscriber."""
        self.slow_pauses = 0
        self.resets = 0
        self.forward_retries = 0
        self.forward_seconds = 0.0
        self.log_records_dropped = 0
        self.pings_deferred = 0
        """Beyond the rate of their connection: only the latest is answered, later."""
        self.commands: Counter[str] = Counter()
        self.errors: Counter[str] = Counter()
        self.close_codes: Counter[int] = Counter()
        self.handshakes_refused: Counter[str] = Counter()
        self.streams = 0
        """Event streams and polls that wait, at this moment."""
        self.streams_refused: Counter[str] = Counter()
        self.recoveries: Counter[str] = Counter()
        self.forwards: Counter[tuple[str, str]] = Counter()
        """By agent and outcome: confirmed, failed, rejected, overloaded."""
        self.protections: Counter[str] = Counter()
        """Of this node from scale-in, by outcome: protected, renewed, released, waived, failed."""
        self.updates: Counter[str] = Counter()
        """By outcome: published, broadcast, malformed, failed."""
