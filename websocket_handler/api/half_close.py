"""Clients that send no more but still want their answers (RFC 9112 section 9.6)."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from starlette.requests import Request

HALF_CLOSE: Final = "half_close"
"""The entry of a request's state that holds the half-close of its connection."""


class HalfClose:
    """The half-close of one HTTP connection. Its requests run one after the other, so at most one of them waits."""

    def __init__(self) -> None:
        self.is_done = False
        self._waiting: Callable[[], None] | None = None

    def happened(self) -> None:
        """The client sends no more. A request that waits for news is answered with what there is."""
        self.is_done = True
        if self._waiting is not None:
            self._waiting()

    @contextmanager
    def waking(self, wake: Callable[[], None]) -> Iterator[None]:
        """Call `wake` if the client half-closes the connection while the block runs."""
        self._waiting = wake
        try:
            yield
        finally:
            self._waiting = None


def half_close_of(request: Request) -> HalfClose:
    """The half-close of a request's connection."""
    found: HalfClose = request.scope["state"][HALF_CLOSE]
    return found
