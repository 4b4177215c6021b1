"""PURE: the words of the wire protocol. Text and `now` in, values out; no clock, no I/O, no log."""
