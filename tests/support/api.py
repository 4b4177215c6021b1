"""A client for the gateway's HTTP API, and a check of error objects."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import aiohttp

from tests.support.frames import HANDSHAKE
from tests.support.gateway import Gateway
from tests.support.patience import PATIENCE_S
from websocket_handler.protocol.codes import ERRORS, ErrorCode


class Http:
    """An HTTP client for one gateway."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self.session = session

    async def json(self, method: str, path: str, expected: int = 200, **more: Any) -> Any:
        """Send a request. Returns the JSON of its answer, which has the status `expected`."""
        async with self.session.request(method, path, **more) as response:
            assert response.status == expected, (response.status, await response.text())
            assert response.content_type == "application/json"
            return await response.json()


def check_error(error: dict[str, Any], code: str, **known: Any) -> None:
    """Check an error object against the table of the protocol."""
    expected = ERRORS[ErrorCode(code)]
    assert error["code"] == code, error
    assert error["message"]
    assert {**error, "message": ""} == {
        "type": "error",
        "code": code,
        "message": "",
        "retryable": expected.retryable,
        **known,
    }


async def refused_handshake(
    gateway: Gateway, query: str = "", path: str = "/ws", **headers: str
) -> tuple[int, Mapping[str, str], Any]:
    """Send a handshake that is refused. Returns the status, the headers and the JSON body of the answer."""
    handshake = {
        **HANDSHAKE,
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    handshake = {name: value for name, value in handshake.items() if value}
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE_S)) as session,
        session.get(f"{gateway.base_url}{path}{query}", headers=handshake) as response,
    ):
        return response.status, response.headers, json.loads(await response.read())
