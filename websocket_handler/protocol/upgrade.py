"""Which requests ask for a WebSocket: the one rule for the first request of a connection and for every later one."""


def names_websocket(upgrade: bytes) -> bool:
    """True if the value of an `Upgrade` header, which is a list in any case (RFC 9110 section 7.8), has `websocket`."""
    return any(protocol.strip(b" \t").lower() == b"websocket" for protocol in upgrade.split(b","))
