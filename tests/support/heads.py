"""Reads a complete request head as the gateway reads it."""

from websocket_handler.protocol.request_head import HeadReader, RequestHead

HEAD_BYTES = 32_768


def read_head(data: bytes) -> RequestHead:
    """The head at the beginning of the bytes. Raises CommandError, or AssertionError if it is not complete."""
    head = HeadReader(HEAD_BYTES).receive(data)
    assert head is not None, "the head is not complete"
    return head
