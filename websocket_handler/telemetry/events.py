"""Every event that the gateway logs: its name and its level. Operators search for these names, and set alarms on
them."""

import logging
from collections.abc import Callable
from typing import Final

Report = Callable[[str, dict[str, object]], None]
"""Told of what an operator should read: an event name and its fields."""

EVENTS: Final[dict[str, int]] = {
    "node.without_compiled_loop": logging.INFO,
    "node.listening": logging.INFO,
    "node.insecure": logging.WARNING,
    "setting.unknown": logging.WARNING,
    "setting.dangerous": logging.WARNING,
    "node.draining": logging.INFO,
    "node.drained": logging.INFO,
    "node.rebalancing": logging.INFO,
    "node.stopped": logging.INFO,
    "node.failed": logging.ERROR,
    "node.stopping_now": logging.WARNING,
    "node.log_records_dropped": logging.WARNING,
    "target.unknown": logging.WARNING,
    "scale_in.protected": logging.INFO,
    "scale_in.released": logging.INFO,
    "scale_in.waived": logging.WARNING,
    "handshake.refused": logging.WARNING,
    "page.refused": logging.WARNING,
    "operator.acted": logging.INFO,
    "connection.closed": logging.INFO,
    "connection.failed": logging.ERROR,
    "task.failed": logging.ERROR,
    "library": logging.WARNING,
    "updates.unavailable": logging.WARNING,
    "updates.paused": logging.WARNING,
    "updates.resumed": logging.INFO,
    "updates.extend_failed": logging.WARNING,
    "update.malformed": logging.WARNING,
    "update.failed": logging.WARNING,
    "update.gap": logging.WARNING,
    "update.late": logging.WARNING,
    "run.violation": logging.WARNING,
    "updates.left": logging.INFO,
    "state.unavailable": logging.WARNING,
    "dependency.down": logging.WARNING,
    "dependency.up": logging.INFO,
    "resource.unusable": logging.ERROR,
    "resource.usable": logging.INFO,
}
