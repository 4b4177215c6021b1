"""PURE: the rules of a client. Texts and the time go in, effects come out. Nothing here knows sockets or clocks."""
