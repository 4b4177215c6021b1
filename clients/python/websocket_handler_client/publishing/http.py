"""Publishes over the gateway's HTTP API. Needs nothing but the standard library."""

import http.client
import json
import uuid
from collections.abc import Callable
from itertools import groupby
from typing import Any, Final
from urllib.parse import quote, urlsplit

from websocket_handler_client.core.backoff import after_s
from websocket_handler_client.core.endings import understand_refusal
from websocket_handler_client.core.position import Position
from websocket_handler_client.errors import RefusedError
from websocket_handler_client.publishing.outlet import Outgoing
from websocket_handler_client.publishing.tries import Tries, TryAgain

BATCH_MAX: Final = 100
"""Objects of one request."""
BATCH_BYTES_MAX: Final = 1_000_000
SOCKET_TIMEOUT_S: Final = 10.0
FINAL_STATUSES: Final = frozenset({400, 401, 403, 404, 405, 409, 411, 413, 415, 422, 431})


class HttpOutlet:
    """Publishes with POST, over one connection that is kept."""

    needs_numbers = False
    blocks = True

    def __init__(self, url: str, token: str | Callable[[], str] | None = None, tries: Tries | None = None) -> None:
        """`url` is `http://host` or `https://host`; `token` a text, or a function that gives one for each request.
        Raises ValueError if the URL is another."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"the URL begins with http:// or https://, not {url!r}")
        self._make: Callable[..., http.client.HTTPConnection] = (
            http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        )
        self._host, self._port, self._path = parts.hostname, parts.port, parts.path.rstrip("/")
        self._token = token
        self._tries = tries or Tries()
        self._connection: http.client.HTTPConnection | None = None

    def send(self, outgoing: list[Outgoing], timeout_s: float) -> list[Position | None]:
        """Send objects in order, neighbours of one project together."""
        positions: list[Position | None] = []
        for (project_id, key), group in groupby(outgoing, key=lambda one: (one.project_id, one.key)):
            name = key or uuid.uuid4().hex
            for index, batch in enumerate(_batches([one.message for one in group])):
                positions += self._send_batch(project_id, batch, f"{name}.{index}" if index else name, timeout_s)
        return positions

    def close(self) -> None:
        """Close the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _send_batch(
        self, project_id: str | None, batch: list[dict[str, Any]], key: str, timeout_s: float
    ) -> list[Position | None]:
        path = "/api/v1/broadcast" if project_id is None else f"/api/v1/projects/{quote(project_id)}/messages"
        body = json.dumps(batch[0] if len(batch) == 1 else batch, ensure_ascii=False).encode()
        headers = {"Content-Type": "application/json", "Idempotency-Key": key}
        answer = self._tries.until(timeout_s, lambda: self._request(path, body, headers))
        if project_id is None:
            return [None] * len(batch)
        offsets = answer["offsets"] if len(batch) > 1 else [answer["offset"]]
        return [Position(answer["epoch"], offset) for offset in offsets]

    def _request(self, path: str, body: bytes, headers: dict[str, str]) -> dict[str, Any]:
        token = self._token() if callable(self._token) else self._token
        if token is not None:
            headers = {**headers, "Authorization": f"Bearer {token}"}
        try:
            if self._connection is None:
                self._connection = self._make(self._host, self._port, timeout=SOCKET_TIMEOUT_S)
            self._connection.request("POST", self._path + path, body, headers)
            response = self._connection.getresponse()
            content = response.read()
        except (OSError, http.client.HTTPException) as fault:
            self.close()
            raise TryAgain(f"{type(fault).__name__}: {fault}") from fault
        if response.status == 200:
            answer: dict[str, Any] = json.loads(content)
            return answer
        return self._refused(response.status, content, response.headers.get("Retry-After"))

    def _refused(self, status: int, content: bytes, retry_after: str | None) -> dict[str, Any]:
        refusal = understand_refusal(status, content, retry_after)
        if status in FINAL_STATUSES:
            raise RefusedError(refusal.code, refusal.message)
        wait_s = refusal.wait_s
        raise TryAgain(
            f"{refusal.code}: {refusal.message}",
            wait_s if wait_s is None or refusal.is_exact else after_s(wait_s, self._tries.chance()),
        )


def _batches(messages: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Parts that fit into one request each."""
    batches: list[list[dict[str, Any]]] = []
    size = 0
    for message in messages:
        length = len(json.dumps(message, ensure_ascii=False).encode())
        if not batches or len(batches[-1]) >= BATCH_MAX or size + length > BATCH_BYTES_MAX:
            batches.append([])
            size = 0
        batches[-1].append(message)
        size += length
    return batches
