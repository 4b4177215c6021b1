"""The engine's maxima, each with its typed answer."""

from dataclasses import dataclass, field

from websocket_handler.hub.log import LogLimits


@dataclass(frozen=True, slots=True)
class DeliveryLimits:
    """How much one node holds."""

    log: LogLimits = field(default_factory=LogLimits)
    message_bytes: int = 65_536
    """The largest object that may be published, whichever way it comes. The answer to a larger one is
    `message_too_large`."""
    history_page_messages: int = 1000
    """The most publications in one `history` reply. A higher `limit` counts as this one."""
    history_page_bytes: int = 1_048_576
    log_bytes_total: int = 134_217_728
    """How many bytes of publications all projects retain together. Beyond it, the projects that were used least
    recently give up their oldest publications."""
    run_bytes_total: int = 33_554_432
    """How many bytes the messages of all projects' runs have together. Beyond it, those of the projects that were used
    least recently are given up, and made again of their snapshots when somebody asks."""
    run_lease_s: float = 60.0
    """After so many seconds without an event the agent of a run has lost its lease. 0: it never has."""
    run_snapshot_bytes: int = 262_144
    """The largest snapshot of a project's runs, as it is stored and as clients get it. What exceeds it is left out, the
    oldest finished messages first."""
    projects: int = 10_000
    """How many projects may be open. Beyond it idle ones are closed; if none is idle, the answer is
    `too_many_projects`."""
    project_idle_s: float = 60.0
    pending_messages: int = 10_000
    """How many publications of one project may wait for the log store. The answer to more of them is `overloaded`."""
    pending_bytes: int = 8_388_608
    commit_linger_s: float = 0.0
    """For how many seconds after a segment of a project was written its publications gather for the next one, unless
    they fill it before. 0: they do not, so a segment leaves at the end of its turn."""
    write_bytes: int = 131_072
    """The most bytes that one fan-out write carries to one subscriber, unless a single publication is larger."""
    key_count: int = 10_000
    key_seconds: float = 300.0
    producers: int = 1000
    """How many producers of one project are remembered with their last sequence. If there are more, the one that
    published longest ago is forgotten, and its next update may have to wait (`delivery/update_order.py`)."""
    connections: int = 10_000
    """How many connections may be open. Further handshakes get 503 `too_many_connections`."""
    subscriptions: int = 256
    """How many projects one connection may follow. The answer to more of them is `too_many_subscriptions`."""
    commands_in_flight: int = 256
    """How many commands of one connection may wait for a queue or a store; `delivery.in_flight` says which command
    counts for more than one. The answer to more of them is `overloaded`."""
    presence_listed: int = 1000
