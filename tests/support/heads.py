"""A whole request head, read as the gateway reads it."""

from websocket_handler.protocol.request_head import HeadReader, RequestHead

HEAD_BYTES = 32_768


def read_head(data: bytes) -> RequestHead:
    """The head with which the bytes begin. Raises CommandError, and AssertionError if it is not complete."""
    head = HeadReader(HEAD_BYTES).receive(data)
    assert head is not None, "the head is not complete"
    return head
