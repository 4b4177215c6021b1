"""Reads a complete request head as the gateway reads it."""

from websocket_handler.protocol.request_head import HeadReader, RequestHead

HEAD_BYTES = 32_768


def read_head(data: bytes, bytes_max: int = HEAD_BYTES) -> RequestHead:
    """The head at the beginning of the bytes. Raises CommandError, or AssertionError if it is not complete."""
    head = HeadReader(bytes_max).receive(data)
    assert head is not None, "the head is not complete"
    return head
