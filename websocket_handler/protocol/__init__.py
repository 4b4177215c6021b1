"""PURE: the messages of the wire protocol. Functions take text and `now`, and return values. No clock, no I/O, no
log."""
