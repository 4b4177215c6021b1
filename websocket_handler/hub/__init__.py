"""PURE: the publications that a node keeps of each project, cursors on them, epochs and idempotency keys."""
