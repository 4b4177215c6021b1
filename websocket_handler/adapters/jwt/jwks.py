"""An issuer's JWK set, fetched only from the address that the operator has set.

It is fetched again when it is old, and when a token names a key that is not in it, but at most once every `RETRY_S`. A
fetch is limited in time, bytes and keys, follows no redirect, and runs in a thread.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Final
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from websocket_handler.adapters.jwt.keys import Key, jwks_keys
from websocket_handler.ports.clock import StartTask
from websocket_handler.protocol.names import LOOPBACK_HOSTS

FETCH_TIMEOUT_S: Final = 5.0
DOCUMENT_BYTES_MAX: Final = 262_144
MAX_AGE_S: Final = 900.0
"""For how many seconds a key is still accepted after its issuer withdrew it, if the issuer answers."""
RETRY_S: Final = 30.0
RETRY_WITHOUT_KEYS_S: Final = 5.0
WAITING_MAX: Final = 1000


class Jwks:
    """The keys behind one address. `now` gives monotonic seconds; `fetch` gets the document, in a thread."""

    def __init__(
        self,
        url: str,
        start_task: StartTask,
        now: Callable[[], float],
        fetch: "Callable[[str], bytes] | None" = None,
    ) -> None:
        self.keys: Sequence[Key] = ()
        self.fault: str | None = None
        self._url = url
        self._start_task = start_task
        self._now = now
        self._fetch = fetch or fetch_document
        self._fetched_at: float | None = None
        self._tried_at: float | None = None
        self._is_fetching = False
        self._waiting: list[Callable[[], None]] = []

    @property
    def is_old(self) -> bool:
        """True if it is time to look for changes."""
        return self._fetched_at is None or self._now() - self._fetched_at > MAX_AGE_S

    @property
    def may_fetch(self) -> bool:
        """True while the issuer is being asked, or if it may be asked again."""
        pause_s = RETRY_S if self.keys else RETRY_WITHOUT_KEYS_S
        return self._is_fetching or self._tried_at is None or self._now() - self._tried_at >= pause_s

    def fetch(self, done: Callable[[], None] | None = None) -> bool:
        """Ask the issuer, once for everybody who waits. `done` is called after that. Returns False if too many wait
        already."""
        if done is not None:
            if len(self._waiting) >= WAITING_MAX:
                return False
            self._waiting.append(done)
        if not self._is_fetching:
            self._is_fetching = True
            self._tried_at = self._now()
            self._start_task(self._run())
        return True

    async def _run(self) -> None:
        try:
            self.keys = jwks_keys(await asyncio.to_thread(self._fetch, self._url))
            self._fetched_at = self._now()
            self.fault = None
        except (OSError, ValueError) as fault:
            self.fault = f"the JWK set cannot be fetched: {type(fault).__name__}"
        finally:
            self._is_fetching = False
            waiting, self._waiting = self._waiting, []
            for done in waiting:
                done()


class _NoRedirect(HTTPRedirectHandler):
    def redirect_request(self, *_arguments: object, **_more: object) -> Request | None:
        return None


def is_allowed_url(url: str) -> bool:
    """True if the URL is https, or http to this machine."""
    try:
        parts = urlsplit(url)
        _port = parts.port
    except ValueError:
        return False
    is_plain_on_loopback = parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS
    return bool(parts.hostname) and (parts.scheme == "https" or is_plain_on_loopback)


def fetch_document(url: str) -> bytes:
    """The document at `url`. Raises OSError and ValueError."""
    if not is_allowed_url(url):
        raise ValueError("a JWK set is fetched over https, or from this machine")
    request = Request(url, headers={"Accept": "application/json"})  # noqa: S310 - the scheme was checked
    try:
        with build_opener(_NoRedirect).open(request, timeout=FETCH_TIMEOUT_S) as answer:
            document: bytes = answer.read(DOCUMENT_BYTES_MAX + 1)
    except URLError as fault:
        raise OSError(str(fault.reason)) from None
    if len(document) > DOCUMENT_BYTES_MAX:
        raise ValueError(f"a JWK set has at most {DOCUMENT_BYTES_MAX} bytes")
    return document
